"""The steps of a rebuild, each safe to ask for at any moment: done, or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from services.common.locks import Lock
from services.common.postgres import Connection, Pool
from services.projections.comparing import Comparison, NotAlike, compare
from services.projections.declaration import Projection
from services.projections.projections import PROJECTIONS
from services.projections.rebuild import work
from services.projections.rebuild.switching import Places, behind, swap, used_elsewhere
from services.projections.rebuild.work import Row, Schemas, Step, StepRefused
from services.projections.sql import DROP, fingerprint
from services.projections.store import ReadModelChanged, create

_SWITCH_WITHIN_S = 10.0
# Further behind than this, the tables would be locked for too long, or compared in vain.
MOST_BEHIND = 5_000
_SWITCHED = """
UPDATE projections_work.rebuild SET is_switched = $1, switched_at = now(), read_records = 0,
    records_per_s = 0, told_at = NULL, comparison = NULL, compared_at = NULL
"""
_COMPARED = "UPDATE projections_work.rebuild SET comparison = $1, compared_at = now()"


class Rebuild:
    """The steps, on a pool. Each returns what it did, in words. Raises StepRefused."""

    def __init__(
        self, pool: Pool, live: str, projections: Sequence[type[Projection]] = PROJECTIONS
    ) -> None:
        self._pool = pool
        self._schemas = Schemas(live)
        self._projections = projections

    async def take(self, step: Step) -> str:
        """Do what was ordered."""
        match step.step:
            case "start":
                return await self.start(step.asked_by, step.rate)
            case "rate":
                return await self.limit(step.rate)
            case "pause" | "resume":
                return await self.pause(paused=step.step == "pause")
            case "compare":
                return told(await self.compare())
            case "switch":
                return await self.switch(anyway=step.anyway)
            case "undo":
                return await self.undo(anyway=step.anyway)
            case "drop":
                return await self.drop(anyway=step.anyway)

    async def row(self) -> Row:
        """The rebuild that there is. Raises StepRefused when there is none."""
        found = await work.row(self._pool) or await self._found_again()
        if found is None:
            raise StepRefused("none", "no tables stand beside those in use; start a rebuild first")
        return found

    async def _found_again(self) -> Row | None:
        """The rebuild whose row was lost, told from the tables that stand there."""
        in_use = await work.made_from(self._pool, self._schemas.live)
        for schema in (self._schemas.old, self._schemas.next):
            if (made_from := await work.made_from(self._pool, schema)) is not None:
                async with self._pool.acquire() as connection:
                    await work.begin(
                        connection,
                        changed=made_from != in_use,
                        switched=schema == self._schemas.old,
                        rate=None,
                        by="unknown",
                    )
                return await work.row(self._pool)
        return None

    async def start(self, by: str, rate: int | None) -> str:
        """Make the tables of this declaration, empty, or go on with those that are there."""
        async with self._alone() as connection:
            if await work.made_from(connection, self._schemas.old) is not None:
                raise StepRefused("old-kept", f"{self._schemas.old} is kept; drop it first")
            in_use = await work.made_from(connection, self._schemas.live)
            if in_use is None:
                raise StepRefused("no-tables", "there is no read model yet; `throughline init`")
            found = await work.made_from(connection, self._schemas.next)
            try:
                await create(self._pool, self._schemas.next, self._projections)
            except ReadModelChanged:
                told = f"{self._schemas.next} was begun by another release; drop it first"
                raise StepRefused("other-release", told) from None
            changed = in_use != fingerprint(self._projections)
            await work.begin(connection, changed=changed, switched=False, rate=rate, by=by)
        return f"{self._schemas.next} is {'filled' if found is None else 'filled further'}"

    async def limit(self, rate: int | None) -> str:
        await self.row()
        await self._pool.execute("UPDATE projections_work.rebuild SET rate = $1", rate)
        return "as fast as it goes" if rate is None else f"at most {rate:,} records a second"

    async def pause(self, *, paused: bool) -> str:
        await self.row()
        await self._pool.execute("UPDATE projections_work.rebuild SET is_paused = $1", paused)
        return "paused" if paused else "goes on"

    async def compare(self) -> Comparison:
        """Compare with the tables in use, and keep the result."""
        row = await self.row()
        beside = row.beside(self._schemas)
        async with self._alone() as connection:
            await self._must_be_near(connection, self._schemas.live, beside)
            try:
                found = await compare(self._pool, self._schemas.live, beside)
            except NotAlike as error:
                raise StepRefused("behind", str(error)) from error
            await connection.execute(_COMPARED, json.dumps(found.as_dict()))
        return found

    async def switch(self, *, anyway: bool = False) -> str:
        """Put the new tables in the place of those in use, which are kept."""
        row = await self.row()
        if row.is_switched:
            raise StepRefused("switched", "the new tables are in use already")
        if not anyway and row.comparison is not None and not row.comparison["equal"]:
            told = "the comparison found differences; look at them first"
            raise StepRefused("differs", told, anyway=True)
        names = self._schemas
        await self._swap(Places(names.live, names.next, names.old), switched=True, anyway=anyway)
        return f"{names.live} is the new one; the former tables are kept in {names.old}"

    async def undo(self, *, anyway: bool = False) -> str:
        """Put the former tables back; the new ones stand beside again."""
        row = await self.row()
        if not row.is_switched:
            raise StepRefused("not-switched", "nothing was switched")
        names = self._schemas
        await self._swap(Places(names.live, names.old, names.next), switched=False, anyway=anyway)
        return f"{names.live} is the former one again; the new tables are kept in {names.next}"

    async def drop(self, *, anyway: bool = False) -> str:
        """Remove the tables that stand beside those in use."""
        row = await self.row()
        beside = row.beside(self._schemas)
        async with self._alone() as connection:
            await self._must_be_unused(connection, beside, anyway=anyway)
            # First the row, so that builders stop and the tables are free.
            await connection.execute("DELETE FROM projections_work.rebuild")
            try:
                async with connection.transaction():
                    await connection.execute("SET LOCAL lock_timeout = 10000")
                    await connection.execute(DROP.format(schema=beside))
            except asyncpg.LockNotAvailableError as error:
                async with connection.transaction():
                    await work.begin(
                        connection,
                        changed=row.is_changed,
                        switched=row.is_switched,
                        rate=row.rate,
                        by=row.asked_by,
                    )
                raise StepRefused("busy", f"{beside} is in use by another session") from error
        return f"{beside} is gone"

    async def _swap(self, places: Places, *, switched: bool, anyway: bool) -> None:
        async with self._alone() as connection:
            await self._must_be_near(connection, places.live, places.beside)
            await self._must_be_unused(connection, places.live, anyway=anyway)
            async with connection.transaction():
                await swap(connection, places, within_s=_SWITCH_WITHIN_S)
                await connection.execute(_SWITCHED, switched)

    async def _must_be_near(self, connection: Connection, live: str, beside: str) -> None:
        left = await behind(connection, live, beside)
        if left > MOST_BEHIND:
            told = f"{beside} is {left:,} records behind {live}; wait until it has caught up"
            raise StepRefused("behind", told)

    async def _must_be_unused(self, connection: Connection, schema: str, *, anyway: bool) -> None:
        views = await used_elsewhere(connection, schema)
        if views and not anyway:
            told = f"{', '.join(views)} would keep reading {schema}, or be dropped with it"
            raise StepRefused("views", told, anyway=True)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Connection]:
        """A connection while nobody else takes a step. Raises StepRefused when somebody does."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", Lock.REBUILD):
                raise StepRefused("under-way", "another step of a rebuild is under way; wait")
            try:
                yield connection
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", Lock.REBUILD)


def told(found: Comparison) -> str:
    """The result of a comparison in one line."""
    rest = f"; {found.unsettled:,} rows never came to rest" if found.unsettled else ""
    if found.equal:
        return f"equal: {found.rows:,} rows of {len(found.tables)} tables{rest}"
    several = [
        f"{one.table} ({'over ' if one.more else ''}{len(one.differences):,})"
        for one in found.tables
        if one.differences
    ]
    return f"different: {', '.join(several)}{rest}"
