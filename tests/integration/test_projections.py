"""The worker on real Kafka and PostgreSQL: killed, cut off, doubled, poisoned; nothing is lost."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.catalog import EventType, event_types
from services.common.codec import encode, headers
from services.common.errors import UnknownSchema
from services.common.kafka import partition_for
from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections import intake
from services.projections import worker as worker_module
from services.projections.projections import PROJECTIONS, RETRACTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from tests.projection_kit import Event, key_of, make, topic_of

QUICK = ProjectionsSettings(
    batch_events=500,
    first_wait=timedelta(milliseconds=20),
    longest_wait=timedelta(milliseconds=200),
    unknown_schema_wait=timedelta(milliseconds=50),
    session_timeout=timedelta(seconds=6),
)


def worker_id(number: int) -> bytes:
    return number.to_bytes(2, "big") * 8


def session(worker: int, enrolment: int = 0) -> Event:
    return make(
        "TrainingProgressed",
        worker_id=worker_id(worker),
        event_id=secrets.token_bytes(16),
        enrolment_id=f"e-{enrolment}",
    )


async def publish(settings: Settings, producer: AIOKafkaProducer, found: Iterable[Event]) -> None:
    """Publish events and wait until all are on the log."""
    sent = []
    for event in found:
        kind = event_types()[event[0]]
        value, told = encode(kind, event[1]), headers(kind, event[1])
        topic = settings.topic(topic_of(event))
        sent.append(await producer.send(topic, value, key=key_of(event), headers=told))
    await asyncio.gather(*sent)


async def ends(settings: Settings) -> dict[tuple[str, int], int]:
    """Where each partition ends now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        places = [
            TopicPartition(settings.topic(name), number)
            for name, count in (("stories", settings.partitions), ("directory", 1))
            for number in range(count)
        ]
        found = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    prefix = len(settings.topic_prefix)
    return {(place.topic[prefix:], place.partition): end for place, end in found.items() if end}


class Positions:
    """Follows the stored positions by the notes that PostgreSQL sends."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self._moved = asyncio.Event()

    async def reach(self, wanted: dict[tuple[str, int], int]) -> None:
        while not await self._reached(wanted):
            await self._moved.wait()

    async def events(self, count: int) -> None:
        """Wait until the tables hold that many records of any partition."""
        while (
            await self._connection.fetchval(
                "SELECT coalesce(sum(next_offset), 0) FROM read.stream_position"
            )
            < count
        ):
            await self._moved.wait()
            self._moved.clear()

    async def _reached(self, wanted: dict[tuple[str, int], int]) -> bool:
        self._moved.clear()
        rows = await self._connection.fetch("SELECT * FROM read.stream_position")
        stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return all(stored.get(place, 0) >= end for place, end in wanted.items())

    def note(self, *_: object) -> None:
        self._moved.set()


@pytest.fixture
async def positions(settings: Settings) -> AsyncIterator[Positions]:
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    found = Positions(connection)
    await connection.add_listener("positions", found.note)
    async with asyncio.timeout(90):
        yield found
    await connection.close()


@asynccontextmanager
async def running(
    settings: Settings, own: ProjectionsSettings = QUICK
) -> AsyncIterator[ProjectionsWorker]:
    worker = ProjectionsWorker(settings, own, PROJECTIONS)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


@asynccontextmanager
async def process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, killed at the end."""
    environment = environment | {
        "PROJECTIONS_BATCH_EVENTS": "500",
        "PROJECTIONS_INSTANCE_ID": "the-same",
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.projections", env=environment
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGKILL)
        await started.wait()


async def counts(pool: Pool) -> tuple[int, int, int]:
    """Rows of `story`, sessions counted over all enrolments, and rows of `training`."""
    story = await pool.fetchval("SELECT count(*) FROM read.story")
    row = await pool.fetchrow("SELECT sum(sessions)::int AS s, count(*) AS n FROM read.training")
    assert row is not None
    return story, row["s"], row["n"]


