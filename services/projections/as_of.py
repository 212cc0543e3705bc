"""One record as it was: what had happened by one moment, of what was known by another.

The same declaration and the same fold as for batches, over one person's events, those that were
set aside since among them, in memory; nothing is written. What is erased is told for no moment:
the logs do not hold it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import polars as pl

from services.common.errors import TerminalError
from services.common.moments import NOW, AsOf
from services.common.postgres import Connection
from services.projections.declaration import STORIES
from services.projections.events import ROW, Events
from services.projections.fold import fold
from services.projections.layout import Layout, layout_of
from services.projections.projections import DIVIDED, PROJECTIONS, RETRACTIONS
from services.projections.retractions import standing_in
from services.projections.settled import SettledTables
from services.projections.settling import decoded_rows

# What is held in memory for one read.
MOST_EVENTS = 20_000

# What brings a story, or part of one, to another id, and says so under both.
_MERGED, _SPLIT = RETRACTIONS.moved.event, DIVIDED.event
_FROM, _INTO = "from_worker_id", "into_worker_id"
# What says that an event turned out to be about somebody else.
_ABOUT_ANOTHER = "WRONG_PERSON"

_LOGS = "SELECT {columns} FROM {schema}.{log} WHERE worker_id = $1 AND topic = ANY ($2)"
_IDS = "SELECT worker_id, event_id FROM {schema}.{log} WHERE worker_id = ANY ($1)"


class StoryTooLong(TerminalError):
    """A record of more events than one read takes; `limit` is how many that is."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the record has more than {limit:,} events")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class History:
    """All that the logs hold of one id.

    elsewhere: by the other id of each merge or split that brought events here, the ids of all
    events that the logs hold there.
    """

    worker_id: UUID
    events: Events | None  # None when there are none
    elsewhere: Mapping[bytes, frozenset[bytes]]

    def at(self, moment: AsOf = NOW) -> Events | None:
        """The events that counted at a moment; what a merge brought, only since that was known."""
        if self.events is None:
            return None
        known = self.events
        if moment.known_at is not None:
            log = known.log.filter(pl.col("recorded_at") <= moment.known_at)
            if arrived := self._not_here_yet(moment.known_at):
                log = log.filter(~_is_one_of(log.get_column("event_id"), arrived))
            known = known.only(log.get_column(ROW))
        standing = standing_in(known, RETRACTIONS)
        out = standing.set_aside(known.log, RETRACTIONS).get_column(ROW)
        log = known.log.filter(~pl.col(ROW).is_in(out.implode()))
        if moment.as_of is not None:
            log = log.filter(pl.col("occurred_at") <= moment.as_of)
        return known.only(log.get_column(ROW))

    def went_to(self, moment: AsOf) -> UUID | None:
        """The id that the story had moved to, as far as was known at the moment."""
        merges = self._moves(_INTO, _FROM, _MERGED)
        known = (into for into, at in merges if moment.known_at is None or at <= moment.known_at)
        into = next(known, None)
        return UUID(bytes=into) if into is not None else None

    def about_another(self) -> frozenset[bytes]:
        """Ids of events that were ever said to be about somebody else, taken back or not."""
        found: set[bytes] = set()
        for field in RETRACTIONS.voids:
            frame = self.events.by_type.get(field.event) if self.events else None
            if frame is not None:
                said = pl.col("reason").cast(pl.String) == _ABOUT_ANOTHER
                found.update(frame.filter(said).get_column(field.name).cast(pl.Binary))
        return frozenset(found)

    def _not_here_yet(self, known_at: datetime) -> frozenset[bytes]:
        """Ids of events that a merge or split has brought which nobody knew of at the moment."""
        found: set[bytes] = set()
        for other, at in self._moves(_FROM, _INTO, _MERGED, _SPLIT):
            if at > known_at:
                found |= self.elsewhere.get(other, frozenset())
        # What left in a split, and came back in a merge, had been here before both.
        return frozenset(found - self.about_another())

    def _moves(self, told: str, mine: str, *names: str) -> Iterator[tuple[bytes, datetime]]:
        """The other id of the moves in which this one is `mine`, and when they were recorded."""
        for name in names:
            frame = self.events.by_type.get(name) if self.events else None
            if frame is None:
                continue
            for other, own, at in frame.select(told, mine, "recorded_at").iter_rows():
                if own == self.worker_id.bytes != other:
                    yield other, at


async def history(
    connection: Connection,
    worker_id: UUID,
    schema: str = "read",
    topics: Sequence[str] = STORIES.topics,
) -> History:
    """Read what the logs hold of one id. Raises StoryTooLong, UnknownSchema.

    Call it inside a transaction that sees one state of the tables (repeatable read). topics: who
    asks for no disclosure leaves out `deliveries`, where each read of an organisation stands.
    """
    columns = ", ".join(SettledTables.COLUMNS)
    logs = " UNION ALL ".join(
        _LOGS.format(columns=columns, schema=schema, log=log) for log in ("story", "set_aside")
    )
    rows = await connection.fetch(f"{logs} LIMIT {MOST_EVENTS + 1}", worker_id, list(topics))
    if len(rows) > MOST_EVENTS:
        raise StoryTooLong(MOST_EVENTS)
    if not rows:
        return History(worker_id, None, {})
    found = [(row[0].bytes, row[1].bytes, *tuple(row)[2:]) for row in rows]
    alone = History(worker_id, await asyncio.to_thread(decoded_rows, found), {})
    others = {UUID(bytes=other) for other, _ in alone._moves(_FROM, _INTO, _MERGED, _SPLIT)}
    return History(worker_id, alone.events, await _ids_under(connection, schema, others))


async def history_as_known(
    connection: Connection,
    worker_id: UUID,
    moment: AsOf,
    schema: str = "read",
    topics: Sequence[str] = STORIES.topics,
) -> History:
    """The history of the id that stood for this one at the moment: another one after a merge."""
    seen: set[UUID] = set()
    while True:
        found = await history(connection, worker_id, schema, topics)
        seen.add(worker_id)
        following = found.went_to(moment)
        if following is None or following in seen:
            return found
        worker_id = following


def tables(events: Events | None) -> Mapping[str, pl.DataFrame]:
    """By name of table the rows that these events make, with the table's columns."""
    if events is None:
        return {}
    folded = {layout.table: fold(layout, events.by_type) for layout in layouts()}
    return {name: frame for name, frame in folded.items() if frame is not None}


@cache
def layouts() -> tuple[Layout, ...]:
    """The tables about workers."""
    return tuple(layout_of(one) for one in PROJECTIONS if one.stream is STORIES)


async def _ids_under(
    connection: Connection, schema: str, workers: Collection[UUID]
) -> Mapping[bytes, frozenset[bytes]]:
    if not workers:
        return {}
    logs = " UNION ALL ".join(_IDS.format(schema=schema, log=log) for log in ("story", "set_aside"))
    found: dict[bytes, set[bytes]] = {}
    for worker_id, event_id in await connection.fetch(logs, list(workers)):
        found.setdefault(worker_id.bytes, set()).add(event_id.bytes)
    return {worker_id: frozenset(ids) for worker_id, ids in found.items()}


def _is_one_of(column: pl.Series, ids: Collection[bytes]) -> pl.Series:
    return column.cast(pl.Binary).is_in(pl.Series(list(ids), dtype=pl.Binary).implode())
