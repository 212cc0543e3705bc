"""The read model in PostgreSQL: one transaction per batch, rows and positions together."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from itertools import chain
from uuid import UUID

import asyncpg
import polars as pl

from services.common.errors import DependencyDown, TerminalError
from services.common.postgres import AWAY, Connection, Pool, apply_sql
from services.common.settings import Settings
from services.projections.batch import Batch, Folded, fold_events
from services.projections.bookkeeping import Basis, Bookkeeping
from services.projections.bookkeeping import StalePosition as StalePosition
from services.projections.copying import together
from services.projections.counting import ERASED, REPEAT, Changes, left_out
from services.projections.declaration import STORIES, STREAMS, Projection
from services.projections.events import ROW, Events
from services.projections.forgetting import Forgotten, forget
from services.projections.intake import Partition
from services.projections.layout import Layout, layout_of
from services.projections.retractions import Retractions
from services.projections.settling import Settling
from services.projections.sql import (
    DROP,
    MADE_FROM,
    REMEMBER_DECLARATION,
    call_merges,
    empty_staging,
    fingerprint,
    log_staging_ddl,
    merging_ddl,
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
    # Every statement here is of a few rows of large tables. A plan is made once, when they may have
    # been empty, and stays good: by their index.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A process that stands still or is cut off in a transaction locks positions that others need.
    "idle_in_transaction_session_timeout": "20s",
    "tcp_user_timeout": "20s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
# Merged rows leave their space behind in a staging table, until it is emptied.
_STAGED_BYTES = 1_000_000
# Encoded rows of a batch that wait for each other: several times an ordinary batch's.
_KEPT_BYTES = 16_000_000


class ReadModelChanged(TerminalError):
    """The tables were made from another declaration and would hold something else now."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f"the tables in {schema} were made from another declaration than this release's. "
            "They stay as they are and go on being read. `throughline rebuild start` makes this "
            "release's tables beside them, `throughline rebuild switch` puts these in their place"
        )


async def create(pool: Pool, schema: str, projections: Sequence[type[Projection]]) -> None:
    """Create the tables and views that are missing. Raises ReadModelChanged."""
    wanted = fingerprint(projections)
    if await pool.fetchval("SELECT to_regclass($1)", f"{schema}.declaration") is not None:
        made_from = await pool.fetchval(MADE_FROM.format(schema=schema))
        if made_from not in (None, wanted):
            raise ReadModelChanged(schema)
    await apply_sql(pool, schema_ddl(schema, projections))
    await pool.execute(REMEMBER_DECLARATION.format(schema=schema), wanted)


async def drop(pool: Pool, schema: str) -> None:
    """Drop the read model with its positions; the log makes it again."""
    await pool.execute(DROP.format(schema=schema))