async def test_killed_in_mid_stream_every_event_counts_once(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,
    environment: dict[str, str],
) -> None:
    found = [session(n % 200, n % 3) for n in range(20_000)]
    await publish(settings, producer, found[:15_000])
    for enough in (1, 4_000, 9_000):
        async with process(environment):
            await positions.events(enough)
    # Only now, so that no kill comes too late to show anything.
    await publish(settings, producer, found[15_000:])

    async with process(environment) as last:
        await positions.reach(await ends(settings))
        last.send_signal(signal.SIGTERM)
        assert await last.wait() == 0

    assert await counts(pool) == (20_000, 20_000, 600)


async def test_repeats_count_once(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, positions: Positions
) -> None:
    found = [session(n % 10) for n in range(1_000)]
    await publish(settings, producer, [*found, *found[:300]])
    async with running(settings):
        await positions.reach(await ends(settings))
        await publish(settings, producer, [*found[500:], *(session(11) for _ in range(5))])
        await positions.reach(await ends(settings))
    assert await counts(pool) == (1_005, 1_005, 11)


async def test_two_workers_share_and_hand_over(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, positions: Positions
) -> None:
    async with running(settings):
        await publish(settings, producer, [session(n % 50) for n in range(2_000)])
        await positions.events(1)
        async with running(settings) as second:
            while not second.events:
                await publish(settings, producer, [session(n % 50) for n in range(200)])
                await positions.reach(await ends(settings))
        await publish(settings, producer, [session(n % 50) for n in range(1_000)])
        last = await ends(settings)
        await positions.reach(last)
    total = sum(last.values())
    assert await counts(pool) == (total, total, 50)


async def test_postgresql_hangs_up_and_nothing_is_lost(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, positions: Positions
) -> None:
    hang_up = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'throughline projections' AND datname = current_database()"
    )
    await publish(settings, producer, [session(n % 50) for n in range(10_000)])
    async with running(settings):
        for enough in (1, 3_000, 6_000):
            await positions.events(enough)
            await pool.execute(hang_up)
        await positions.reach(await ends(settings))
    assert await counts(pool) == (10_000, 10_000, 50)


async def test_a_poison_record_parks_one_worker(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, positions: Positions
) -> None:
    neighbour = next(
        n for n in range(2, 99) if partition_for(worker_id(n), 4) == partition_for(worker_id(1), 4)
    )
    await publish(settings, producer, [session(1), session(neighbour)])
    kind = event_types()["TrainingProgressed"]
    poison = encode(kind, session(1)[1])[:-2] + b"\xff\xff"
    await producer.send_and_wait(settings.topic("stories"), poison, key=worker_id(1))
    await producer.send_and_wait(settings.topic("stories"), b"no frame", key=b"no worker")
    await publish(settings, producer, [session(1), session(neighbour)])
    async with running(settings):
        await positions.reach(await ends(settings))
        await publish(settings, producer, [session(1), session(neighbour)])
        await positions.reach(await ends(settings))

    done = {
        row["worker_id"].bytes: row["sessions"]
        for row in await pool.fetch("SELECT worker_id, sessions FROM read.training")
    }
    assert done == {worker_id(1): 1, worker_id(neighbour): 3}
    parked = await pool.fetch("SELECT worker_id, value FROM read.parked ORDER BY log_offset")
    assert [row["worker_id"] for row in parked if row["worker_id"]] == [
        UUID(bytes=worker_id(1))
    ] * 3
    assert len(parked) == 3
    left = await pool.fetch("SELECT why, owner FROM read.left_out")
    assert [tuple(row) for row in left] == [("stray", None)]
    assert parked[0]["value"] == poison or parked[1]["value"] == poison


