"""Posting imports, waiting for them, and reading back what is on the log."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition

from services.common.codec import Decoded, decode
from services.common.kafka import open_consumer
from services.common.settings import Settings
from services.demo.data import Shipment
from tests import ingest_kit
from tests.conftest import Hub
from tests.processes import until

SHARED = Path(__file__).parents[3] / "shared" / "data"
Headers = dict[str, str]


def needs(path: Path) -> pytest.MarkDecorator:
    """Tests with the full files say loudly when they are not there."""
    reason = f"THE FULL FILES ARE NOT HERE: {path.name}; only the sample was tested"
    return pytest.mark.skipif(not path.exists(), reason=reason)


async def post(
    hub: Hub,
    key: Headers,
    file: str | bytes | Path,
    mapping: str,
    *,
    lookups: Mapping[str, Path] | None = None,
    dry_run: bool = False,
) -> httpx.Response:
    """Send an import as a browser or curl would."""
    with ExitStack() as stack:
        source: Any = stack.enter_context(file.open("rb")) if isinstance(file, Path) else file
        files: dict[str, Any] = {"file": ("rows.csv", source, "text/csv")}
        for name, path in (lookups or {}).items():
            files[f"lookup.{name}"] = (path.name, stack.enter_context(path.open("rb")), "text/csv")
        return await hub.http.post(
            "/v1/imports",
            params={"dry_run": str(dry_run).lower()},
            files=files,
            data={"mapping": mapping},
            headers=key,
        )


async def over(hub: Hub, key: Headers, answer: httpx.Response, within_s: float = 60) -> Any:
    """The import's own account, once it is done or failed."""
    assert answer.status_code == 202, answer.text

    async def shown() -> Any:
        body = (await hub.http.get(answer.headers["location"], headers=key)).json()
        return body if body["state"] in ("done", "failed", "cancelled") else None

    return await until(shown, within_s=within_s)


async def imported(
    hub: Hub, key: Headers, shipment: Shipment, within_s: float = 60, *, dry_run: bool = False
) -> Any:
    answer = await post(
        hub, key, shipment.file, shipment.mapping, lookups=shipment.lookups, dry_run=dry_run
    )
    return await over(hub, key, answer, within_s)


async def report(hub: Hub, key: Headers, account: Any) -> str:
    """What is wrong, line by line."""
    answer = await hub.http.get(account["report"], headers=key)
    assert answer.headers["content-type"].startswith("text/csv")
    return answer.text


async def rejected(hub: Hub, key: Headers, account: Any) -> str:
    """The refused rows, to correct and send again."""
    answer = await hub.http.get(account["rejected"], headers=key)
    assert answer.headers["content-type"].startswith("text/csv")
    return answer.text


async def on_the_log(settings: Settings, topic: str) -> list[Decoded]:
    """Every event of a topic, as it stands there now."""
    return [decode(record.value) for record in await ingest_kit.on_the_log(settings, topic)]


async def ends_of(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    """Where each partition of a topic ends now."""
    name = settings.topic(topic)
    async with open_consumer(settings, name) as consumer:
        parts = [TopicPartition(name, n) for n in consumer.partitions_for_topic(name)]
        found: dict[TopicPartition, int] = await consumer.end_offsets(parts)
        return found
