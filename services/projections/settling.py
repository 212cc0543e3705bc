"""The slow path: stories from which something leaves are folded again, without what left.

It runs in the transaction of the event that caused it, for just those workers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from uuid import UUID

import polars as pl

from services.common.codec import decode_columns, writer_of
from services.common.postgres import Connection
from services.projections.copying import encode
from services.projections.declaration import STORIES
from services.projections.events import ROW, Events, events_of
from services.projections.layout import Layout
from services.projections.retractions import (
    Retractions,
    Standing,
    StoredVoid,
    ids,
    standing_in,
    workers_to_settle,
)

_MARKED = "SELECT worker_id FROM {schema}.moved UNION SELECT worker_id FROM {schema}.void"
_MOVED = "SELECT worker_id FROM {schema}.moved WHERE worker_id = ANY ($1)"
_VOIDS = """
SELECT worker_id, event_id, source, void_event_id FROM {schema}.void WHERE worker_id = ANY ($1)
"""
_COLUMNS = "worker_id, event_id, topic, partition, log_offset, schema_id, payload"
# Told, voided or moved: everything the log says of these workers.
_ALL = """
SELECT {columns} FROM {schema}.story WHERE worker_id = ANY ($1)
UNION ALL SELECT {columns} FROM {schema}.set_aside WHERE worker_id = ANY ($1)
"""
_FORGET = "DELETE FROM {schema}.{table} WHERE worker_id = ANY ($1)"
_ADD_MOVED = "INSERT INTO {schema}.moved SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"
_ADD_VOIDS = """
INSERT INTO {schema}.void (worker_id, event_id, source, void_event_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[])
"""
_SET_ASIDE = """
INSERT INTO {schema}.set_aside SELECT * FROM set_aside_now ON CONFLICT DO NOTHING
"""

CopyTo = Callable[[str, Collection[str], bytes, str | None], Awaitable[None]]


class Settling:
    """Keeps `story` and the tables free of what is void or has moved, on one connection."""

    def __init__(
        self,
        connection: Connection,
        schema: str,
        rules: Retractions,
        layouts: Sequence[Layout],
        copy: CopyTo,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._rules = rules
        self._layouts = layouts
        self._copy = copy
        # Workers with anything void or moved, so that a batch about others asks for nothing.
        self._marked = pl.Series("worker_id", [], pl.Binary)

    async def look(self) -> None:
        """Learn of whom something is void or moved; to be called when partitions come.

        From then on nobody else writes of the workers of our partitions.
        """
        rows = await self._connection.fetch(self._sql(_MARKED))
        self._marked = pl.Series("worker_id", [row["worker_id"].bytes for row in rows], pl.Binary)

    def staging_ddl(self) -> str:
        return (
            "CREATE TEMP TABLE IF NOT EXISTS set_aside_now"
            f" (LIKE {self._schema}.set_aside) ON COMMIT DELETE ROWS;"
        )

    async def settle(self, events: Events) -> tuple[Events, Events | None]:
        """What of a batch goes the ordinary way, and the stories to fold again, whose rows are
        gone from the tables now.
        """
        workers = workers_to_settle(events, self._rules)
        stored = await self._stored(events)
        if workers.is_empty() and not stored:
            return events, None
        mine = _is_of(events, workers)
        rows = events.log.get_column(ROW)
        others = events.only(rows.filter(~mine))
        marked = others.log.filter(_is_of(others, self._marked))
        aside = stored.set_aside(marked, self._rules)
        await self._put_aside(others, aside)
        if not aside.is_empty():
            kept = others.log.get_column(ROW)
            others = others.only(kept.filter(~kept.is_in(aside.get_column(ROW).implode())))
        if workers.is_empty():
            return others, None
        return others, await self._again(list(ids(workers)), events.only(rows.filter(mine)))

    async def _stored(self, events: Events) -> Standing:
        """What is known of the batch's workers from before."""
        if self._marked.is_empty():
            return Standing(frozenset(), ())
        named = events.log.get_column("worker_id").cast(pl.Binary)
        workers = list(ids(named.filter(_is_of(events, self._marked)).unique()))
        if not workers:
            return Standing(frozenset(), ())
        moved = await self._connection.fetch(self._sql(_MOVED), workers)
        voids = await self._connection.fetch(self._sql(_VOIDS), workers)
        return Standing(
            frozenset(row["worker_id"].bytes for row in moved),
            [
                StoredVoid(r["worker_id"].bytes, r["event_id"].bytes, r["source"], r[3].bytes)
                for r in voids
            ],
        )

    async def _again(self, workers: Sequence[UUID], new: Events) -> Events:
        """Take these workers' rows out of every table; what stays of their stories comes back."""
        known = await self._connection.fetch(self._sql(_ALL, columns=_COLUMNS), workers)
        whole = _decoded([*(tuple(row) for row in known), *_as_rows(new)])
        standing = standing_in(whole, self._rules)
        marked = pl.Series("worker_id", [worker.bytes for worker in workers], pl.Binary)
        self._marked = pl.concat([self._marked, marked]).unique()
        aside = standing.set_aside(whole.log, self._rules)
        tables = ("story", "set_aside", "void", *(layout.table for layout in self._layouts))
        for table in tables:
            await self._connection.execute(self._sql(_FORGET, table=table), workers)
        await self._remember(standing)
        await self._put_aside(whole, aside)
        rows = whole.log.get_column(ROW)
        stays = whole.only(rows.filter(~rows.is_in(aside.get_column(ROW).implode())))
        if stays.log.height:
            log = encode(stays.log.drop(ROW))
            await self._copy("story", stays.log_columns, log, self._schema)
        return stays

    async def _remember(self, standing: Standing) -> None:
        moved = [UUID(bytes=worker) for worker in standing.moved]
        await self._connection.execute(self._sql(_ADD_MOVED), moved)
        columns = (
            [UUID(bytes=void.worker_id) for void in standing.voids],
            [UUID(bytes=void.event_id) for void in standing.voids],
            [void.source for void in standing.voids],
            [UUID(bytes=void.void_event_id) for void in standing.voids],
        )
        await self._connection.execute(self._sql(_ADD_VOIDS), *columns)

    async def _put_aside(self, events: Events, aside: pl.DataFrame) -> None:
        if aside.is_empty():
            return
        rows = events.log.join(aside, on=ROW, how="inner").drop(ROW)
        await self._copy("set_aside_now", rows.columns, encode(rows), None)
        await self._connection.execute(self._sql(_SET_ASIDE))
        await self._connection.execute("TRUNCATE set_aside_now")

    def _sql(self, statement: str, **names: str) -> str:
        return statement.format(schema=self._schema, **names)


