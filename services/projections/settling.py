"""The slow path: stories from which something leaves are folded again, without what left.

It runs in the transaction of the event that caused it, for just those workers. A batch in which
nothing leaves, about workers of whom nothing ever left, costs a look at a set and no statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import polars as pl

from services.common.codec import decode_columns, writer_of
from services.common.postgres import Connection
from services.projections.batch import NOTHING_FOLDED, Folded, fold_events
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
from services.projections.settled import Key, Row, SettledTables

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
        feed: Callable[[Folded], Awaitable[None]],
    ) -> None:
        self._rules = rules
        self._layouts = layouts
        self._feed = feed
        self._begun: tuple[Events, asyncio.Task[_Refolded]] | None = None
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

    @asynccontextmanager
    async def begun(self, batch: Sequence[Events]) -> AsyncIterator[None]:
        """Have a thread fold again what stands apart in a batch for that, while the rest of it is
        written. To `settle` is left what has to be written of it."""
        for events in batch:
            again = self._all_again(events)
            if again:
                self._begun = events, asyncio.create_task(await self._refolding(again, events))
                break
        try:
            yield
        finally:
            if self._begun is not None:
                await asyncio.gather(self._begun[1], return_exceptions=True)
            self._begun = None

    def _all_again(self, events: Events) -> Sequence[bytes]:
        """The workers of these events, when all of them are folded again, and not too many."""
        if events.stream is not STORIES:
            return ()
        again = workers_to_settle(events, self._rules)
        few = 0 < len(again) <= _TOGETHER
        return sorted(again) if few and _is_of(events.log, again).all() else ()

    async def settle(self, events: Events) -> Settled:
        """Set aside or erase what does not count, and fold again the stories it leaves.

        The events that are left go the ordinary way.
        """
        if self._begun is not None and self._begun[0] is events:
            return await self._written(await self._begun[1])
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
        return await self._written(await (await self._refolding(workers, new)))

    async def _written(self, refolded: _Refolded) -> Settled:
        await self._tables.remember(refolded.standing)
        await self._tables.put(refolded.log, refolded.kept)
        await self._feed(refolded.folded)
        return refolded.settled

    async def _refolding(
        self, workers: Sequence[bytes], new: Events
    ) -> Coroutine[Any, Any, _Refolded]:
        """Take these workers out of the tables; what comes back makes their rows anew."""
        self._marked.update(workers)
        stored, kept = await self._tables.take(ids(workers))
        return asyncio.to_thread(_refold, stored, kept, new, self._rules, self._layouts)


@dataclass(frozen=True, slots=True)
class _Refolded:
    """Stories that were folded again, to be written.

    log: all their events as rows of the log, and `why` they do not count. kept: where they were.
    """

    standing: Standing
    log: pl.DataFrame
    kept: Mapping[Key, str]
    folded: Folded
    settled: Settled


def _refold(
    stored: Iterable[Row],
    kept: Mapping[Key, str],
    new: Events,
    rules: Retractions,
    layouts: Sequence[Layout],
) -> _Refolded:
    whole = decoded_rows([*stored, *_as_rows(new)])
    standing = standing_in(whole, rules)
    log = whole.log.join(standing.set_aside(whole.log, rules), on=ROW, how="left")
    story = whole.only(log.filter(pl.col("why").is_null()).get_column(ROW))
    folded = fold_events(story, layouts) if story.log.height else NOTHING_FOLDED
    erased = log.filter(pl.col("why") == ERASED).drop("why")
    repeats = new.log.filter(~_at(new.log, set(_places(whole.log))))
    nothing = Events(new.stream, new.log.clear(), {})
    settled = Settled(nothing, repeats, erased, set(ids(standing.gone)))
    return _Refolded(standing, log.drop(ROW), kept, folded, settled)


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
