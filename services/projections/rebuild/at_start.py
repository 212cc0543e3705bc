"""A rebuild from beginning to end before anything else runs, as `throughline up` needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from services.projections.rebuild import work
from services.projections.rebuild.builder import Builder
from services.projections.rebuild.steps import MOST_BEHIND, Rebuild, told
from services.projections.rebuild.work import Row, Schemas
from services.projections.settings import ProjectionsSettings
from services.projections.sql import fingerprint

_LOOK_S = 1.0
_NEAR, _NEAR_S = 1_000, 5.0  # records, and the time that they take
_BY = "throughline init"

Watch = Callable[[Row], None]


async def is_due(pool: Pool) -> bool:
    """Whether the tables in use are of another declaration than this release's."""
    made_from = await work.made_from(pool, ProjectionsSettings().read_schema)
    return made_from not in (None, fingerprint(PROJECTIONS))


async def rebuild_now(settings: Settings, watch: Watch) -> str | None:
    """Replace tables of another declaration; None when there was nothing to do.

    Nobody works yet, so the former tables are of use to nobody and are dropped.
    """
    own = ProjectionsSettings()
    async with open_pool(settings, most=3) as pool:
        if not await is_due(pool):
            return None
        rebuild = Rebuild(pool, own.read_schema)
        await _clear(pool, rebuild, Schemas(own.read_schema))
        await rebuild.start(_BY, None)
        async with building(settings, own):
            await caught_up(pool, watch)
            found = await rebuild.compare()
            await rebuild.switch(anyway=True)
        await rebuild.drop(anyway=True)
    return f"the read model was made again; beside what was declared anew, {told(found)}"


async def _clear(pool: Pool, rebuild: Rebuild, schemas: Schemas) -> None:
    """Drop what is in the way; a rebuild to this release's declaration is gone on with."""
    mine = fingerprint(PROJECTIONS)
    if await work.made_from(pool, schemas.old) or (
        await work.made_from(pool, schemas.next) not in (None, mine)
    ):
        await rebuild.drop(anyway=True)


@asynccontextmanager
async def building(
    settings: Settings, own: ProjectionsSettings
) -> AsyncIterator[asyncio.Task[None]]:
    """A builder in this process, while the block runs. Its task ends with nothing left to fill."""
    builder = Builder(settings, own)
    task = asyncio.create_task(builder.run())
    try:
        yield task
    finally:
        builder.stop()
        await task


async def caught_up(
    pool: Pool, watch: Watch, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Row | None:
    """Wait until the tables beside are near enough to the end of the log, which may go on, to be
    compared and switched to; None when they went away."""
    while (row := await work.row(pool)) is not None:
        if row.told_at is not None and _is_near(row):
            return row
        watch(row)
        await sleep(_LOOK_S)
    return None


def _is_near(row: Row) -> bool:
    """Whether it is at the end of a log that may go on meanwhile."""
    left_s = row.left_s()
    soon = row.behind < MOST_BEHIND and left_s is not None and left_s < _NEAR_S
    return row.behind < _NEAR or soon
