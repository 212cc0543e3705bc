"""Events a second as batches and tables grow tenfold, and what the tables weigh."""

from __future__ import annotations

import asyncio
import statistics
from itertools import pairwise
from typing import Any

import asyncpg

from services.common.settings import Settings
from services.projections.layout import layout_of
from services.projections.projections import PROJECTIONS
from tests.bench.figure import Figure
from tests.bench.projecting import Course, check, project
from tests.bench.servers import hub, servers
from tests.bench.world import WORKERS, World
from tests.bench.world_log import publish

DESCRIPTION: str = "Events a second as batch and table size grow tenfold; bytes per worker"

ROUNDS = 3
BATCHES = (2_000, 20_000, 200_000)  # events
FALL = 0.30
_FEWEST = 5  # batches of a size in a world, or there is no rate to speak of
# Shares of the world between which a rate is taken: about a tenth of the rows, and all of them.
_SMALL, _LARGE = (0.05, 0.15), (0.85, 1.0)

_SIZE = """
SELECT pg_table_size(c.oid) AS rows, pg_indexes_size(c.oid) AS indexes
FROM pg_class c WHERE c.oid = $1::regclass
"""


async def run(scale: float) -> list[Figure]:
    """Raises AssertionError when the tables do not hold what was published."""
    world = World(max(1, round(WORKERS * scale)))
    with servers() as (bootstrap, database_url):
        async with hub(bootstrap, database_url) as settings:
            await asyncio.to_thread(publish, settings, world)
            return await _measure(settings, world)


async def _measure(settings: Settings, world: World) -> list[Figure]:
    courses: dict[int, list[Course]] = {
        batch: [] for batch in BATCHES if batch * _FEWEST <= world.events
    }
    together: dict[int, list[float]] = {batch: [] for batch in courses}
    for _ in range(ROUNDS):
        for batch, found in courses.items():
            variables = {"PROJECTIONS_BATCH_EVENTS": str(batch)}
            found.append(await project(settings, world.events, variables=variables))
            await check(settings, world)
            together[batch].append(world.events / await _commits(settings))
    scale = {"events": world.events, "workers": world.workers, "rounds": ROUNDS}
    sizes = await _sizes(settings, world, scale)
    return [
        *_by_batch(courses, scale),
        *(_of_commit(batch, found, scale) for batch, found in together.items()),
        _by_table(courses[min(20_000, max(courses))], scale),
        *sizes,
    ]


def _by_batch(courses: dict[int, list[Course]], scale: dict[str, Any]) -> list[Figure]:
    """Each size of batches against the one a tenth of it."""
    rates = {batch: statistics.median(c.rate() for c in found) for batch, found in courses.items()}
    return [
        _compared(
            f"projection.batch_{large}",
            rates[large],
            f"projection.batch_{small}",
            rates[small],
            scale,
        )
        for small, large in pairwise(rates)
    ]


async def _commits(settings: Settings) -> int:
    """How many transactions wrote the story."""
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    query = "SELECT count(DISTINCT xmin::text) FROM read.story"
    found: int = await connection.fetchval(query, timeout=600)
    await connection.close()
    return found


def _of_commit(batch: int, found: list[float], scale: dict[str, Any]) -> Figure:
    """Whether batches were as large as they were asked to be, more or less."""
    mean = min(found)
    return Figure(
        name=f"projection.batch_{batch}.size",
        value=mean,
        unit="events a commit",
        aim=f">= {batch // 2:,}",
        met=mean >= batch / 2,
        scale=scale,
    )


def _by_table(courses: list[Course], scale: dict[str, Any]) -> Figure:
    small = statistics.median(course.rate(*_SMALL) for course in courses)
    large = statistics.median(course.rate(*_LARGE) for course in courses)
    return _compared("projection.tables_x10", large, "projection.tables_x1", small, scale)


def _compared(name: str, rate: float, against: str, other: float, scale: dict[str, Any]) -> Figure:
    return Figure(
        name=name,
        value=rate,
        unit="events/s",
        against=against,
        ratio=rate / other,
        aim=f">= {1 - FALL:g} x",
        met=rate >= (1 - FALL) * other,
        scale=scale,
    )


async def _sizes(settings: Settings, world: World, scale: dict[str, Any]) -> list[Figure]:
    """Bytes per event of the story and per worker of every other table, with indexes."""
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    found = []
    for table in ("story", *(layout_of(p).table for p in PROJECTIONS)):
        rows, indexes = await connection.fetchrow(_SIZE, f"read.{table}")
        of, count = ("event", world.stories) if table == "story" else ("worker", world.workers)
        for part, size in (("rows", rows), ("indexes", indexes)):
            name = f"projection.{table}.{part}"
            unit = f"bytes per {of}"
            found.append(Figure(name=name, value=size / count, unit=unit, scale=scale))
    await connection.close()
    return found
