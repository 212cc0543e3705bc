"""For the tests of projections: random events, records as Kafka gives them, and a reference fold.

The reference folds one event after the other into dictionaries. It reads the declarations and
nothing else of the engine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from schemas.catalog import EventType, FieldType, event_types
from schemas.events import EmploymentStarted, Promoted, WageChanged
from services.common.codec import encode, headers
from services.projections.declaration import (
    Count,
    Current,
    Earliest,
    Exists,
    Greatest,
    Key,
    Latest,
    Least,
    Projection,
    Sum,
    Union,
    Where,
)
from services.projections.projections import PROJECTIONS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Event = tuple[str, Mapping[str, Any]]
Row = dict[str, Any]
Tables = dict[str, dict[tuple[Any, ...], Row]]


@dataclass(frozen=True)
class FakeRecord:
    """What is read of aiokafka's ConsumerRecord."""

    key: bytes | None
    value: bytes | None
    offset: int
    headers: Sequence[tuple[str, bytes]]


def key_of(event: Event) -> bytes:
    _, fields = event
    return fields["worker_id"] if "worker_id" in fields else fields["organization_id"].encode()


def topic_of(event: Event) -> str:
    return event_types()[event[0]].topic


def record(event: Event, offset: int) -> FakeRecord:
    kind = event_types()[event[0]]
    return FakeRecord(key_of(event), encode(kind, event[1]), offset, headers(kind, event[1]))


def records(
    events: Iterable[Event], offsets: dict[str, int] | None = None
) -> dict[tuple[str, int], list[FakeRecord]]:
    """The events as records of partition 0 of their topics. `offsets` counts on between calls."""
    offsets = {} if offsets is None else offsets
    found: dict[tuple[str, int], list[FakeRecord]] = {}
    for event in events:
        topic = topic_of(event)
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        found.setdefault((topic, 0), []).append(record(event, offset))
    return found


def make(name: str, **fields: Any) -> Event:
    """An event with plain values for what is not given."""
    return name, {
        f.name: fields.get(f.name, _plain(f)) for f in event_types()[name].fields.values()
    }


def _plain(field: FieldType) -> Any:
    if field.nullable:
        return None
    plain: dict[str, Any] = {
        "fixed": bytes(16),
        "enum": (field.avro_type["symbols"] if field.kind == "enum" else [""])[-1],
        "timestamp-micros": NOON,
        "array": [],
        "int": 1,
        "double": 0.5,
        "boolean": True,
        "bytes": b"sealed",
    }
    return plain.get(field.kind, "plain")


# -- random events: few owners, ids and instants, so that keys meet and orders tie ---------------

#
# One draw of bytes an event, two of them a field: with a draw a field, drawing was most of the time.

