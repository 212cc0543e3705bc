"""The read model in PostgreSQL: one transaction per batch, rows and positions together."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from services.common.errors import DependencyDown, RetryableError, TerminalError
from services.common.postgres import AWAY, Connection, Pool, apply_sql
from services.common.settings import Settings
from services.projections.batch import Batch, Folded, Span, fold_events
from services.projections.declaration import STORIES, STREAMS, Projection
from services.projections.events import Events
from services.projections.intake import Parked, Partition
from services.projections.layout import Layout, layout_of
from services.projections.retractions import Retractions
from services.projections.settling import Settling
from services.projections.sql import (
    DROP,
    MADE_FROM,
    REMEMBER_DECLARATION,
    empty_staging,
    fingerprint,
    log_staging_ddl,
    merge,
    schema_ddl,
    sift,
    staging_ddl,
)

# Safe to lose: a commit that a crash takes back takes its position along, and is done again.
_SESSION = {
    "application_name": "throughline projections",
    "timezone": "UTC",
    "synchronous_commit": "off",
    "jit": "off",
    "temp_buffers": "32MB",
}
_STAGED_BYTES = 1_000_000

_ADVANCE = """
WITH span AS (
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
        AS s (topic, partition, start, next_offset)
), moved AS (
    UPDATE {schema}.stream_position AS p
    SET next_offset = s.next_offset, advanced_at = now()
    FROM span AS s
    WHERE p.topic = s.topic AND p.partition = s.partition AND p.next_offset = s.start
    RETURNING p.topic, p.partition, p.next_offset
)
SELECT pg_notify('positions', topic || ':' || partition || ':' || next_offset) FROM moved
"""

_REMEMBER = """
INSERT INTO {schema}.stream_position (topic, partition, next_offset)
SELECT topic, partition, 0 FROM unnest($1::text[], $2::int[]) AS p (topic, partition)
ON CONFLICT DO NOTHING
"""

_POSITIONS = """
SELECT topic, partition, next_offset FROM {schema}.stream_position
JOIN unnest($1::text[], $2::int[]) AS p (topic, partition) USING (topic, partition)
"""

_HELD = "SELECT DISTINCT owner FROM {schema}.parked WHERE owner IS NOT NULL"

_PARK = """
INSERT INTO {schema}.parked
    (topic, partition, log_offset, owner, worker_id, reason, key, value, headers)
