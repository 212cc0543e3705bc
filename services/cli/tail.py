"""Prints events of a topic as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from services.cli.exits import NotFound
from services.cli.hub import existing_topics
from services.common.codec import decode
from services.common.errors import DoesNotDecode, UnknownSchema
from services.common.kafka import TOPICS, open_consumer
from services.common.settings import Settings
from services.common.tasks import end

# Shown in columns of their own, or of no interest to somebody who watches the stream.
_ENVELOPE = {
    *("event_id", "worker_id", "organization_id", "occurred_at", "recorded_at"),
    *("actor_role", "actor_id", "correlation_id", "supersedes"),
}
_UUID_BYTES = 16


async def tail(
    settings: Settings, topic: str, *, from_start: bool, count: int | None, as_json: bool
) -> None:
    """Print until `count` events came (None: for ever) or a signal.

    Raises NotFound for an unknown topic, DependencyDown when Kafka does not answer.
    """
    if topic not in TOPICS:
        raise NotFound(f"there is no topic {topic!r}; there are {', '.join(TOPICS)}")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    printing = asyncio.create_task(_print(settings, topic, from_start, count, as_json))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({printing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await end(printing, stopping)
    if not printing.cancelled():
        printing.result()


async def _print(
    settings: Settings, topic: str, from_start: bool, count: int | None, as_json: bool
) -> None:
    printed = 0
    async with _consumer(settings, topic, from_start) as consumer:
        async for record in consumer:
            print(describe(topic, record, as_json=as_json), flush=True)
            printed += 1
            if printed == count:
                return


@contextlib.asynccontextmanager
async def _consumer(
    settings: Settings, topic: str, from_start: bool
) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of all partitions without a group, so that nobody's position moves."""
    name = settings.topic(topic)
    if name not in await existing_topics(settings):
        raise NotFound(f"the topic {name} was not made yet: `throughline init`")
    start = "earliest" if from_start else "latest"
    async with open_consumer(settings, name, auto_offset_reset=start) as consumer:
        yield consumer


def describe(topic: str, record: ConsumerRecord[bytes, bytes], *, as_json: bool) -> str:
    """One record as a line. A record that does not decode is shown as such."""
    position = f"{topic}:{record.partition}:{record.offset}"
    try:
        event = decode(record.value or b"")
    except (UnknownSchema, DoesNotDecode) as error:
        if as_json:
            return json.dumps({"position": position, "error": str(error)})
        return f"{position}  does not decode: {error}"
    fields = {name: _plain(value) for name, value in event.fields.items()}
    if as_json:
        return json.dumps({"position": position, "type": event.name, **fields})
    return _line(position, event.name, fields)


def _line(position: str, event_type: str, fields: Mapping[str, Any]) -> str:
    subject = fields.get("worker_id") or fields.get("organization_id") or "-"
    own = (f"{k}={v}" for k, v in fields.items() if k not in _ENVELOPE and v not in (None, []))
    return f"{fields['occurred_at']}  {position:<18}  {event_type}  {subject}  {' '.join(own)}"


def _plain(value: Any) -> Any:
    """A field as JSON has it. Bytes that are no id are sealed, and are not shown."""
    match value:
        case bytes() if len(value) == _UUID_BYTES:
            return str(UUID(bytes=value))
        case bytes():
            return "(sealed)"
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)