_CODES = ("a", "b", "ü", "Z")
_VALUES: dict[str, Callable[[int], Any]] = {
    "fixed": lambda n: bytes([n % 3]) * 16,
    "string": lambda n: _CODES[n % 4],
    "int": lambda n: 1 + n % 3,
    "double": lambda n: n % 0x8000 / 0x7FFF,
    "boolean": lambda n: bool(n % 2),
    "timestamp-micros": lambda n: _instant(n % 7 - 3),
    "bytes": lambda n: (n // 4 * 37).to_bytes(3, "little")[: n % 4],
    "decimal": lambda n: Decimal(n % 1999 - 999) / 100,
    "array": lambda n: [_CODES[n >> 2 * place & 3] for place in range(1, n % 4 + 1)],
}


def _instant(number: int) -> datetime:
    return NOON + timedelta(days=number * 9000, microseconds=number)


def _value(field: FieldType, number: int) -> Any:
    if field.nullable:
        number, is_there = divmod(number, 2)
        if not is_there:
            return None
    if field.kind == "enum":
        symbols: list[str] = field.avro_type["symbols"]
        return symbols[number % len(symbols)]
    return _VALUES[field.kind](number)


def _fields(kind: EventType, drawn: bytes) -> dict[str, Any]:
    numbers = struct.unpack(f"<{len(kind.fields)}H", drawn[16:])
    found = {
        name: _value(field, number)
        for (name, field), number in zip(kind.fields.items(), numbers, strict=True)
    }
    return found | {"event_id": drawn[:16]}


def fields_of(kind: EventType) -> st.SearchStrategy[dict[str, Any]]:
    """The fields of an event of this type."""
    size = 16 + 2 * len(kind.fields)
    return st.binary(min_size=size, max_size=size).map(partial(_fields, kind))


def _events_of(kind: EventType) -> st.SearchStrategy[Event]:
    return st.tuples(st.just(kind.name), fields_of(kind))


def events(*names: str, most: int = 30) -> st.SearchStrategy[list[Event]]:
    """Lists of events of these types, or of all types."""
    kinds = [kind for name, kind in event_types().items() if not names or name in names]
    return st.lists(
        st.one_of([_events_of(kind) for kind in kinds]),
        max_size=most,
        unique_by=lambda event: event[1]["event_id"],
    )


def with_repeats(given: st.SearchStrategy[list[Event]]) -> st.SearchStrategy[list[Event]]:
    """The same lists with some events in them again, anywhere."""
    return given.flatmap(
        lambda found: (
            st.lists(st.sampled_from(found), max_size=5).flatmap(
                lambda again: st.permutations([*found, *again])
            )
            if found
            else st.just(found)
        )
    )


class Wages(Projection):
    """Every merge there is, on events that a person has several of."""

    key = Key("worker_id")
    latest = Latest(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    current = Current(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    earliest = Earliest(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    greatest = Greatest(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    least = Least(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    total = Sum(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    levels = Sum(EmploymentStarted.job_level)
    seen = Union(EmploymentStarted.wage_currency, WageChanged.wage_currency)
    changes = Count(WageChanged, where=Where(WageChanged.wage_period, "HOUR"))
    started = Exists(EmploymentStarted)
    promoted_at = Latest(Promoted.occurred_at)


# -- the reference -------------------------------------------------------------------------------


def reference(
    given: Iterable[Event], projections: Sequence[type[Projection]] = PROJECTIONS
) -> Tables:
    """Every table that these events make, by key. Values are as the events hold them."""
    once = {(key_of(event), event[1]["event_id"]): event for event in reversed(list(given))}
    tables: Tables = {projection.table: {} for projection in projections}
    for event in sorted(once.values(), key=_order):
        for projection in projections:
            _apply(projection, tables[projection.table], event)
    return tables


def _order(event: Event) -> tuple[Any, ...]:
    """Stories by occurred, recorded, id; directory events by version before all that."""
    fields = event[1]
    instants = fields["occurred_at"], fields["recorded_at"], fields["event_id"]
    return (1, fields["version"], *instants) if "worker_id" not in fields else (0, *instants)


def _apply(projection: type[Projection], table: dict[tuple[Any, ...], Row], event: Event) -> None:
    name, fields = event
    if not any(f.event == name for merge in projection.columns.values() for f in merge.fields):
        return
    key = tuple(fields[field] for field in projection.key.fields.values())
    if None in key:
        return
    row = table.setdefault(
        key, {column: _empty(merge) for column, merge in projection.columns.items()}
    )
    for column, merge in projection.columns.items():
        for field in merge.fields:
            if field.event != name:
                continue
            if any(
                where.field.event == name and fields[where.field.name] not in where.values
                for where in merge.where
            ):
                continue
            row[column] = _merged(type(merge).__name__, row[column], fields[field.name])


def _empty(merge: object) -> Any:
    empty: dict[str, Any] = {"Count": 0, "Sum": 0, "Union": [], "Exists": False}
    return empty.get(type(merge).__name__)


def _merged(kind: str, old: Any, new: Any) -> Any:
    """Events come oldest first."""
    if kind == "Current":
        return new
    if kind == "Count":
        return old + 1
    if kind == "Exists":
        return True
    if new is None:
        return old
    if kind == "Union":
        return sorted({*old, *(new if isinstance(new, list) else [new])}, key=str.encode)
    if kind == "Sum":
        return old + new
    if kind == "Latest" or old is None:
        return new
    return {"Earliest": old, "Greatest": max(old, new), "Least": min(old, new)}[kind]


def plain(value: Any) -> Any:
    """A value as the events hold it: ids as bytes."""
    return value.bytes if isinstance(value, UUID) else value