async def test_an_unknown_schema_stops_its_partition_until_it_is_known(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offers = event_types()["TrainingOffered"]
    known, asked = intake.writer_of, asyncio.Event()
    loop = asyncio.get_running_loop()

    def not_yet(schema_id: int) -> EventType:
        if schema_id == offers.schema_id:
            loop.call_soon_threadsafe(asked.set)
            raise UnknownSchema(f"schema id {schema_id} is not in the catalogue")
        return known(schema_id)

    monkeypatch.setattr(intake, "writer_of", not_yet)
    stopped = partition_for(worker_id(1), 4)
    other = next(n for n in range(2, 99) if partition_for(worker_id(n), 4) != stopped)
    offered = make(
        "TrainingOffered", worker_id=worker_id(1), event_id=b"1" * 16, enrolment_id="e-0"
    )
    await publish(settings, producer, [session(1), offered, session(1), session(other)])
    async with running(settings):
        for _ in range(3):
            await asked.wait()
            asked.clear()
        elsewhere = partition_for(worker_id(other), 4)
        await positions.reach({("stories", elsewhere): 1, ("stories", stopped): 1})
        position = "SELECT next_offset FROM read.stream_position WHERE topic = 'stories' AND partition = $1"
        assert await pool.fetchval(position, stopped) == 1
        assert await counts(pool) == (2, 2, 2)
        assert await pool.fetchval("SELECT count(*) FROM read.parked") == 0

        monkeypatch.setattr(intake, "writer_of", known)
        await positions.reach(await ends(settings))
    assert await counts(pool) == (4, 3, 2)
    assert await pool.fetchval("SELECT count(*) FROM read.parked") == 0


async def test_every_table_is_fed(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, positions: Positions
) -> None:
    """One event of each type, so also from the topics of deliveries and of the directory."""
    elsewhere = b"x" * 16  # nothing of these is void, nobody moves, and another one is erased
    found = [
        make(
            name,
            event_id=number.to_bytes(16, "big"),
            worker_id=elsewhere if name == RETRACTIONS.erased.event else bytes(16),
            request_id="r-1",
            from_worker_id=elsewhere,
            voided_event_id=elsewhere,
            corrected_event_id=elsewhere,
        )
        for number, name in enumerate(event_types())
    ]
    await publish(settings, producer, found)
    async with running(settings):
        await positions.events(len(found))
    for projection in PROJECTIONS:
        rows = await pool.fetchval(f"SELECT count(*) FROM read.{projection.table}")
        assert rows > 0, projection.table
    logged = await pool.fetch(
        "SELECT event_type, category, payload FROM read.story"
        " UNION ALL SELECT event_type, category, payload FROM read.directory_event"
    )
    assert {row["event_type"] for row in logged} == set(event_types())
    for name, fields in found:
        row = next(row for row in logged if row["event_type"] == name)
        kind = event_types()[name]
        assert row["payload"] == encode(kind, fields)[5:]
        assert row["category"] == kind.category


class Warnings:
    """Stands in for the worker's log, and wakes who waits for a warning."""

    def __init__(self) -> None:
        self.found: asyncio.Queue[str] = asyncio.Queue()

    def warning(self, _event: str, *, why: str, **_more: object) -> None:
        self.found.put_nowait(why)

    def info(self, *_: object, **__: object) -> None:
        pass


async def test_a_position_outside_the_log_is_refused(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database says 900 where the log ends at 1: one of them was restored."""
    warnings = Warnings()
    monkeypatch.setattr(worker_module, "log", warnings)
    await publish(settings, producer, [session(1)])
    await pool.execute(
        "INSERT INTO read.stream_position (topic, partition, next_offset) VALUES ('stories', $1, 900)",
        partition_for(worker_id(1), 4),
    )
    async with running(settings), asyncio.timeout(60):
        assert "outside the log" in await warnings.found.get()
        assert "outside the log" in await warnings.found.get()
    assert await pool.fetchval("SELECT count(*) FROM read.story") == 0
