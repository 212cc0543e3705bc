"""What `throughline seed` calls: wiring only."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from services.common.access import Role, issue_key
from services.common.clock import utc_now
from services.common.log import get_logger
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.demo.client import HubClient
from services.demo.direct import produce
from services.demo.directory import register_organizations
from services.demo.figures import write_truth
from services.demo.live import live as stream
from services.demo.progress import Progress, progress
from services.demo.receiver import Receiver, receiving
from services.demo.region import Region
from services.demo.seed import TRUTH_FILE
from services.demo.seed import seed as sow
from services.demo.state import DemoState
from services.demo.truth import Truth

log = get_logger("demo")
OPERATOR: Final = "region-operator"
RECEIVER_PORT: Final = 8090


async def seed(
    settings: Settings,
    *,
    workers: int = 500,
    seed: int = 1,
    live: bool = False,
    direct: bool = False,
    url: str | None = None,
    as_json: bool = False,
) -> None:
    """Fill the hub with the demo region; with `live`, go on with the stream until a signal.

    url: the hub's address, when it is not the settings' public one. direct: straight to Kafka.
    Raises Refused, DependencyDown.
    """
    folder = settings.vault_dir.parent
    if direct:
        await _direct(settings, folder, workers, seed, as_json=as_json)
        return
    state = DemoState.load(folder)
    if not state.operator:
        state.operator = await _operator_key(settings)
        state.save()
    async with _client(url or settings.public_url) as hub, _receiver(state) as port:
        known = state.region(seed, utc_now().replace(minute=0, second=0, microsecond=0))
        region = Region(seed, workers, known.ends_at)
        if not live or not known.done:
            where = f"http://127.0.0.1:{port}" if port else None
            await _seed(hub, state, region, where, as_json=as_json)
        if live:
            await _live(hub, state, region)


async def _seed(
    hub: HubClient, state: DemoState, region: Region, receiver_url: str | None, *, as_json: bool
) -> None:
    with progress(quiet=as_json) as shown:
        done = await sow(hub, state, region, shown.say, receiver_url=receiver_url)
    if as_json:
        print(json.dumps(done.as_dict()))  # noqa: T201
    else:
        events = ", ".join(f"{count:,} {what}" for what, count in sorted(done.events.items()))
        shown.line(f"{done.workers:,} people, {events}, {done.grants:,} agreed to share")
        if receiver_url is not None:
            shown.line(f"What the employers' systems are told: {receiver_url}")


async def _live(hub: HubClient, state: DemoState, region: Region) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await register_organizations(hub, state)  # a region seeded before there were agreements
    counts = await stream(hub, state, region, stop, utc_now)
    log.info("the stream ends", **counts)


async def _direct(
    settings: Settings, folder: Path, workers: int, seed: int, *, as_json: bool
) -> None:
    region = Region(seed, workers)
    truth = Truth(region.window)
    began = time.monotonic()
    with progress(quiet=as_json) as shown:
        say = _rate(shown, workers)
        count = await asyncio.to_thread(produce, settings, region, say, truth=truth)
    took_s = time.monotonic() - began
    write_truth(truth, folder / TRUTH_FILE)
    if as_json:
        print(json.dumps({"workers": workers, "events": count, "events_per_s": count / took_s}))  # noqa: T201
    else:
        shown.line(f"{count:,} events of {workers:,} people, {count / took_s:,.0f} events/s")


def _rate(shown: Progress, workers: int) -> Callable[[int, float], None]:
    def say(count: int, took_s: float) -> None:
        rate = count / took_s if took_s else 0.0
        shown.say(f"Writing to Kafka, {rate:,.0f} events/s", count, max(count, workers * 33))

    return say


async def _operator_key(settings: Settings) -> str:
    """A key of the region's operator, made in the vault: this runs where the hub runs."""
    async with open_pool(settings, most=1) as pool:
        return await issue_key(pool, Role.OPERATOR, OPERATOR)


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[HubClient]:
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        yield HubClient(http)


@asynccontextmanager
async def _receiver(state: DemoState) -> AsyncIterator[int | None]:
    """The employers' receiver, on the port it had before; None when a stream has it that runs."""
    receiver = Receiver(lambda organization_id: state.secrets.get(organization_id))
    async with AsyncExitStack() as stack:
        # The port is part of the connections' addresses, so it is free to choose only once.
        for wanted in (state.receiver_port,) if state.receiver_port else (RECEIVER_PORT, 0):
            try:
                port = await stack.enter_async_context(receiving(receiver, wanted))
            except OSError as error:
                log.info("the demo receiver can't listen here", port=wanted, error=str(error))
                continue
            state.receiver_port = port
            state.save()
            yield port
            return
        yield None
