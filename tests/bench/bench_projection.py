"""Projection of a region's events into all tables, against what is usually done."""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from confluent_kafka import Producer
from pydantic import SecretStr

from services.common.codec import encode, headers
from services.common.kafka import create_topics
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.demo.region import records
from services.launcher.kafka import LocalKafka
from services.launcher.postgres import LocalPostgres
from services.projections.__main__ import initialise
from tests.bench.figure import Figure

DESCRIPTION: str = "Events projected into all tables, against an idle Faust agent and a plain loop"

ROUNDS = 3
EVENTS = 1_000_000
IDLE_EVENTS = 100_000
LOOP_EVENTS = 20_000
_EVENTS_PER_WORKER = 31
_TIMEOUT_S = 900


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own Kafka and PostgreSQL unless the environment names some.

    Raises AssertionError when the tables do not hold what was published.
    """
    with _servers() as (bootstrap, database_url):
        async with _hub(bootstrap, database_url) as settings:
            published = await asyncio.to_thread(_publish, settings, int(EVENTS * scale))
            return await _compare(settings, published)


async def _compare(settings: Settings, published: Counter[str]) -> list[Figure]:
    total = published.total()
    loop: list[float] = []
    idle: list[float] = []
    ours: list[float] = []
    for _ in range(ROUNDS):
        loop.append(await _plain_loop(settings, min(LOOP_EVENTS, total)))
        idle.append(await _idle_agent(settings, min(IDLE_EVENTS, total)))
        ours.append(await _projections(settings, published))
    return _figures(total, *(statistics.median(rates) for rates in (ours, idle, loop)))


def _figures(total: int, ours: float, idle: float, loop: float) -> list[Figure]:
    scale = {"events": total, "rounds": ROUNDS}

    def against(name: str, other: float, aim: float) -> Figure:
        return Figure(
            name="projection.all_tables",
            value=ours,
            unit="events/s",
            against=name,
            ratio=ours / other,
            aim=f">= {aim:g} x",
            met=ours >= aim * other,
            scale=scale,
        )

    return [
        against("faust.idle", idle, 2),
        against("loop.one_by_one", loop, 20),
        Figure(name="faust.idle", value=idle, unit="events/s", scale=scale),
        Figure(name="loop.one_by_one", value=loop, unit="events/s", scale=scale),
    ]


@contextmanager
def _servers() -> Iterator[tuple[str, str]]:
    given = os.environ.get("KAFKA_BOOTSTRAP"), os.environ.get("DATABASE_URL")
    if given[0] and given[1]:
        yield given[0], given[1]
        return
    with tempfile.TemporaryDirectory() as folder:
        kafka = LocalKafka(Path(folder) / "kafka")
        postgres = LocalPostgres(Path(folder) / "postgres")
        kafka.start()
        postgres.start()
        try:
            yield kafka.bootstrap, postgres.url
        finally:
            postgres.stop()
            kafka.stop()


@asynccontextmanager
async def _hub(bootstrap: str, database_url: str) -> AsyncIterator[Settings]:
    """Topics and a database of the benchmark's own; the database is dropped afterwards."""
    name = f"bench_{secrets.token_hex(4)}"
    settings = Settings(
        kafka_bootstrap=bootstrap,
        database_url=SecretStr(with_database(database_url, name)),
        topic_prefix=f"{name}.",
    )
    await create_topics(settings)
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        yield settings
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def with_database(url: str, name: str) -> str:
    """The same server's URL with another database in it."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _publish(settings: Settings, wanted: int) -> Counter[str]:
    """Put the events of whole lives on the log. Returns how many there are of each type."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "partitioner": "murmur2",
            "queue.buffering.max.messages": 200_000,
        }
    )
    published: Counter[str] = Counter()
    topic = settings.topic("stories")
    for found in records(max(1, wanted // _EVENTS_PER_WORKER)):
        kind, fields = found.event_type, found.fields
        value, told = encode(kind, fields), headers(kind, fields)
        while True:
            try:
                producer.produce(topic, value, key=found.key, headers=told)
                break
            except BufferError:
                producer.poll(0.05)
        published[kind.name] += 1
    if producer.flush(120):
        raise AssertionError("not every event reached the log")
    return published


async def _idle_agent(settings: Settings, wanted: int) -> float:
    where = settings.kafka_bootstrap, settings.topic("stories")
    return await _measured("tests.bench.idle_agent", *where, str(wanted))


async def _plain_loop(settings: Settings, wanted: int) -> float:
    where = settings.kafka_bootstrap, settings.topic("stories")
    url = settings.database_url.get_secret_value()
    return await _measured("tests.bench.plain_loop", *where, str(wanted), url)


async def _measured(module: str, *arguments: str) -> float:
    """Run a contestant in a process of its own; it prints its events per second."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    return float(out.split()[-1])


async def _projections(settings: Settings, published: Counter[str]) -> float:
    """A fresh read model, one worker process, from its first commit to its last."""
    async with open_pool(settings, most=2) as pool:
        await pool.execute("DROP SCHEMA IF EXISTS read CASCADE")
        await initialise(pool)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.projections", env=_environment(settings)
        )
        try:
            rate = await asyncio.wait_for(_steady(settings, published.total()), _TIMEOUT_S)
        finally:
            process.terminate()
            await process.wait()
        async with pool.acquire() as connection:
            await _check(connection, published)
    return rate


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TOPIC_PREFIX": settings.topic_prefix,
    }


async def _steady(settings: Settings, total: int) -> float:
    """Events per second between the first note of a moved position and the last."""
    moved = asyncio.Event()
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.add_listener("positions", lambda *_: moved.set())
    first, began, done = 0, 0.0, 0
    while done < total:
        await moved.wait()
        moved.clear()
        done = int(await connection.fetchval("SELECT sum(next_offset) FROM read.stream_position"))
        if not first:
            first, began = done, time.perf_counter()
    rate = (total - first) / (time.perf_counter() - began)
    await connection.close()
    return rate


async def _check(connection: Any, published: Counter[str]) -> None:
    """Compare counts over every table with what was published."""
    counted = {
        "SELECT count(*) FROM read.story": published.total(),
        "SELECT count(*) FROM read.worker": published["WorkerRegistered"],
        "SELECT sum(sessions) FROM read.training": published["TrainingProgressed"],
        "SELECT count(completed_at) FROM read.training": published["TrainingCompleted"],
        "SELECT sum(attempts) FROM read.assessment": published["AssessmentTaken"],
        "SELECT sum(attestations) FROM read.skill": published["SkillAttested"],
        "SELECT sum(promotions) FROM read.employment": published["Promoted"],
        "SELECT count(ended_at) FROM read.employment": published["EmploymentEnded"],
        "SELECT count(made_at) FROM read.promise": published["PromiseMade"],
        "SELECT count(*) FROM read.support": published["SupportGiven"],
    }
    for query, wanted in counted.items():
        found = await connection.fetchval(query) or 0
        if found != wanted:
            raise AssertionError(f"{query} gives {found}, published were {wanted}")
