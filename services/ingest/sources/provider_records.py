"""What a record of a provider's topic says, and how one that is refused goes back. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from aiokafka import ConsumerRecord

from services.common.errors import FieldError, Problem
from services.common.ids import derived_id
from services.ingest.avro_body import events_of
from services.ingest.cloud_events import Sender
from services.ingest.drafts import ItemResult, Status

_DERIVED_VERSION = 5
_LONGEST_NUMBER = 200
_FRAME = "Produce one event per record: Avro of the catalogue in the Confluent frame."


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not taken, and why."""

    record: ConsumerRecord
    result: ItemResult

    @property
    def reject_id(self) -> UUID:
        """The same for the same record, so that a repeat after a crash is seen as one."""
        return derived_id("provider reject", *_place(self.record))

    @property
    def value(self) -> bytes | None:
        """As it was sent. Empty where there was neither key nor value: aiokafka sends no such."""
        value: bytes | None = self.record.value
        return b"" if value is None and self.record.key is None else value

    def headers(self) -> list[tuple[str, bytes]]:
        """The record's own headers, and ours: the id, what became of it, why, and where it was."""
        record, result = self.record, self.result
        place = record.topic, record.partition, record.offset
        return [
            *record.headers,
            *_headers(self.reject_id, result.status.value, result.errors, *place),
        ]


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that the topic let go of before they were read: from `start`, up to before `end`."""

    topic: str
    partition: int
    start: int
    end: int

    def headers(self) -> list[tuple[str, bytes]]:
        """As those of a reject. It has no key, and an empty value."""
        count = self.end - self.start
        problem = f"{count:,} records were removed before they were read: the topic was full or old"
        error = FieldError("", problem, f"Send again what began at offset {self.start}.")
        place = self.topic, self.partition, self.start, self.end
        reject_id = derived_id("provider loss", *place)
        return _headers(reject_id, "lost", [error], self.topic, self.partition, self.start)


def _headers(
    reject_id: UUID,
    status: str,
    errors: Iterable[FieldError],
    topic: str,
    partition: int,
    offset: int,
) -> list[tuple[str, bytes]]:
    return [
        ("throughline-reject-id", str(reject_id).encode()),
        ("throughline-reject-status", status.encode()),
        ("throughline-reject-errors", orjson.dumps([error.as_dict() for error in errors])),
        ("throughline-reject-topic", topic.encode()),
        ("throughline-reject-partition", str(partition).encode()),
        ("throughline-reject-offset", str(offset).encode()),
    ]


def item_of(
    record: ConsumerRecord, sender: Sender, *, most_bytes: int
) -> Mapping[str, Any] | ItemResult:
    """The event as its sender would write it in JSON, or why it is refused.

    An event without an id takes the number of the header `ce_id`, and else its place on the topic,
    so that reading it again after a crash makes no second event.
    """
    if not record.value:
        return _invalid("is empty", _FRAME)
    if len(record.value) > most_bytes:
        return _invalid(f"has {len(record.value):,} bytes", f"Send at most {most_bytes:,}.")
    try:
        [found] = events_of(record.value, sender, 1)
    except Problem as problem:
        return _invalid(problem.detail.rstrip("."), _FRAME)
    if isinstance(found, ItemResult) or "event_id" in found:
        return found
    return {**found, **_number(record)}


def _number(record: ConsumerRecord) -> dict[str, str]:
    given = dict(record.headers).get("ce_id", b"").decode("utf-8", "replace")
    if not 0 < len(given) <= _LONGEST_NUMBER:
        return {"source_event_id": ":".join(str(part) for part in _place(record))}
    return {"event_id" if _is_random_uuid(given) else "source_event_id": given}


def _place(record: ConsumerRecord) -> tuple[object, ...]:
    """With the time, for a topic that was deleted and made again counts from 0."""
    return record.topic, record.partition, record.offset, record.timestamp


def _is_random_uuid(given: str) -> bool:
    try:
        return UUID(given).version not in (None, _DERIVED_VERSION)
    except ValueError:
        return False


def _invalid(problem: str, fix: str) -> ItemResult:
    return ItemResult(Status.INVALID, errors=(FieldError("value", problem, fix),))
