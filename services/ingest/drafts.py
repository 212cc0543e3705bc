"""An event on its way in: what its sender wrote, whose it is, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from schemas.catalog import EventType
from schemas.edge import EdgeEvent
from schemas.models import WorkerRegistered
from services.common.emit import Actor
from services.common.errors import FieldError
from services.common.kafka import Position
from services.common.vault import Vault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAMES_OF_THE_EVENT = frozenset({"event_id", "source_event_id"})
_CONTENT_BYTES = 16
_TOO_LATE = (
    "is not taken: the person was registered before, and what was said then stays",
    "Register a person with POST /v1/workers before the first event about them.",
)
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


class Status(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"


class ItemResult(NamedTuple):
    """What became of one event. `position` is there when it is on the log."""

    status: Status
    event_id: UUID | None = None
    # What the sender calls the worker; the story may be under another id (`kept_under`), which
    # only the hub knows.
    worker_id: UUID | None = None
    position: Position | None = None
    errors: tuple[FieldError, ...] = ()
    kept_under: UUID | None = None
    # What was given and not taken, though the event counts as sent.
    warnings: tuple[FieldError, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What orjson takes: ids stay UUIDs."""
        body: dict[str, Any] = {"status": self.status}
        if self.event_id is not None:
            body["event_id"] = self.event_id
        if self.worker_id is not None:
            body["worker_id"] = self.worker_id
        if self.position is not None:
            body["position"] = str(self.position)
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body


@dataclass(slots=True, eq=False)
class Draft:
    """One event that may be written, filled in step by step by the pipeline."""

    event_type: EventType
    model: EdgeEvent
    actor: Actor
    recorded_at: datetime
    # None for a registration, until the worker is known.
    event_id: UUID | None
    content: bytes
    trace: Sequence[tuple[str, bytes]] = ()
    # The blind index of `source_record_id`; its worker may be unknown until resolved.
    record_index: bytes | None = None
    worker_id: UUID | None = None
    # What the sender calls the worker, once resolved.
    known_as: UUID | None = None
    # The model's instant as `micros` has it, when that is worked out already.
    occurred_us: int | None = None
    # Filled in by the pipeline.
    position: Position | None = None
    result: ItemResult | None = field(default=None)
    # Another process holds the same id now: ask again in a moment.
    busy: bool = False

    @property
    def source(self) -> str:
        return self.actor.source

    def refuse(self, status: Status, *errors: FieldError) -> None:
        self.result = ItemResult(status, self.event_id, self._called, None, errors, self.worker_id)

    def settle(self, status: Status, position: Position) -> None:
        warnings = _said_too_late(self.model) if status is Status.DUPLICATE else ()
        self.result = ItemResult(
            status, self.event_id, self._called, position, (), self.worker_id, warnings
        )

    @property
    def _called(self) -> UUID | None:
        return self.known_as or self.worker_id


def _said_too_late(model: EdgeEvent) -> tuple[FieldError, ...]:
    """What the repeated registration of a worker says of the person: the first one alone counts."""
    if not isinstance(model, WorkerRegistered):
        return ()
    given = [name for name in WorkerRegistered.own_names if getattr(model, name) is not None]
    return tuple(FieldError(name, *_TOO_LATE) for name in sorted(given))


def micros(instant: datetime) -> int:
    """Microseconds since 1970, as Avro has them."""
    return (instant - _EPOCH) // _MICROSECOND


# Of an instant that many events have in common, such as when they came in.
shared_micros = lru_cache(maxsize=100)(micros)


def canonical(model: EdgeEvent, source: str, occurred_us: int | None = None) -> bytes:
    """What the sender said, in one form: two spellings of the same values are the same bytes.

    A default says nothing: Avro always writes it, JSON may leave it out, and a later schema may
    add a field that has one. How the event is called (`event_id`, `source_event_id`) and when we
    recorded it are not part of it. occurred_us: when it happened, if that is worked out already.
    """
    values, defaults = vars(model), _defaults(type(model))
    said = {
        name: value
        for name in model.model_fields_set
        if name not in _NAMES_OF_THE_EVENT and (value := values[name]) != defaults[name]
    }
    said["type"] = model.event_type  # which is its own default
    if occurred_us is not None and "occurred_at" in said:  # or it was not the sender's word
        said["occurred_at"] = occurred_us
    return orjson.dumps([source, said], default=_plain, option=_CANONICAL)


@cache
def _defaults(model: type[EdgeEvent]) -> Mapping[str, Any]:
    """Of each field; what is required has one that equals nothing."""
    return {name: field.default for name, field in model.model_fields.items()}


def _plain(value: object) -> int | str:
    """The types that can spell one value in two ways."""
    if isinstance(value, datetime):
        return micros(value)
    assert isinstance(value, Decimal), "there is no other"
    return format(value.normalize(), "f")


def content_of(
    vault: Vault, model: EdgeEvent, source: str, occurred_us: int | None = None
) -> bytes:
    """A keyed hash of `canonical`: 128 bits to compare by, and nothing to read back."""
    said = canonical(model, source, occurred_us).decode()
    return vault.blind_index("content", said)[:_CONTENT_BYTES]


def content_of_registration(vault: Vault, worker_id: UUID) -> bytes:
    """A worker is registered once, so every try says the same."""
    return vault.blind_index("registration", str(worker_id))[:_CONTENT_BYTES]
