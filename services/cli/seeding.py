"""Calls the demo region's generator, which is the only code that knows what the demo is."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from services.cli.exits import NotFound
from services.common.settings import Settings


@dataclass(frozen=True, slots=True)
class SeedOrder:
    """What the command's options say; the names are those of the demo's `seed`."""

    workers: int
    seed: int
    live: bool
    direct: bool
    url: str | None
    as_json: bool


def seed(settings: Settings, order: SeedOrder) -> None:
    """Fill the hub, or with `live` go on until a signal. Raises NotFound without the demo."""
    if find_spec("services.demo") is None or find_spec("services.demo.__main__") is None:
        raise NotFound("the demo region is not installed")
    demo = import_module("services.demo.__main__")
    asyncio.run(demo.seed(settings, **asdict(order)))


def receiver_url(data: str) -> str | None:
    """The page of the demo's receiver of webhooks, if this hub has one."""
    port = import_module("services.demo.state").DemoState.load(Path(data)).receiver_port
    return f"http://127.0.0.1:{port}" if port else None
