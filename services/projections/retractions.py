"""Events that take others out of a story again: voids, and a story that moved to another key.

What counts follows from the set of a worker's events alone, so it may come in any order. The
engine knows no event type; `projections.py` declares which these are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import polars as pl

from schemas.fields import FieldRef
from services.common.voids import Void, in_force
from services.projections.events import ROW, Events

VOID, MOVED = "void", "moved"  # why an event is set aside


@dataclass(frozen=True, slots=True)
class Retractions:
    """voids: fields that name an event which no longer counts, if the same source said both.
    everyone: the source whose voids count for events of any source. moved: the field that names
    the worker whose story went to another key. staying: event types that stay with the old key.
    """

    voids: tuple[FieldRef, ...]
    everyone: str
    moved: FieldRef
    staying: frozenset[str]

    @property
    def types(self) -> frozenset[str]:
        """The event types after which a story has to be folded again."""
        return frozenset({self.moved.event, *(field.event for field in self.voids)})


class StoredVoid(NamedTuple):
    """A void in force: an event of this id is not part of the story."""

    worker_id: bytes
    event_id: bytes
    source: str
    void_event_id: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """Which workers have moved away, and which events are void."""

    moved: frozenset[bytes]
    voids: Sequence[StoredVoid]

    def __bool__(self) -> bool:
        return bool(self.moved or self.voids)

    def set_aside(self, log: pl.DataFrame, rules: Retractions) -> pl.DataFrame:
        """`_row` and `why` of the events that are not part of their worker's story."""
        mine: dict[tuple[bytes, bytes], list[str]] = defaultdict(list)
        for void in self.voids:
            mine[void.worker_id, void.event_id].append(void.source)
        found = []
        columns = log.select(ROW, "worker_id", "event_id", "event_type", "source")
        for row, worker, event, name, source in columns.iter_rows():
            if worker in self.moved and name not in rules.staying:
                found.append((row, MOVED))
            elif any(s in (source, rules.everyone) for s in mine.get((worker, event), ())):
                found.append((row, VOID))
        return pl.DataFrame(found, schema={ROW: log.schema[ROW], "why": pl.String}, orient="row")


def workers_to_settle(events: Events, rules: Retractions) -> pl.Series:
    """The workers of whom a batch says that something leaves their story."""
    found = [
        frame.get_column("worker_id").cast(pl.Binary)
        for name, frame in events.by_type.items()
        if name in rules.types
    ]
    return pl.concat(found).unique() if found else pl.Series("worker_id", [], pl.Binary)


def standing_in(events: Events, rules: Retractions) -> Standing:
    """What all the events of some workers say together."""
    moved: set[bytes] = set()
    if (frame := events.by_type.get(rules.moved.event)) is not None:
        same = pl.col(rules.moved.name).cast(pl.Binary) == pl.col("worker_id").cast(pl.Binary)
        moved.update(frame.filter(same).get_column("worker_id"))
    voids: list[StoredVoid] = []
    for worker, said in _voids_by_worker(events, rules.voids).items():
        voids += [
            StoredVoid(worker, void.target, void.source, void.event_id)
            for void in in_force(said, rules.everyone)
        ]
    return Standing(frozenset(moved), voids)


def _voids_by_worker(events: Events, fields: Iterable[FieldRef]) -> Mapping[bytes, list[Void]]:
    found: dict[bytes, list[Void]] = defaultdict(list)
    for field in fields:
        if (frame := events.by_type.get(field.event)) is None:
            continue
        columns = frame.select("worker_id", "event_id", field.name, "source", "recorded_at")
        for worker, event, target, source, at in columns.iter_rows():
            if target is not None:
                found[worker].append(Void(event, target, source, at))
    return found


def ids(series: pl.Series) -> Iterator[UUID]:
    return (UUID(bytes=value) for value in series)