VALUES ($1, $2, $3, $4, encode($5, 'hex')::uuid, $6, $7, $8, $9)
"""


class StalePosition(RetryableError):
    """What a batch was made from has changed: a position, or who is parked. Nothing was written.

    Another consumer owns the partition now, or an operator has replayed what was parked. Read the
    positions again and go on from there.
    """


class ReadModelChanged(TerminalError):
    """The tables were made from another declaration and would hold something else now."""


async def create(pool: Pool, schema: str, projections: Sequence[type[Projection]]) -> None:
    """Create the tables that are missing. Raises ReadModelChanged."""
    wanted = fingerprint(projections)
    if await pool.fetchval("SELECT to_regclass($1)", f"{schema}.declaration") is not None:
        made_from = await pool.fetchval(MADE_FROM.format(schema=schema))
        if made_from not in (None, wanted):
            raise ReadModelChanged(
                f"the tables in {schema} were made from another declaration; "
                "`python -m services.projections rebuild` makes them again from the log"
            )
    await apply_sql(pool, schema_ddl(schema, projections))
    await pool.execute(REMEMBER_DECLARATION.format(schema=schema), wanted)


async def drop(pool: Pool, schema: str) -> None:
    """Drop the read model with its positions; the log makes it again."""
    await pool.execute(DROP.format(schema=schema))


@dataclass(frozen=True, slots=True)
class Basis:
    """What batches are made from: the stored positions, and the owners that are parked."""

    positions: Mapping[Partition, int]
    held: Set[bytes]


@asynccontextmanager
async def open_store(
    settings: Settings,
    schema: str,
    projections: Sequence[type[Projection]],
    retractions: Retractions | None = None,
) -> AsyncIterator[ReadModelStore]:
    """A store with a connection of its own. Raises DependencyDown when PostgreSQL is away.

    Without `retractions` nothing ever leaves a story again.
    """
    try:
        connection = await asyncpg.connect(
            settings.database_url.get_secret_value(),
            server_settings=_SESSION,
            command_timeout=300,
            timeout=10,
        )
    except AWAY as error:
        raise DependencyDown("PostgreSQL does not answer") from error
    try:
        store = ReadModelStore(connection, schema, projections, retractions)
        await store.prepare()
        yield store
    finally:
        with suppress(*AWAY):
            await connection.close(timeout=5)


class ReadModelStore:
    """Writes batches through one connection, one at a time."""

    def __init__(
        self,
        connection: Connection,
        schema: str,
        projections: Sequence[type[Projection]],
        retractions: Retractions | None = None,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._layouts = {
            stream: [layout_of(p) for p in projections if p.stream is stream] for stream in STREAMS
        }
        self._staged = Counter[str]()  # bytes copied to each staging table since it was emptied
        # Whether the last batch held repeats, so that the next one likely does, too.
        self._sees_repeats = False
        self._settling = None
        if retractions is not None:
            stories = self._layouts[STORIES]
            self._settling = Settling(connection, schema, retractions, stories, self._copy)

    @property
    def layouts(self) -> Sequence[Layout]:
        return [layout for layouts in self._layouts.values() for layout in layouts]

    async def prepare(self) -> None:
        """Make the session's staging tables."""
        ddl = [staging_ddl(layout) for layout in self.layouts]
        ddl += [log_staging_ddl(stream, self._schema) for stream in STREAMS]
        ddl += [self._settling.staging_ddl()] if self._settling is not None else []
        await self._connection.execute("\n".join(ddl))

    async def basis(self, partitions: Collection[Partition]) -> Basis:
        """The stored positions of these partitions (0 where new), and who is parked."""
        columns = [topic for topic, _ in partitions], [number for _, number in partitions]
        await self._connection.execute(self._sql(_REMEMBER), *columns)
        rows = await self._connection.fetch(self._sql(_POSITIONS), *columns)
        held = await self._held()
        if self._settling is not None:
            await self._settling.look()
        return Basis({(r["topic"], r["partition"]): r["next_offset"] for r in rows}, held)

    async def apply(self, batch: Batch) -> None:
        """Write a batch: all of it, or nothing. Raises StalePosition, PostgresError."""
        async with self._connection.transaction():
            await self._advance(batch.spans)
            if await self._held() != batch.held:
                raise StalePosition("records were parked or replayed meanwhile")
            await self._park(batch.intake.parked)
            for events in batch.intake.events:
                await self._merge(events, batch.folded[events.stream])

    async def _advance(self, spans: Sequence[Span]) -> None:
        """Move the positions from the start of each span to its end, and tell who waits."""
        columns = zip(*((s.topic, s.partition, s.start, s.end) for s in spans), strict=True)
        moved = await self._connection.fetch(self._sql(_ADVANCE), *map(list, columns))
        if len(moved) != len(spans):
            raise StalePosition(f"{len(spans) - len(moved)} positions have been moved already")

    async def _held(self) -> frozenset[bytes]:
        rows = await self._connection.fetch(self._sql(_HELD))
        return frozenset(row["owner"] for row in rows)

    async def _park(self, parked: Sequence[Parked]) -> None:
        if not parked:
            return
        rows = [
            (
                *(p.position.topic, p.position.partition, p.position.offset, p.owner, p.worker_id),
                *(p.reason[:500], p.record.key, p.record.value),
                json.dumps([(name, value.decode("latin-1")) for name, value in p.record.headers]),
            )
            for p in parked
        ]
        await self._connection.executemany(self._sql(_PARK), rows)

    async def _merge(self, events: Events, folded: Folded) -> None:
        """Add the events to their log; only those that are new to it feed the tables."""
        if self._settling is not None and events.stream is STORIES:
            ordinary, again = await self._settling.settle(events)
            if again is not None:
                await self._feed(fold_events(again, self._layouts[STORIES]))
            if ordinary is not events:
                events, folded = ordinary, fold_events(ordinary, self._layouts[STORIES])
                if not events.log.height:
                    return
        fresh = await self._add_to_log(events, folded.log)
        if fresh is not events:
            folded = fold_events(fresh, self._layouts[events.stream])
        await self._feed(folded)

    async def _feed(self, folded: Folded) -> None:
        """Merge folded rows into the tables."""
        for layout, rows in folded.tables:
            await self._stage(layout.table, layout.types, rows)
            await self._connection.execute(merge(layout, self._schema))

    async def _add_to_log(self, events: Events, rows: bytes) -> Events:
        """Returns the events that the log did not hold yet: `events` itself when that is all."""
        if not self._sees_repeats:
            try:
                async with self._connection.transaction():
                    await self._copy(events.stream.log, events.log_columns, rows, self._schema)
            except asyncpg.UniqueViolationError:
                self._sees_repeats = True
            else:
                return events
        await self._stage(events.stream.log, events.log_columns, rows)
        added = await self._connection.fetch(sift(events.stream, self._schema))
        self._sees_repeats = len(added) < events.log.height
        if not self._sees_repeats:
            return events
        return events.at((r["topic"], r["partition"], r["log_offset"]) for r in added)

    async def _stage(self, table: str, columns: Collection[str], rows: bytes) -> None:
        """Copy rows to where a merge takes them from.

        Merged rows leave their space behind, and emptying a table costs as much as merging a few
        rows. So that is done when there is something to gain.
        """
        self._staged[table] += len(rows)
        if self._staged[table] > _STAGED_BYTES:
            await self._connection.execute(empty_staging(table))
            self._staged[table] = len(rows)
        await self._copy(f"stage_{table}", columns, rows)

    async def _copy(
        self, table: str, columns: Collection[str], rows: bytes, schema: str | None = None
    ) -> None:
        await self._connection.copy_to_table(
            table,
            schema_name=schema,
            source=io.BytesIO(rows),
            columns=list(columns),
            format="binary",
        )

    def _sql(self, statement: str) -> str:
        return statement.format(schema=self._schema)
