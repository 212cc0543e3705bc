"""Random lives as a stream of events: the same seed makes the same events in the same order.

Many people's lives are told at once, each in any order: what is void may come after its void. All
types of events come, and what takes others out comes more often.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

from schemas.catalog import EventType, FieldType, event_types
from services.common.codec import encode, headers
from tests.life_kit import HUB, STAYS
from tests.projection_kit import NOON, Event, key_of

_SOURCES = ("acme", "river-college", HUB)
_CODES = ("a", "b", "ü", "Z")
_AT_ONCE = 300  # people whose lives are told side by side
_LONGEST = 24  # events of one life
_REPEATED = 0.04
_MERGED = 0.04
_DIRECTORY = 0.02


@dataclass(frozen=True, slots=True)
class Sent:
    """One record for the log."""

    topic: str  # without prefix
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    event_id: bytes


def stream(seed: int) -> Iterator[Sent]:
    """Records without end."""
    rng = random.Random(seed)
    lives = [_Life(rng) for _ in range(_AT_ONCE)]
    before: _Life | None = None
    while True:
        if rng.random() < _DIRECTORY:
            yield _sent(_directory(rng))
        at = rng.randrange(_AT_ONCE)
        life = lives[at]
        if life.left:
            sent = _sent(life.left.pop())
            life.told.append(sent)
            yield sent
            if rng.random() < _REPEATED:
                yield rng.choice(life.told)
            continue
        if before is not None and rng.random() < 2 * _MERGED:
            yield from map(_sent, _merge(rng, before, life))
            before = None
        else:
            before = life
        lives[at] = _Life(rng)


class _Life:
    """A person's events, in the order in which they are told from the end of `left`."""

    def __init__(self, rng: random.Random) -> None:
        self.person = rng.randbytes(16)
        self.ids = [rng.randbytes(16) for _ in range(rng.randint(1, _LONGEST))]
        self.events = [_event(rng, self.person, event_id, self.ids) for event_id in self.ids]
        self.left = list(self.events)
        self.told: list[Sent] = []


def _sent(event: Event) -> Sent:
    kind = event_types()[event[0]]
    told = list(headers(kind, event[1]))
    return Sent(kind.topic, key_of(event), encode(kind, event[1]), told, event[1]["event_id"])


def _event(rng: random.Random, person: bytes, event_id: bytes, ids: list[bytes]) -> Event:
    """An event that happened some days before it was recorded."""
    target = rng.choice(ids)
    name, own = _kind(rng, person, event_id, target)
    recorded = NOON + timedelta(minutes=rng.randint(0, 3), microseconds=rng.randint(0, 2))
    about = {
        "worker_id": person,
        "event_id": event_id,
        "source": rng.choice(_SOURCES),
        "recorded_at": recorded,
        "occurred_at": recorded - timedelta(days=rng.randint(0, 2)),
        "supersedes": target if rng.random() < 0.08 else None,
    }
    return name, {**_fields(rng, name), **about, **own}


def _kind(
    rng: random.Random, person: bytes, event_id: bytes, target: bytes
) -> tuple[str, Mapping[str, Any]]:
    """A type, and what of its fields must make sense."""
    at = rng.random()
    if at < 0.10:
        return "RecordVoided", {"voided_event_id": target}
    if at < 0.16:
        return "RecordCorrected", {"corrected_event_id": target}
    if at < 0.18:
        return "RecordDisputed", {"dispute_id": target, "disputed_event_id": target}
    if at < 0.20:
        return "DisputeAnswered", {"dispute_id": target, "disputed_event_id": target}
    if at < 0.21:
        categories = rng.choice(([], ["wage", "training"], ["wage", "training"]))
        return "ErasureKeysDestroyed", {"erasure_id": target, "categories": categories}
    name = rng.choice(_about_people())
    if name == "WorkersMerged":
        ends = {"from_worker_id": rng.randbytes(16), "into_worker_id": person}
        return name, {"merge_id": event_id, **ends}
    return name, {}


@cache
def _about_people() -> tuple[str, ...]:
    """Every type about a person; an erasure comes by itself, or nobody would be left, and so does
    a split, which is more than one event.
    """
    names = [name for name, kind in event_types().items() if "worker_id" in kind.fields]
    return tuple(name for name in names if name not in ("ErasureKeysDestroyed", "WorkersSplit"))


@cache
def _of_the_directory() -> tuple[str, ...]:
    return tuple(name for name, kind in event_types().items() if kind.topic == "directory")


