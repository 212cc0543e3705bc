"""How near projection comes to what PostgreSQL can take: the same rows, ready-made, and no rules."""

from __future__ import annotations

import asyncio
import io
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from services.common.settings import Settings
from services.projections.batch import Folded, fold_events
from services.projections.intake import take_in
from services.projections.layout import Layout, layout_of
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.sql import staging_ddl
from tests.bench.fetches import fetches
from tests.bench.figure import Figure
from tests.bench.projecting import check, fresh_tables, project
from tests.bench.servers import hub, servers
from tests.bench.world import WORKERS, World
from tests.bench.world_log import publish

DESCRIPTION: str = "Projection against bare COPY and INSERT ... ON CONFLICT of the same rows"

SHARE_OF_WORLD = 0.1  # its buffers are held in memory
ROUNDS = 3
AIM = 0.5
_LAYOUTS = [layout_of(projection) for projection in PROJECTIONS]


async def run(scale: float) -> list[Figure]:
    """Raises AssertionError when a contestant did not write every row."""
    world = World(max(1, round(WORKERS * SHARE_OF_WORLD * scale)))
    with servers() as (bootstrap, database_url):
        async with hub(bootstrap, database_url) as settings:
            await asyncio.to_thread(publish, settings, world)
            return await _compare(settings, world)


async def _compare(settings: Settings, world: World) -> list[Figure]:
    buffers = await asyncio.to_thread(_buffers, world)
    bare: list[float] = []
    ours: list[float] = []
    for _ in range(ROUNDS):
        bare.append(await _bare(settings, world, buffers))
        written = await _rows(settings)
        ours.append((await project(settings, world.events)).rate())
        await check(settings, world)
        _check_alike(written, await _rows(settings), world)
    limit, rate = statistics.median(bare), statistics.median(ours)
    scale = {"events": world.events, "workers": world.workers, "rounds": ROUNDS}
    return [
        Figure(
            name="projection.share_of_limit",
            value=rate,
            unit="events/s",
            against="postgresql.bare",
            ratio=rate / limit,
            aim=f">= {AIM:g} x",
            met=rate >= AIM * limit,
            scale=scale,
        ),
        Figure(name="postgresql.bare", value=limit, unit="events/s", scale=scale),
    ]


async def _rows(settings: Settings) -> dict[str, int]:
    """How many rows each table has, but for the logs."""
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    tables = [layout.table for layout in _LAYOUTS]
    found = {t: await connection.fetchval(f"SELECT count(*) FROM read.{t}") for t in tables}
    await connection.close()
    return found


def _check_alike(bare: dict[str, int], ours: dict[str, int], world: World) -> None:
    """The same rows but for those of what is void, which the bare writer leaves in its place."""
    for table, rows in bare.items():
        if not ours[table] <= rows <= ours[table] + world.voided:
            raise AssertionError(f"{table}: {rows} rows bare, {ours[table]} of ours")


class Rows(NamedTuple):
    """What a batch holds of one stream: its log and the log's columns, and all rows as bytes."""

    log: str
    columns: list[str]
    folded: Folded


def _buffers(world: World) -> list[list[Rows]]:
    """Every batch of the world, ready to be copied."""
    found = fetches(world, ProjectionsSettings().batch_events, world.events)
    made = []
    for fetch in found:
        intake = take_in(fetch, frozenset())
        made.append(
            [
                Rows(events.stream.log, events.log_columns, fold_events(events, _LAYOUTS))
                for events in intake.events
            ]
        )
    return made


async def _bare(settings: Settings, world: World, buffers: Sequence[Sequence[Rows]]) -> float:
    """Rows as they are, the last write wins; each batch in a transaction."""
    await fresh_tables(settings)
    connection: Any = await asyncpg.connect(
        settings.database_url.get_secret_value(),
        server_settings={"synchronous_commit": "off", "jit": "off"},
    )
    await connection.execute("\n".join(map(staging_ddl, _LAYOUTS)))
    began = time.perf_counter()
    for batch in buffers:
        async with connection.transaction():
            for stream in batch:
                await _copy(connection, stream.log, stream.columns, stream.folded.log, "read")
                for layout, rows in stream.folded.tables:
                    await _put(connection, layout, rows)
    spent = time.perf_counter() - began
    written = await connection.fetchval("SELECT count(*) FROM read.story")
    await connection.close()
    if written != world.stories:
        raise AssertionError(f"{written} rows were written, {world.stories} were made")
    return world.events / spent


async def _put(connection: Any, layout: Layout, rows: bytes) -> None:
    await _copy(connection, f"stage_{layout.table}", list(layout.types), rows, None)
    changed = [name for name in layout.types if name not in layout.keys]
    sets = ", ".join(f"{name} = excluded.{name}" for name in changed)
    await connection.execute(
        f"INSERT INTO read.{layout.table} ({', '.join(layout.types)})"
        f" SELECT {', '.join(layout.types)} FROM stage_{layout.table}"
        f" ON CONFLICT ({', '.join(layout.keys)}) DO UPDATE SET {sets}"
    )
    await connection.execute(f"TRUNCATE stage_{layout.table}")


async def _copy(
    connection: Any, table: str, columns: list[str], rows: bytes, schema: str | None
) -> None:
    await connection.copy_to_table(
        table, schema_name=schema, source=io.BytesIO(rows), columns=columns, format="binary"
    )
