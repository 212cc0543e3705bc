"""The slow path: stories from which something leaves are folded again, without what left.

It runs in the transaction of the event that caused it, for just those workers. A batch in which
nothing leaves, about workers of whom nothing ever left, costs a look at a set and no statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

import polars as pl

from services.common.codec import decode_columns, writer_of
from services.common.postgres import Connection
from services.projections.declaration import STORIES
from services.projections.events import ROW, Events, events_of
from services.projections.layout import Layout
from services.projections.retractions import (
    ERASED,
    Retractions,
    Standing,
    ids,
    standing_in,
    workers_to_settle,
)
from services.projections.settled import Row, SettledTables

# Workers that are settled together: bounds what is held in memory at once.
_TOGETHER = 1000

Place = tuple[str, int, int]  # topic, partition, offset


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch of stories.

    ordinary: the events that go the ordinary way. Of the others the rows of the log: `repeats` had
    been kept before, `erased` are not kept, or not any more. gone: workers who were found erased.
    """

    ordinary: Events
    repeats: pl.DataFrame
    erased: pl.DataFrame
    gone: Set[UUID] = frozenset()

    def and_also(self, other: Settled) -> Settled:
        """With what became of other events; none of them goes the ordinary way."""
        return Settled(
            self.ordinary,
            pl.concat([self.repeats, other.repeats]),
            pl.concat([self.erased, other.erased]),
            self.gone | other.gone,
        )


class Settling:
    """Keeps `story` and the tables free of what is void, has moved or is erased."""

    def __init__(
        self,
        connection: Connection,
        schema: str,
        rules: Retractions,
        layouts: Sequence[Layout],
        copy: Callable[[str, Collection[str], bytes, str | None], Awaitable[None]],
        feed: Callable[[Events], Awaitable[None]],
    ) -> None:
        self._rules = rules
        self._feed = feed
        self._tables = SettledTables(connection, schema, [one.table for one in layouts], copy)
        # Workers of whom anything is void, moved or erased, or was meant to be in a transaction
        # that failed: a batch about others asks for nothing.
        self._marked: set[bytes] = set()

    async def look(self) -> None:
        """Learn of whom anything is set aside; to be called when partitions come.

        From then on nobody else writes of the workers of our partitions.
        """
        self._marked = await self._tables.marked()

    def staging_ddl(self) -> str:
        return self._tables.staging_ddl()

    async def settle(self, events: Events) -> Settled:
        """Set aside or erase what does not count, and fold again the stories it leaves.

        The events that are left go the ordinary way.
        """
        again = workers_to_settle(events, self._rules)
        known = self._marked_in(events.log)
        if not again and not known:
            return _untouched(events)
        standing = await self._tables.stored(known)
        rows = events.log.get_column(ROW)
        settled = _untouched(events)
        if again:
            settled = _untouched(events.only(rows.filter(~_is_of(events.log, again))))
        if standing:
            settled = await self._without(settled.ordinary, known, standing)
        for some in _groups(sorted(again)):
            mine = events.only(rows.filter(_is_of(events.log, some)))
            settled = settled.and_also(await self._again(some, mine))
        return settled

    async def gone(self, workers: Iterable[bytes]) -> set[UUID]:
        """Those of these workers of whom everything is erased."""
        known = self._marked.intersection(workers)
        return set(await self._tables.gone(known)) if known else set()

    def _marked_in(self, log: pl.DataFrame) -> set[bytes]:
        if not self._marked:
            return set()
        return self._marked.intersection(log.get_column("worker_id").cast(pl.Binary).unique())

    async def _without(self, events: Events, known: Set[bytes], standing: Standing) -> Settled:
        """The events of a batch without those that are known not to count, all of `known`."""
        theirs = events.log.filter(_is_of(events.log, known))
        out = standing.set_aside(theirs, self._rules)
        if out.is_empty():
            return replace(_untouched(events), gone=set(ids(standing.gone)))
        out_rows = events.log.join(out, on=ROW)
        aside, erased = _parted(out_rows)
        kept = await self._tables.set_aside(aside.drop(ROW))
        rows = events.log.get_column(ROW)
        left = events.only(rows.filter(~rows.is_in(out.get_column(ROW).implode())))
        repeats = aside.drop("why").filter(~_at(aside, kept))
        return Settled(left, repeats, erased.drop("why"), set(ids(standing.gone)))

    async def _again(self, workers: Sequence[bytes], new: Events) -> Settled:
        """Fold these workers' stories again."""
        self._marked.update(workers)
        stored, kept = await self._tables.take(ids(workers))
        whole = decoded_rows([*stored, *_as_rows(new)])
        standing = standing_in(whole, self._rules)
        log = whole.log.join(standing.set_aside(whole.log, self._rules), on=ROW, how="left")
        await self._tables.remember(standing)
        await self._tables.put(log.drop(ROW), kept)
        story = whole.only(log.filter(pl.col("why").is_null()).get_column(ROW))
        if story.log.height:
            await self._feed(story)
        erased = log.filter(pl.col("why") == ERASED)
        repeats = new.log.filter(~_at(new.log, set(_places(whole.log))))
        nothing = Events(new.stream, new.log.clear(), {})
        return Settled(nothing, repeats, erased.drop("why"), set(ids(standing.gone)))


def _untouched(events: Events) -> Settled:
    nothing = events.log.clear()
    return Settled(events, nothing, nothing)


def _groups(workers: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(workers), _TOGETHER):
        yield workers[start : start + _TOGETHER]


def _is_of(log: pl.DataFrame, workers: Collection[bytes]) -> pl.Series:
    named = pl.Series(list(workers), dtype=pl.Binary)
    return log.get_column("worker_id").cast(pl.Binary).is_in(named.implode())


def _parted(out: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is set aside, and what is erased."""
    is_erased = pl.col("why") == ERASED
    return out.filter(~is_erased), out.filter(is_erased)


def _places(log: pl.DataFrame) -> Iterator[Place]:
    return log.select("topic", "partition", "log_offset").iter_rows()


def _at(log: pl.DataFrame, places: Collection[Place]) -> pl.Series:
    return pl.Series([place in places for place in _places(log)], dtype=pl.Boolean)


def _as_rows(events: Events) -> Iterable[Row]:
    return events.log.select(SettledTables.COLUMNS).iter_rows()


def decoded_rows(found: Iterable[Row]) -> Events:
    """Rows of logs as events, each once. Those that were stored before come first."""
    once: dict[tuple[bytes, bytes], Row] = {}
    for row in found:
        once.setdefault(row[:2], row)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in once.values():
        groups.setdefault((row[2], row[5]), []).append(row)
    decoded = []
    for (topic, schema_id), rows in groups.items():
        payloads = [row[6] for row in rows]
        beside = [
            pl.Series("payload", payloads, pl.Binary),
            pl.Series("log_offset", [row[4] for row in rows], pl.Int64),
            pl.Series("partition", [row[3] for row in rows], pl.Int32),
            pl.Series("schema_id", [schema_id] * len(rows), pl.Int32),
            pl.Series("topic", [topic] * len(rows), pl.String),
        ]
        decoded.append((writer_of(schema_id), decode_columns(schema_id, payloads).hstack(beside)))
    return events_of(STORIES, decoded)
