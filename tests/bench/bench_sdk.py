"""Events through the producer SDK into a real hub: straight, and through each kind of outbox."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.sdk import AsyncClient, Outbox
from connectors.sdk.events import TrainingProgressed
from connectors.sdk.relay import ONE_TRY, Relay, Store, open_store
from services.common.settings import Settings
from services.common.setup import initialise
from tests.bench.bench_ingest import WORKERS, Sender, _sender
from tests.bench.figure import Figure
from tests.bench.servers import hub, servers
from tests.processes import until

DESCRIPTION: str = "Events sent with the producer SDK: straight, and through an outbox"

ROUNDS = 3
EVENTS = 20_000  # a round
TRANSACTION = 100  # events put at once
WHEN = datetime(2026, 1, 5, 9, tzinfo=UTC)
TABLE = "throughline_outbox"
SINGLES, SINGLES_PER_S = 300, 50
_LATENCIES = f"""
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
    ORDER BY extract(epoch FROM sent_at - put_at)::float8 * 1000) FROM {TABLE}
"""


class Events:
    """Numbered events about people the hub knows."""

    def __init__(self, workers: list[str]) -> None:
        self._workers = workers
        self.made = 0

    def take(self, count: int) -> list[TrainingProgressed]:
        return list(self._next(count))

    def _next(self, count: int) -> Iterator[TrainingProgressed]:
        for number in range(self.made, self.made + count):
            yield TrainingProgressed(
                worker_id=self._workers[number % len(self._workers)],
                source_event_id=str(number),
                occurred_at=WHEN,
                enrolment_id=f"e-{number % WORKERS}",
                course_id="forklift",
                activity_id=f"step-{number}",
                verb="answered",
                progress=0.5,
            )
        self.made += count


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own servers unless the environment names some.

    Raises AssertionError when an event is refused, or the log does not hold each once.
    """
    with servers() as (bootstrap, database_url), tempfile.TemporaryDirectory() as folder:
        async with hub(bootstrap, database_url) as made:
            settings = made.model_copy(update={"vault_dir": Path(folder) / "vault"})
            await initialise(settings)
            async with _sender(settings, Path(folder)) as sender:
                return await _measure(settings, sender, Path(folder), scale)


async def _measure(settings: Settings, sender: Sender, folder: Path, scale: float) -> list[Figure]:
    count = max(1_000, int(EVENTS * scale))
    events = Events(list(sender._workers))
    key = sender._http.headers["Authorization"].removeprefix("Bearer ")
    rates: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        client = AsyncClient(str(sender._http._base_url), key, retry=ONE_TRY)
        await stack.enter_async_context(client)
        database = settings.database_url.get_secret_value()
        stores = {"postgresql": database, "sqlite": str(folder / "outbox.db")}
        opened = {name: open_store(url, TABLE) for name, url in stores.items()}
        for store in opened.values():
            stack.push_async_callback(store.close)
            await store.init()
        connection = await asyncpg.connect(database)
        stack.push_async_callback(connection.close)
        before = await _records(settings)
        for _ in range(ROUNDS):
            found = {"sdk.client": await _straight(client, events.take(count))}
            for name, store in opened.items():
                put = _put_postgresql if name == "postgresql" else _put_sqlite
                found[f"sdk.put_{name}"] = await put(connection, stores[name], events.take(count))
                found[f"sdk.relay_{name}"] = await _relayed(store, client, count)
            for name, rate in found.items():
                rates.setdefault(name, []).append(rate)
        latencies = await _latencies(connection, database, client, events)
        on_the_log = await _records(settings) - before
    assert on_the_log == events.made, f"{on_the_log} on the log, {events.made} were sent"
    return [*_figures(rates, count), *latencies]


async def _latencies(
    connection: asyncpg.Connection, database: str, client: AsyncClient, events: Events
) -> list[Figure]:
    """From `put` to marked as on the hub's log, one event a transaction, by the table's clock."""
    await connection.execute(f"DELETE FROM {TABLE}")
    store, stop = open_store(database, TABLE), asyncio.Event()
    running = asyncio.create_task(Relay(store, client).run(stop))
    for event in events.take(SINGLES):
        async with connection.transaction():
            await Outbox(TABLE).put_async(connection, event)
        await asyncio.sleep(1 / SINGLES_PER_S)
    await until(lambda: _all_sent(connection))
    stop.set()
    await running
    await store.close()
    found = await connection.fetchval(_LATENCIES)
    scale = {"events": SINGLES, "events_per_s": SINGLES_PER_S}
    return [
        Figure(name=f"sdk.latency_{name}", value=value, unit="ms", scale=scale)
        for name, value in zip(("p50", "p95", "p99"), found, strict=True)
    ]


async def _all_sent(connection: asyncpg.Connection) -> bool:
    sent: int = await connection.fetchval(f"SELECT count(sent_at) FROM {TABLE}")
    return sent == SINGLES


def _figures(rates: dict[str, list[float]], count: int) -> list[Figure]:
    medians = {name: statistics.median(found) for name, found in rates.items()}
    straight = medians["sdk.client"]
    return [
        Figure(
            name=name,
            value=value,
            unit="events/s",
            against="sdk.client" if ".relay" in name else None,
            ratio=value / straight if ".relay" in name else None,
            scale={"events": count, "rounds": ROUNDS, "transaction": TRANSACTION, "batch": 500},
        )
        for name, value in medians.items()
    ]


async def _straight(client: AsyncClient, events: list[TrainingProgressed]) -> float:
    began = time.perf_counter()
    results = await client.send(events)
    rate = len(events) / (time.perf_counter() - began)
    assert {str(status) for status in results.counts} == {"accepted"}, results
    return rate


async def _put_postgresql(
    connection: asyncpg.Connection, _: str, events: list[TrainingProgressed]
) -> float:
    outbox = Outbox(TABLE)
    began = time.perf_counter()
    for start in range(0, len(events), TRANSACTION):
        async with connection.transaction():
            await outbox.put_all_async(connection, events[start : start + TRANSACTION])
    return len(events) / (time.perf_counter() - began)


async def _put_sqlite(_: object, path: str, events: list[TrainingProgressed]) -> float:
    outbox = Outbox(TABLE)
    began = time.perf_counter()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for start in range(0, len(events), TRANSACTION):
            with connection:
                outbox.put_all(connection, events[start : start + TRANSACTION])
    return len(events) / (time.perf_counter() - began)


async def _relayed(store: Store, client: AsyncClient, count: int) -> float:
    began = time.perf_counter()
    counts = await Relay(store, client).drain()
    rate = count / (time.perf_counter() - began)
    assert dict(counts) == {"accepted": count}, counts
    return rate


async def _records(settings: Settings) -> int:
    topic = settings.topic("stories")
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        return int(sum((await consumer.end_offsets(parts)).values()))
    finally:
        await consumer.stop()
