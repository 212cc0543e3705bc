"""All tables made again from the log while a thousand events a second keep arriving."""

from __future__ import annotations

import asyncio
import time

from services.common.postgres import Pool, apply_schema, open_pool
from services.common.settings import Settings
from services.projections.rebuild.steps import Rebuild, told
from tests.bench.bench_projection_latency import (
    RATE,
    Published,
    figures,
    latencies_ms,
    noted,
    publish_at_rate,
    reached,
    until_visible,
)
from tests.bench.figure import Figure
from tests.bench.projecting import follow, fresh_tables, worker
from tests.bench.servers import hub, servers
from tests.bench.world import WORKERS, World
from tests.bench.world_log import publish

DESCRIPTION: str = "Tables rebuilt from the log while 1,000 events/s arrive, and what readers see"

AIMS_MS = {50: None, 95: 1000.0}
_NEAR = 2 * RATE  # records behind the live tables: two seconds of what arrives
# The slowest rebuild that is waited for, and what a worker has events of at the least.
_SLOWEST, _EVENTS_EACH = 1_500, 20


async def run(scale: float) -> list[Figure]:
    """Raises AssertionError when the rebuilt tables differ from those in use."""
    world = World(max(1, round(WORKERS * scale)))
    with servers() as (bootstrap, database_url):
        async with hub(bootstrap, database_url) as settings, open_pool(settings, most=4) as pool:
            await apply_schema(pool, "services.projections")
            await fresh_tables(settings)
            await asyncio.to_thread(publish, settings, world)
            async with worker(settings) as process:
                await follow(settings, world.events, process.pid)
                return await _rebuild(settings, pool, world)


async def _rebuild(settings: Settings, pool: Pool, world: World) -> list[Figure]:
    longest_s = 60 + world.events / _SLOWEST
    arriving, enough = World(round(longest_s * RATE / _EVENTS_EACH), seed=2), asyncio.Event()
    async with noted(settings) as notes:
        publishing = asyncio.create_task(publish_at_rate(settings, arriving, longest_s, enough))
        rebuild = Rebuild(pool, "read")
        began = time.perf_counter()
        await rebuild.start("benchmark", None)
        # By the worker's own builder, as it starts one wherever tables stand beside.
        await _caught_up(pool, longest_s)
        spent = time.perf_counter() - began
        enough.set()
        published: list[Published] = await publishing
        await until_visible(published, notes)
        await _caught_up(pool, longest_s, near=0)
        comparison = await rebuild.compare()
    if not comparison.equal or comparison.unsettled:
        raise AssertionError(told(comparison))
    scale = {"events": world.events, "arrived": len(published), "seconds": round(spent, 1)}
    rate = (world.events + len(published)) / spent
    return [
        Figure(name="rebuild.time", value=spent, unit="s", scale=scale),
        Figure(name="rebuild.rate", value=rate, unit="events/s", scale=scale),
        reached("rebuild.visible", published, scale),
        *figures("rebuild.visible", latencies_ms(published, notes), AIMS_MS, scale),
    ]


async def _caught_up(pool: Pool, within_s: float, near: int = _NEAR) -> None:
    """Wait until the tables beside have passed what those in use have, but for so many records."""
    query = """SELECT (SELECT sum(next_offset) FROM read.stream_position)
        - (SELECT coalesce(sum(next_offset), 0) FROM read_next.stream_position)"""
    async with asyncio.timeout(within_s):
        while await pool.fetchval(query) > near:
            await asyncio.sleep(0.1)
