"""Events that take others out of a story again: voids, corrections, moves to another key, erasure.

What counts follows from the set of a worker's events alone, so it may come in any order. The
engine knows no event type; `projections.py` declares which these are.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import polars as pl

from schemas.fields import FieldRef
from services.common.voids import Void, in_force
from services.projections.declaration import Projection
from services.projections.events import ROW, Events

# Why an event is not part of its story. What is erased is kept nowhere, the rest is set aside.
VOID, SUPERSEDED, MOVED, ERASED = "void", "superseded", "moved", "erased"
# The field of the envelope that names the earlier event which an event replaces.
SUPERSEDES = "supersedes"


@dataclass(frozen=True, slots=True)
class Retractions:
    """voids: fields that name an event which no longer counts, if the same source said both.
    everyone: the source whose voids count for events of any source. moved: the field that names
    the worker whose story went to another key. staying: event types that stay with the old key.
    erased: the field that lists the categories which are erased, all of them when it lists none.
    kept: event types that an erasure leaves.
    """

    voids: tuple[FieldRef, ...]
    everyone: str
    moved: FieldRef
    staying: frozenset[str]
    erased: FieldRef
    kept: frozenset[str]

    def __str__(self) -> str:
        """What they say, the same whenever it is the same."""
        fields = ", ".join(map(str, (*self.voids, self.moved, self.erased)))
        return f"{fields} {self.everyone} {sorted(self.staying)} {sorted(self.kept)}"

    @property
    def types(self) -> frozenset[str]:
        """The event types after which a story has to be folded again."""
        return frozenset(field.event for field in (*self.voids, self.moved, self.erased))


def rules_of(projections: Iterable[type[Projection]]) -> tuple[Retractions, ...]:
    """The rules that are declared beside these tables."""
    modules = dict.fromkeys(projection.__module__ for projection in projections)
    found = (value for name in modules for value in vars(sys.modules[name]).values())
    return tuple(value for value in found if isinstance(value, Retractions))


class StoredVoid(NamedTuple):
    """A void in force: an event of this id is not part of the story."""

    worker_id: bytes
    event_id: bytes
    source: str
    void_event_id: bytes
    why: str


class Erasure(NamedTuple):
    """An erasure of a whole record, or of what was recorded of some categories until then."""

    worker_id: bytes
    event_id: bytes
    recorded_at: datetime
    categories: frozenset[str]

    def covers(self, category: str, recorded_at: datetime) -> bool:
        told = category in self.categories and recorded_at <= self.recorded_at
        return told or not self.categories


@dataclass(frozen=True, slots=True)
class Standing:
    """Which workers have moved away, which events are void, and what is erased."""

    moved: frozenset[bytes] = frozenset()
    voids: Sequence[StoredVoid] = ()
    erasures: Sequence[Erasure] = ()

    def __bool__(self) -> bool:
        return bool(self.moved or self.voids or self.erasures)

    @property
    def gone(self) -> frozenset[bytes]:
        """The workers of whom everything is erased."""
        return frozenset(erased.worker_id for erased in self.erasures if not erased.categories)

    def set_aside(self, log: pl.DataFrame, rules: Retractions) -> pl.DataFrame:
        """`_row` and `why` of the events that are not part of their worker's story."""
        voids: dict[tuple[bytes, bytes], list[StoredVoid]] = defaultdict(list)
        for void in self.voids:
            voids[void.worker_id, void.event_id].append(void)
        found = []
        erased = dict(_erased_rows(self.erasures, log, rules)) if self.erasures else {}
        columns = log.select(ROW, "worker_id", "event_id", "event_type", "source")
        for row, worker, event, name, source in columns.iter_rows():
            if row in erased:
                found.append((row, ERASED))
            elif worker in self.moved and name not in rules.staying:
                found.append((row, MOVED))
            elif why := _void_by(voids.get((worker, event), ()), source, rules.everyone):
                found.append((row, why))
        return pl.DataFrame(found, schema={ROW: log.schema[ROW], "why": pl.String}, orient="row")


