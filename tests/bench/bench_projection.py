"""Events into all tables of the read model, against what is usually done."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg

from services.common.settings import Settings
from tests.bench.figure import Figure
from tests.bench.one_table import Heard
from tests.bench.projecting import Course, Model, check, project
from tests.bench.servers import hub, measured, servers
from tests.bench.world import WORKERS, World
from tests.bench.world_log import publish

DESCRIPTION: str = "Events projected into all tables, against an idle Faust agent and a usual one"

ROUNDS = 3
IDLE_EVENTS = 100_000
USUAL_EVENTS = 20_000
MOST_MB = 400
GROWTH = 1.1  # flat is when the second half's peak is not more than this times the first half's
STORY_AND_ONE = Model("tests.bench.one_table", (Heard,))

Rates = Mapping[str, list[float]]


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own Kafka and PostgreSQL unless the environment names some.

    Raises AssertionError when the tables do not hold what was published.
    """
    world = World(max(1, round(WORKERS * scale)))
    with servers() as (bootstrap, database_url):
        async with hub(bootstrap, database_url) as settings:
            await asyncio.to_thread(publish, settings, world)
            return await _compare(settings, world)


async def _compare(settings: Settings, world: World) -> list[Figure]:
    courses: list[Course] = []

    async def all_tables() -> float:
        courses.append(await project(settings, world.events))
        await check(settings, world)
        return courses[-1].rate()

    contestants: dict[str, Callable[[], Awaitable[float]]] = {
        "faust.usual": lambda: _usual_agent(settings, min(USUAL_EVENTS, world.events // 2)),
        "faust.idle": lambda: _idle_agent(settings, min(IDLE_EVENTS, world.events // 2)),
        "projection.steady": all_tables,
        "projection.story_and_one": lambda: _story_and_one(settings, world),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, contestant in contestants.items():
            rates[name].append(await contestant())
    scale = {"events": world.events, "workers": world.workers, "rounds": ROUNDS}
    return [*_speeds(rates, scale), *_memory(courses, scale)]


def _speeds(rates: Rates, scale: dict[str, Any]) -> list[Figure]:
    median = {name: statistics.median(found) for name, found in rates.items()}

    def against(name: str, other: str, aim: float, told: str | None = None) -> Figure:
        ratio = median[name] / median[other]
        return Figure(
            name=told or name,
            value=median[name],
            unit="events/s",
            against=other,
            ratio=ratio,
            aim=f">= {aim:g} x",
            met=ratio >= aim,
            scale=scale,
        )

    return [
        against("projection.steady", "faust.idle", 4),
        against("projection.story_and_one", "faust.idle", 6),
        against("projection.steady", "faust.usual", 25, "projection.steady_against_usual"),
        *(
            Figure(name=name, value=median[name], unit="events/s", scale=scale)
            for name in ("faust.idle", "faust.usual")
        ),
    ]


def _memory(courses: list[Course], scale: dict[str, Any]) -> list[Figure]:
    """The worst of all rounds."""
    peak = max(course.peak_bytes for course in courses) / 1e6
    growth = max(course.memory(0.5, 1) / course.memory(0, 0.5) for course in courses)
    return [
        Figure(
            name="projection.memory",
            value=peak,
            unit="MB at the most",
            aim=f"< {MOST_MB} MB",
            met=peak < MOST_MB,
            scale=scale,
        ),
        Figure(
            name="projection.memory_growth",
            value=growth,
            unit="second half / first half",
            aim=f"<= {GROWTH:g}",
            met=growth <= GROWTH,
            scale=scale,
        ),
    ]


async def _idle_agent(settings: Settings, wanted: int) -> float:
    where = settings.kafka_bootstrap, settings.topic("stories")
    return await measured("tests.bench.idle_agent", *where, str(wanted))


async def _usual_agent(settings: Settings, wanted: int) -> float:
    where = settings.kafka_bootstrap, settings.topic("stories")
    url = settings.database_url.get_secret_value()
    return await measured("tests.bench.usual_agent", *where, str(wanted), url)


async def _story_and_one(settings: Settings, world: World) -> float:
    course = await project(settings, world.events, STORY_AND_ONE)
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    told = await connection.fetchval("SELECT sum(events_told) FROM read.heard")
    await connection.close()
    if told != world.stories - world.voided:
        raise AssertionError(f"{told} events were counted, {world.stories - world.voided} came")
    return course.rate()