def _directory(rng: random.Random) -> Event:
    name = rng.choice(_of_the_directory())
    at = NOON + timedelta(minutes=rng.randint(0, 100_000))
    own = {
        "event_id": rng.randbytes(16),
        "organization_id": f"org-{rng.randint(1, 200)}",
        "version": rng.randint(1, 1_000_000),
        "occurred_at": at,
        "recorded_at": at,
    }
    return name, {**_fields(rng, name), **own}


def _merge(rng: random.Random, old: _Life, new: _Life) -> Iterator[Event]:
    """The old story once more under the new id, and what both say of it; sometimes parted again."""
    moved = list(_once_more(old.events, new.person))
    yield from moved
    yield from _said(rng, "WorkersMerged", old.person, new.person, NOON + timedelta(hours=1))
    if rng.random() < 0.5:
        yield from _parted(rng, [*new.events, *moved], new.person)


def _parted(rng: random.Random, events: Sequence[Event], person: bytes) -> Iterator[Event]:
    """What one source wrote was about somebody else: it is void here, and told of that one. And
    sometimes that was a mistake, so the two become one again.
    """
    other, source, at = rng.randbytes(16), rng.choice(_SOURCES[:2]), NOON + timedelta(hours=2)
    going = [(n, f) for n, f in events if n not in STAYS and f["source"] == source]
    yield from _once_more(going, other)
    voids = [_void(rng, person, f["event_id"], "WRONG_PERSON", at) for _, f in going]
    yield from voids
    yield from _said(rng, "WorkersSplit", person, other, at)
    if rng.random() < 0.5:
        at += timedelta(hours=1)
        for _, void in voids:
            yield _void(rng, person, void["event_id"], "MISTAKE", at)
        yield from _said(rng, "WorkersMerged", other, person, at)


def _once_more(events: Iterable[Event], person: bytes) -> Iterator[Event]:
    """What goes along when a story does, under another id."""
    return ((n, {**fields, "worker_id": person}) for n, fields in events if n not in STAYS)


def _said(rng: random.Random, name: str, old: bytes, new: bytes, at: datetime) -> Iterator[Event]:
    """What is said of a move under both ids."""
    move_id = rng.randbytes(16)
    which = {"merge_id" if name == "WorkersMerged" else "split_id": move_id}
    ends = {"from_worker_id": old, "into_worker_id": new}
    for person in (old, new):
        yield _by_the_hub(rng, name, person, move_id, at, **ends, **which)


def _void(rng: random.Random, person: bytes, target: bytes, why: str, at: datetime) -> Event:
    own = {"voided_event_id": target, "reason": why}
    return _by_the_hub(rng, "RecordVoided", person, rng.randbytes(16), at, **own)


def _by_the_hub(
    rng: random.Random, name: str, person: bytes, event_id: bytes, at: datetime, **own: Any
) -> Event:
    about = {"worker_id": person, "event_id": event_id, "source": HUB, "supersedes": None}
    times = {"recorded_at": at, "occurred_at": at}
    return name, {**_fields(rng, name), **about, **times, **own}


# -- values: few, so that keys meet and orders tie -------------------------------------------------

_Make = Callable[[random.Random], Any]
_VALUES: Mapping[str, _Make] = {
    "fixed": lambda rng: bytes([rng.randint(0, 2)]) * 16,
    "string": lambda rng: rng.choice(_CODES),
    "int": lambda rng: rng.randint(1, 3),
    "double": lambda rng: rng.random(),
    "boolean": lambda rng: rng.random() < 0.5,
    "timestamp-micros": lambda rng: NOON + timedelta(days=rng.randint(-3, 3)),
    "bytes": lambda rng: rng.randbytes(3),
    "decimal": lambda rng: Decimal(rng.randint(-999, 999)) / 100,
    "array": lambda rng: rng.choices(_CODES, k=rng.randint(0, 3)),
}


def _fields(rng: random.Random, name: str) -> dict[str, Any]:
    return {field: make(rng) for field, make in _makers(event_types()[name].name)}


@cache
def _makers(name: str) -> tuple[tuple[str, _Make], ...]:
    kind: EventType = event_types()[name]
    return tuple((field.name, _maker(field)) for field in kind.fields.values())


def _maker(field: FieldType) -> _Make:
    if field.kind == "enum":
        symbols = field.avro_type["symbols"]
        make: _Make = partial(_choice, symbols)
    else:
        make = _VALUES[field.kind]
    return partial(_or_null, make) if field.nullable else make


def _choice(symbols: list[str], rng: random.Random) -> str:
    return rng.choice(symbols)


def _or_null(make: _Make, rng: random.Random) -> Any:
    return None if rng.random() < 0.4 else make(rng)