def workers_to_settle(events: Events, rules: Retractions) -> set[bytes]:
    """The workers of whom a batch says that something leaves their story."""
    found: set[bytes] = set()
    for name, frame in events.by_type.items():
        workers = frame.get_column("worker_id").cast(pl.Binary)
        replaces = frame.get_column(SUPERSEDES)
        if name in rules.types:
            found.update(workers)
        elif replaces.null_count() < frame.height:
            found.update(workers.filter(replaces.is_not_null()))
    return found


def standing_in(events: Events, rules: Retractions) -> Standing:
    """What all the events of some workers say together. What is erased says nothing."""
    erasures = list(_erasures(events, rules))
    if erasures:
        erased = pl.Series([row for row, _ in _erased_rows(erasures, events.log, rules)])
        rows = events.log.get_column(ROW)
        events = events.only(rows.filter(~rows.is_in(erased.cast(rows.dtype).implode())))
    moved: set[bytes] = set()
    if (frame := events.by_type.get(rules.moved.event)) is not None:
        same = pl.col(rules.moved.name).cast(pl.Binary) == pl.col("worker_id").cast(pl.Binary)
        moved.update(frame.filter(same).get_column("worker_id"))
    voids: dict[tuple[bytes, bytes, bytes], StoredVoid] = {}
    for worker, said in _voids_by_worker(events, rules.voids).items():
        for void in in_force(said, rules.everyone):
            why = SUPERSEDED if void.replaces else VOID
            stored = StoredVoid(worker, void.target, void.source, void.event_id, why)
            key = worker, void.target, void.event_id
            if why == VOID or key not in voids:  # one event may say both of another
                voids[key] = stored
    return Standing(frozenset(moved), list(voids.values()), erasures)


def _void_by(voids: Sequence[StoredVoid], source: str, everyone: str) -> str | None:
    """Why an event of this source does not count, if it does not."""
    why = {void.why for void in voids if void.source in (source, everyone)}
    return VOID if VOID in why else next(iter(why), None)


def _erasures(events: Events, rules: Retractions) -> Iterator[Erasure]:
    if (frame := events.by_type.get(rules.erased.event)) is None:
        return
    columns = frame.select("worker_id", "event_id", "recorded_at", rules.erased.name)
    for worker, event, at, categories in columns.iter_rows():
        yield Erasure(worker, event, at, frozenset(categories))


def _erased_rows(
    erasures: Iterable[Erasure], log: pl.DataFrame, rules: Retractions
) -> Iterator[tuple[int, str]]:
    """`_row` and `why` of what is erased."""
    mine: dict[bytes, list[Erasure]] = defaultdict(list)
    for erasure in erasures:
        mine[erasure.worker_id].append(erasure)
    concerned = log.filter(pl.col("worker_id").cast(pl.Binary).is_in(list(mine)))
    columns = concerned.select(ROW, "worker_id", "event_type", "category", "recorded_at")
    for row, worker, name, category, at in columns.iter_rows():
        covered = any(erasure.covers(category, at) for erasure in mine[worker])
        if covered and name not in rules.kept:
            yield row, ERASED


def _voids_by_worker(events: Events, fields: Iterable[FieldRef]) -> Mapping[bytes, list[Void]]:
    found: dict[bytes, list[Void]] = defaultdict(list)
    told = [(field.event, field.name, False) for field in fields]
    told += [(name, SUPERSEDES, True) for name in events.by_type]
    for name, field, replaces in told:
        frame = events.by_type.get(name)
        if frame is None or frame.get_column(field).null_count() == frame.height:
            continue
        columns = frame.select("worker_id", "event_id", field, "source", "recorded_at")
        for worker, event, target, source, at in columns.iter_rows():
            if target is not None:
                found[worker].append(Void(event, target, source, at, replaces))
    return found


def ids(values: Iterable[bytes]) -> list[UUID]:
    return [UUID(bytes=value) for value in values]
