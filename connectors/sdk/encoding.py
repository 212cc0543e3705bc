"""An event as the bytes that are sent, with an id that stays the same however often they are."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from connectors.sdk.errors import FieldProblem, InvalidEvent
from schemas.edge import EdgeEvent
from schemas.models import MODELS

# A generated model (`TrainingCompleted(…)`), or the same as a JSON object (`{"type": …}`).
Event = EdgeEvent | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One event ready to send."""

    event: Event
    text: bytes  # UTF-8 JSON


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes into one call. The hub takes 1,000 events and 4 MB at most."""

    events: int = 500
    body_bytes: int = 3_500_000


def uuid7() -> UUID:
    """A UUID of version 7: milliseconds since 1970 and 74 random bits. Source: RFC 9562, 5.7."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))


def identified(event: Event) -> Event:
    """The event with an id: its own, or a new one. Give one twice and it stays the same."""
    if isinstance(event, EdgeEvent):
        if event.event_id is None and event.source_event_id is None:
            return event.model_copy(update={"event_id": uuid7()})
        return event
    if event.get("event_id") is None and event.get("source_event_id") is None:
        return {**event, "event_id": str(uuid7())}
    return event


def encoded(event: Event) -> Encoded:
    """Raises InvalidEvent for what JSON can't say."""
    known = identified(event)
    return Encoded(known, text_of(known))


def text_of(event: Event) -> bytes:
    """Only what was written: a default that a later SDK adds must not change a re-sent event."""
    if isinstance(event, EdgeEvent):
        said = event.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        event = {"type": event.event_type, **said}
    try:
        return json.dumps(
            event, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
        ).encode()
    except (TypeError, ValueError) as error:
        raise _invalid("", f"is not JSON: {error}", "Send plain JSON values.") from None


def _plain(value: object) -> str:
    """What people put in a dict and JSON has not."""
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(f"{type(value).__name__} is not JSON")


def typed(event: Event) -> EdgeEvent:
    """The event as its model. Raises InvalidEvent, which names the fields."""
    if isinstance(event, EdgeEvent):
        return event
    name = event.get("type")
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        fix = "Write one that this SDK knows, such as TrainingCompleted, or update the SDK."
        raise _invalid("type", f"{name!r} is not an event type", fix)
    try:
        return model.model_validate_json(text_of(event), strict=True)
    except ValidationError as error:
        raise InvalidEvent(
            [
                FieldProblem(".".join(map(str, found["loc"])), found["msg"])
                for found in error.errors(include_url=False, include_input=False)
            ]
        ) from None


def _invalid(field: str, problem: str, fix: str) -> InvalidEvent:
    return InvalidEvent([FieldProblem(field, problem, fix)])


def batches(events: Iterable[Encoded], limits: Limits) -> Iterator[list[Encoded]]:
    """Cut into calls, in order. An event over the limit goes alone, and the hub says so."""
    batch: list[Encoded] = []
    size_bytes = 0
    for event in events:
        full = len(batch) >= limits.events
        if batch and (full or size_bytes + len(event.text) >= limits.body_bytes):
            yield batch
            batch, size_bytes = [], 0
        batch.append(event)
        size_bytes += len(event.text) + 1
    if batch:
        yield batch


def body_of(batch: Iterable[Encoded]) -> bytes:
    return b'{"events":[' + b",".join(event.text for event in batch) + b"]}"
