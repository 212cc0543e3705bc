"""A projections worker as the benchmarks run it: one process, from an empty read model."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import psutil

from services.common.postgres import open_pool
from services.common.settings import Settings
from services.projections.declaration import Projection
from services.projections.projections import PROJECTIONS
from services.projections.store import create, drop
from tests.bench.world import World

_TIMEOUT_S = 900
_STALL_S = 60  # without a commit, the worker is as good as dead


class Step(NamedTuple):
    """What was seen at one note of moved positions."""

    at: float  # seconds
    events: int
    rss_bytes: int


@dataclass(slots=True)
class Course:
    """What a worker did between its first commit and its last."""

    steps: list[Step] = field(default_factory=list)
    peak_bytes: int = 0

    def rate(self, since: float = 0.0, until: float = 1.0) -> float:
        """Events per second between two shares of all the events that were projected."""
        whole = self.steps[-1].events
        begin = next(step for step in self.steps if step.events >= since * whole)
        end = next(step for step in self.steps if step.events >= until * whole)
        if end.events == begin.events:
            raise AssertionError("too few batches for a rate; take a larger --scale")
        return (end.events - begin.events) / (end.at - begin.at)

    def memory(self, since: float, until: float) -> int:
        """The most resident memory seen between two shares, in bytes."""
        whole = self.steps[-1].events
        found = [s.rss_bytes for s in self.steps if since * whole <= s.events <= until * whole]
        return max(found, default=0)


@dataclass(frozen=True, slots=True)
class Model:
    """A read model, and the module whose process fills it."""

    module: str
    projections: Sequence[type[Projection]]


ALL_TABLES: Final = Model("services.projections", PROJECTIONS)


async def project(
    settings: Settings,
    events: int,
    model: Model = ALL_TABLES,
    variables: Mapping[str, str] | None = None,
) -> Course:
    """Project everything on the log with one worker process, into tables made anew."""
    await fresh_tables(settings, model)
    async with worker(settings, model, variables) as process:
        return await asyncio.wait_for(follow(settings, events, process.pid), _TIMEOUT_S)


async def fresh_tables(settings: Settings, model: Model = ALL_TABLES) -> None:
    """Drop the read model and make it again, empty."""
    async with open_pool(settings, most=1) as pool:
        await drop(pool, "read")
        await create(pool, "read", model.projections)


@asynccontextmanager
async def worker(
    settings: Settings, model: Model = ALL_TABLES, variables: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running worker process; it is stopped at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", model.module), env=environment(settings) | dict(variables or {})
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TOPIC_PREFIX": settings.topic_prefix,
    }


async def follow(settings: Settings, events: int, pid: int) -> Course:
    """Note each move of the positions until they have passed so many events."""
    moved = asyncio.Event()
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.add_listener("positions", lambda *_: moved.set())
    process, course, done = psutil.Process(pid), Course(), 0
    while done < events:
        await asyncio.wait_for(moved.wait(), _STALL_S)
        moved.clear()
        at = time.perf_counter()
        done = int(await connection.fetchval("SELECT sum(next_offset) FROM read.stream_position"))
        rss = process.memory_info().rss
        course.peak_bytes = max(course.peak_bytes, rss)
        course.steps.append(Step(at, done, rss))
    course.peak_bytes = max(course.peak_bytes, _peak_rss(pid))
    await connection.close()
    return course


def _peak_rss(pid: int) -> int:
    """The most memory that was ever resident, between two commits too; 0 where only Linux knows."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    told = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return 1024 * int(told["VmHWM"].removesuffix("kB"))


async def check(settings: Settings, world: World) -> None:
    """Compare counts and sums over the tables with the world. Raises AssertionError."""
    counts = world.counts
    wanted = {
        "SELECT count(*) FROM read.story": world.stories - world.voided,
        "SELECT count(*) FROM read.set_aside": world.voided,
        "SELECT count(*) FROM read.directory_event": len(world.directory),
        "SELECT count(registered_at) FROM read.worker": counts["WorkerRegistered"],
        "SELECT sum(sessions) FROM read.training": counts["TrainingProgressed"],
        "SELECT count(completed_at) FROM read.training": counts["TrainingCompleted"],
        "SELECT sum(attempts) FROM read.assessment": counts["AssessmentTaken"],
        "SELECT count(*) FROM read.attestation": counts["SkillAttested"],
        "SELECT sum(promotions) FROM read.employment": counts["Promoted"],
        "SELECT count(ended_at) FROM read.employment": counts["EmploymentEnded"],
        "SELECT count(made_at) FROM read.promise": counts["PromiseMade"],
        "SELECT count(*) FROM read.support": counts["SupportGiven"],
        "SELECT count(*) FROM read.identity_link": counts["SourceRecordLinked"],
        "SELECT count(granted_at) FROM read.access_grant": counts["ConsentGranted"],
        "SELECT sum(attempts) FROM read.disclosure": counts["DisclosureAttempted"],
    }
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    for query, number in wanted.items():
        found = await connection.fetchval(query) or 0
        if found != number:
            raise AssertionError(f"{query} gives {found}, the world has {number}")
    await connection.close()