@asynccontextmanager
async def open_store(
    settings: Settings,
    schema: str,
    projections: Sequence[type[Projection]],
    retractions: Retractions | None = None,
    *,
    tells: bool = True,
) -> AsyncIterator[ReadModelStore]:
    """A store with a connection of its own. Raises DependencyDown when PostgreSQL is away.

    Without `retractions` nothing ever leaves a story again. `tells` is off for tables that nobody
    waits for.
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
        store = ReadModelStore(connection, schema, projections, retractions, tells=tells)
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
        *,
        tells: bool = True,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._layouts = {
            stream: [layout_of(p) for p in projections if p.stream is stream] for stream in STREAMS
        }
        self._stories = self._layouts[STORIES]
        self._staged = Counter[str]()  # bytes copied to each staging table since it was emptied
        self._unmerged: dict[Layout, list[bytes]] = {}  # rows of the batch that are not staged yet
        self.books = Bookkeeping(connection, schema, self._copy, tells=tells)
        self._fingerprint = fingerprint(projections)
        # Whether the last batch held repeats, so that the next one likely does, too.
        self._sees_repeats = False
        self._settling = None
        if retractions is not None:
            stories = self._stories
            self._settling = Settling(
                connection, schema, retractions, stories, self._copy, self._feed
            )

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def layouts(self) -> Sequence[Layout]:
        return [layout for layouts in self._layouts.values() for layout in layouts]

    async def prepare(self) -> None:
        """Make the session's staging tables, and what merges their rows."""
        ddl = [staging_ddl(layout) for layout in self.layouts]
        ddl += [merging_ddl(layout, self._schema) for layout in self.layouts]
        ddl += [log_staging_ddl(stream, self._schema) for stream in STREAMS]
        ddl += [self._settling.staging_ddl()] if self._settling is not None else []
        await self._connection.execute("\n".join(ddl))

    async def check(self) -> None:
        """Raises ReadModelChanged when the tables are of another declaration."""
        made_from = await self._connection.fetchval(MADE_FROM.format(schema=self._schema))
        if made_from not in (None, self._fingerprint):
            raise ReadModelChanged(self._schema)

    async def basis(self, partitions: Collection[Partition]) -> Basis:
        """The stored positions of these partitions (0 where new), and who is parked.

        Raises ReadModelChanged.
        """
        basis = await self.books.basis(partitions)
        await self.check()
        if self._settling is not None:
            await self._settling.look()
        return basis

    async def apply(self, batch: Batch) -> None:
        """Write a batch: all of it, or nothing. Raises StalePosition, PostgresError."""
        async with self._connection.transaction():
            await self.books.advance(batch)
            changes = Changes()
            await self.books.park(batch.intake.parked, changes)
            await self.take(batch, changes)
            await self.books.count(changes)
        self.books.committed(batch)

    async def take(self, batch: Batch, changes: Changes) -> None:
        """Merge the events of a batch, all of whose records count as taken by now."""
        self._unmerged.clear()
        found = [batch.intake.left_out]
        forgotten = Forgotten(await self._gone(batch))
        every = batch.intake.events
        async with self._settling.begun(every) if self._settling else nullcontext():
            for events, folded in zip(every, batch.folded, strict=True):
                found += await self._merge(events, folded, forgotten)
        await self._merge_all()
        await self.books.leave_out(found, changes)
        if forgotten:
            await forget(self._connection, self._schema, forgotten, self.books, changes)

    async def _gone(self, batch: Batch) -> set[UUID]:
        """Those of whom records were parked just now, and who have been erased."""
        parked = [one.worker_id for one in batch.intake.parked if one.worker_id]
        return await self._settling.gone(parked) if self._settling and parked else set()

    async def _merge(
        self, events: Events, folded: Folded, forgotten: Forgotten
    ) -> Sequence[pl.DataFrame]:
        """Add the events to their log; only those that are new to it feed the tables.

        Returns those that are kept nowhere, as rows of `left_out`, and adds to `forgotten` what
        was erased.
        """
        out = []
        if self._settling is not None and events.stream is STORIES:
            settled = await self._settling.settle(events)
            out += [
                left_out(settled.repeats, STORIES.owner, REPEAT),
                left_out(settled.erased, STORIES.owner, ERASED),
            ]
            forgotten.add(settled.gone, settled.erased)
            if settled.ordinary is not events:
                if not settled.ordinary.log.height:
                    return out
                events, folded = settled.ordinary, fold_events(settled.ordinary, self._stories)
        fresh = await self._add_to_log(events, folded.log)
        if fresh is not events:
            folded = fold_events(fresh, self._layouts[events.stream])
            repeats = events.log.join(fresh.log, on=ROW, how="anti")
            out.append(left_out(repeats, events.stream.owner, REPEAT))
        await self._feed(folded)
        return out

    async def _feed(self, folded: Folded) -> None:
        """Keep folded rows until all of the batch are there: to copy a few rows takes as long as to
        copy many."""
        for layout, rows in folded.tables:
            self._unmerged.setdefault(layout, []).append(rows)
        if sum(map(len, chain.from_iterable(self._unmerged.values()))) > _KEPT_BYTES:
            await self._stage()

    async def _stage(self) -> None:
        for layout, parts in self._unmerged.items():
            if parts:
                rows = together(parts)
                parts.clear()
                self._staged[layout.table] += len(rows)
                await self._copy(f"stage_{layout.table}", layout.types, rows)

    async def _merge_all(self) -> None:
        """One call for all tables; no row comes twice, for each worker's come from one fold."""
        await self._stage()
        many = {one: self._staged[one.table] > _STAGED_BYTES for one in self._unmerged}
        self._unmerged.clear()
        if many:
            await self._connection.execute(call_merges(many))
        for layout in (one for one, told in many.items() if told):
            del self._staged[layout.table]

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
        await self._connection.execute(empty_staging(events.stream.log))
        await self._copy(f"stage_{events.stream.log}", events.log_columns, rows)
        added = await self._connection.fetch(sift(events.stream, self._schema))
        self._sees_repeats = len(added) < events.log.height
        if not self._sees_repeats:
            return events
        return events.at((r["topic"], r["partition"], r["log_offset"]) for r in added)

    async def _copy(
        self, table: str, columns: Collection[str], rows: bytes, schema: str | None = None
    ) -> None:
        await self._connection.copy_to_table(
            table,
            schema_name=schema,
            source=_as_they_are(rows),
            columns=list(columns),
            format="binary",
        )

    def _sql(self, statement: str) -> str:
        return statement.format(schema=self._schema)


async def _as_they_are(rows: bytes) -> AsyncIterator[bytes]:
    """In one piece: of a file, asyncpg would read each part in a thread."""
    yield rows
