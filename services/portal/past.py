"""What may be told of one worker as of a moment.

The record as it was is asked of the read model's own engine. Two rules stand above that: what
turned out to be about somebody else is told to nobody again, and what has left the story since
(void, corrected, superseded) only to the worker. So an organisation never sees more by asking
about another moment than it may see now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import polars as pl

from schemas import events as e
from schemas.catalog import envelope_names, event_types
from services.common.codec import Decoded
from services.common.errors import Problem, UnknownSchema
from services.common.kafka import Position
from services.common.moments import NOW, AsOf
from services.common.postgres import Connection, Pool
from services.portal.store import ReadStore, StoryFilter, decoded
from services.projections.as_of import History, StoryTooLong, history, history_as_known
from services.projections.events import ROW, Events
from services.projections.one_worker import feeding, view_named

_TOPICS = ("stories",)
_DISPUTES = feeding(view_named("open_dispute"))


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a reader asks about: the id it said, and the one that stands for the person now."""

    asked: UUID
    worker_id: UUID


@dataclass(frozen=True, slots=True)
class Telling:
    """The events that may be told, all under the id of now, and the position they reflect."""

    worker_id: UUID
    events: Events | None
    position: Position | None
    parked: bool


@asynccontextmanager
async def one_state(pool: Pool) -> AsyncIterator[Connection]:
    """A connection on which all statements see the same state of the tables."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def telling(
    pool: Pool, store: ReadStore, subject: Subject, moment: AsOf, *, to_worker: bool
) -> Telling:
    """Raises Problem 422 for a record that is too long to be read at once, UnknownSchema for one
    of a later release that no registry knows."""
    while True:
        try:
            return await _telling(pool, store, subject, moment, to_worker=to_worker)
        except UnknownSchema as error:
            await store.learn(error)


async def _telling(
    pool: Pool, store: ReadStore, subject: Subject, moment: AsOf, *, to_worker: bool
) -> Telling:
    async with one_state(pool) as connection:
        worker_id = subject.worker_id
        position = await store.reflects(worker_id, using=connection)
        parked = await store.is_parked(worker_id, using=connection)
        try:
            now = await history(connection, worker_id, topics=_TOPICS)
            then = now
            if subject.asked != worker_id:
                then = await history_as_known(connection, subject.asked, moment, topics=_TOPICS)
        except StoryTooLong as error:
            fix = "Read its story by pages"
            fix += "." if moment.is_now else ", without `as_of` and `known_at`."
            raise Problem(422, "too-long", f"{str(error).capitalize()}. {fix}") from None
    told = _ids(then.at(moment)) & _may_be_told(now, to_worker=to_worker)
    return Telling(worker_id, _only(now.events, told), position, parked)


def _may_be_told(now: History, *, to_worker: bool) -> frozenset[bytes]:
    present = _ids(now.at(NOW))
    if not to_worker:
        return present
    return (_ids(now.events) - now.about_another()) | present


def _ids(events: Events | None) -> frozenset[bytes]:
    if events is None:
        return frozenset()
    return frozenset(events.log.get_column("event_id").cast(pl.Binary))


def _only(events: Events | None, ids: Collection[bytes]) -> Events | None:
    if events is None:
        return None
    column = events.log.get_column("event_id").cast(pl.Binary)
    wanted = column.is_in(pl.Series(list(ids), dtype=pl.Binary).implode())
    return events.only(events.log.get_column(ROW).filter(wanted))


def story_page(events: Events | None, wanted: StoryFilter) -> list[Decoded]:
    """A page of events, newest first, as `ReadStore.story` gives it."""
    if events is None:
        return []
    log = events.log
    if wanted.categories is not None:
        log = log.filter(pl.col("category").is_in(list(wanted.categories)))
    ids = pl.col("event_id").cast(pl.Binary)
    if wanted.before is not None:
        at, last = wanted.before
        same = (pl.col("occurred_at") == at) & (ids < last.bytes)
        log = log.filter((pl.col("occurred_at") < at) | same)
    log = log.sort(pl.col("occurred_at"), ids, descending=True).head(wanted.limit)
    return events_in(log)


def events_in(log: pl.DataFrame) -> list[Decoded]:
    """Rows of the log as events, one by one."""
    rows = log.select("event_id", "schema_id", "payload").to_dicts()
    return [event for row in rows if (event := decoded(row)) is not None]


def redacted(
    events: Events | None, shown: Sequence[tuple[Decoded, Mapping[str, object]]]
) -> Events | None:
    """The events that were disclosed, with those fields alone; disputes only mark them.

    shown: events with the fields that a reader sees of them, the same for all of one type.
    """
    if events is None:
        return None
    fields = {event.name: names.keys() for event, names in shown}
    ids = {event.event_id.bytes for event, _ in shown}
    disputes = events.log.filter(pl.col("event_type").is_in(list(_DISPUTES)))
    kept = _only(events, ids | set(disputes.get_column("event_id").cast(pl.Binary)))
    assert kept is not None
    by_type = {
        name: frame if name in _DISPUTES else _with(frame, name, fields[name])
        for name, frame in kept.by_type.items()
    }
    return Events(kept.stream, kept.log, by_type)


def made_by(events: Events | None, employer_id: str) -> Events | None:
    """The promises that an employer made, as it said them."""
    name = e.PromiseMade.__name__
    frame = events.by_type.get(name) if events is not None else None
    if events is None or frame is None:
        return None
    return events.only(frame.filter(pl.col("employer_id") == employer_id).get_column(ROW))


def _with(frame: pl.DataFrame, name: str, fields: Collection[str]) -> pl.DataFrame:
    """The frame of one event type with nothing in the other fields."""
    own = event_types()[name].fields.keys() - envelope_names("stories")
    return frame.with_columns(
        pl.lit(None, frame.schema[field]).alias(field)
        for field in own - set(fields)
        if field in frame.columns
    )