def _is_of(events: Events, workers: pl.Series) -> pl.Series:
    return events.log.get_column("worker_id").cast(pl.Binary).is_in(workers.implode())


Row = tuple[bytes, bytes, str, int, int, int, bytes]  # as _COLUMNS


def _as_rows(events: Events) -> Iterable[Row]:
    return events.log.select(_COLUMNS.split(", ")).iter_rows()


def _decoded(found: Iterable[Sequence[object]]) -> Events:
    """Rows of logs as events, each once. Those that were stored before come first."""
    once: dict[tuple[bytes, bytes], Row] = {}
    for row in found:
        worker, event = (v.bytes if isinstance(v, UUID) else v for v in row[:2])
        once.setdefault((worker, event), (worker, event, *row[2:]))  # type: ignore[arg-type]
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in once.values():
        groups.setdefault((row[2], row[5]), []).append(row)
    decoded = []
    for (topic, schema_id), rows in groups.items():
        payloads = [row[6] for row in rows]
        frame = decode_columns(schema_id, payloads).with_columns(
            pl.Series("payload", payloads, pl.Binary),
            pl.Series("log_offset", [row[4] for row in rows], pl.Int64),
            pl.Series("partition", [row[3] for row in rows], pl.Int32),
            pl.lit(schema_id, pl.Int32).alias("schema_id"),
            pl.lit(topic).alias("topic"),
        )
        decoded.append((writer_of(schema_id), frame))
    return events_of(STORIES, decoded)
