"""Events that the hub's own services write: the envelope filled in, encoded, on the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from aiokafka import AIOKafkaProducer

from schemas.catalog import EventType, event_types
from services.common import codec
from services.common.kafka import Position
from services.common.settings import Settings
from services.common.tracing import trace_headers

if TYPE_CHECKING:  # workers do without what it needs
    from services.common.access import Principal

# The source of events that no organisation sends: the person did it here, or the hub itself.
HUB: Final = "throughline"
# The log answers within this, or the caller is told to come again.
PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, as the envelope has it."""

    role: str
    id: str
    source: str = HUB

    @classmethod
    def of(cls, caller: Principal) -> Actor:
        """A worker is called `self`, so that the log holds no second name for the person."""
        if caller.role.value == "worker":
            return cls("WORKER", "self")
        return cls(caller.role.value.upper(), caller.key_id, caller.subject)


SYSTEM: Final = Actor("SYSTEM", HUB)


@dataclass(frozen=True, slots=True)
class Event:
    """One event, encoded and ready for its topic."""

    event_type: EventType
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def about_worker(
    name: str, event_id: UUID, worker_id: UUID, actor: Actor, /, *, at: datetime, **own: Any
) -> Event:
    """An event about a person; it stands beside the person's other events."""
    fields = {
        "event_id": event_id.bytes,
        "worker_id": worker_id.bytes,
        "occurred_at": at,
        "recorded_at": at,
        "source": actor.source,
        "source_record_id": None,
        "actor_role": actor.role,
        "actor_id": actor.id,
        "correlation_id": None,
        "supersedes": None,
        **own,
    }
    return _encoded(event_types()[name], worker_id.bytes, fields)


def about_organization(
    name: str, event_id: UUID, organization_id: str, actor: Actor, /, *, at: datetime, **own: Any
) -> Event:
    """An event of the directory. `own` has `entity_id` and `version`, too."""
    fields = {
        "event_id": event_id.bytes,
        "organization_id": organization_id,
        "occurred_at": at,
        "recorded_at": at,
        "source": actor.source,
        "actor_role": actor.role,
        "actor_id": actor.id,
        **own,
    }
    return _encoded(event_types()[name], organization_id.encode(), fields)


def stored(value: bytes, key: bytes) -> Event:
    """An event that was encoded before and kept, to be sent (again)."""
    decoded = codec.decode(value)
    return Event(decoded.event_type, key, value, codec.headers(decoded.event_type, decoded.fields))


def _encoded(event_type: EventType, key: bytes, fields: Mapping[str, Any]) -> Event:
    value = codec.encode(event_type, fields)
    return Event(event_type, key, value, codec.headers(event_type, fields))


async def publish(producer: AIOKafkaProducer, settings: Settings, event: Event) -> Position:
    """Answer the event's position once every replica has it.

    Raises KafkaError or TimeoutError; the event may be on the log all the same, so its id must
    follow from what it says.
    """
    topic = event.event_type.topic
    try:
        async with asyncio.timeout(PATIENCE_S):
            done = await producer.send_and_wait(
                settings.topic(topic),
                event.value,
                key=event.key,
                headers=[*event.headers, *trace_headers()],
            )
    except TimeoutError as error:  # which says nothing, where workers end with it
        raise TimeoutError(f"Kafka did not take an event within {PATIENCE_S:g} s") from error
    return Position(topic, done.partition, done.offset)
