"""A read model on a real PostgreSQL, and what does to it what the worker does, step by step."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.common.settings import Settings
from services.projections.batch import Batch, make_batch
from services.projections.projections import RETRACTIONS
from services.projections.sql import schema_ddl
from services.projections.store import ReadModelStore, StalePosition, open_store
from tests.conftest import _with_database
from tests.integration.test_projections_store import DECLARED, _execute
from tests.life_kit import HUB, PARTITIONS, partition_of
from tests.projection_kit import Event, FakeRecord, make, record, topic_of

ANA, BEN = bytes([2]) * 16, bytes([4]) * 16
LIVE, AGAIN = "read", "again"
TOPICS = ("stories", "deliveries")
_LOGS = ("story", "set_aside", "moved", "void", "erased")
_BOOKS = ("stream_position", "parked", "left_out")

Log = dict[tuple[str, int], list[FakeRecord]]


class Killed(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def two_read_models(postgres_url: str) -> Iterator[Settings]:
    """A database for this module, with two sets of tables."""
    name = f"t_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    url = _with_database(postgres_url, name)
    for schema in (LIVE, AGAIN):
        asyncio.run(_execute(url, schema_ddl(schema, DECLARED)))
    yield Settings(database_url=SecretStr(url))
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


def log_of(data: Sequence[Event]) -> Log:
    """The events as they stand on the log, each person's on one partition of either topic."""
    log: Log = {(topic, number): [] for topic in TOPICS for number in range(PARTITIONS)}
    for event in data:
        place = topic_of(event), partition_of(event)
        log[place].append(record(event, len(log[place])))
    return log


@dataclass
class Process:
    """Does what the worker does, step by step: the next batch is made before this one commits."""

    store: ReadModelStore
    log: Log
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    held: Any = frozenset()
    ahead: Batch | None = None

    async def align(self) -> None:
        basis = await self.store.basis(list(self.log))
        self.positions, self.held = dict(basis.positions), basis.held
        self.ahead = None

    def fetch(self, places: Sequence[tuple[str, int]], most: int) -> Batch | None:
        """The next records of these partitions, made ready."""
        found = {
            place: batch
            for place in places
            if (batch := self.log[place][self.positions[place] :][:most])
        }
        if not found:
            return None
        made = make_batch(found, self.positions, self.held, self.store.layouts, rules=RETRACTIONS)
        self.positions |= {(span.topic, span.partition): span.end for span in made.spans}
        return made

    async def step(self, number: int, topics: Sequence[str], most: int, how: str) -> None:
        """Prepare a batch and commit the one before it, or come to grief as `how` says."""
        if not self.positions:
            await self.align()
        batch, self.ahead = self.ahead, self.fetch([(topic, number) for topic in topics], most)
        if batch is None:
            return
        try:
            async with self.store._connection.transaction():
                await self.store.apply(batch)
                if how == "killed before the commit":
                    raise Killed
        except (Killed, StalePosition):
            await self.align()
        if how == "killed after the commit":
            await self.align()

    async def finish(self) -> None:
        """Read to the end, as the only process there is."""
        await self.align()
        while any(len(batch) > self.positions[place] for place, batch in self.log.items()):
            batch = self.fetch(list(self.log), 3)
            assert batch is not None
            try:
                await self.store.apply(batch)
            except StalePosition:  # somebody was parked
                await self.align()


async def contents(store: ReadModelStore, schema: str) -> dict[str, Counter[str]]:
    """Every row of every table, order columns and offsets included, and what was left out."""
    tables = [*_LOGS, "left_out", *(projection.table for projection in DECLARED)]
    rows = await store._connection.fetch(
        " UNION ALL ".join(f"SELECT '{t}', t::text FROM {schema}.{t} AS t" for t in tables)
    )
    found = {table: Counter[str]() for table in tables}
    for table, row in rows:
        found[table][row] += 1
    return found


async def clear(store: ReadModelStore) -> None:
    tables = [*_LOGS, *_BOOKS, *(projection.table for projection in DECLARED)]
    parts = [
        f"d{number} AS (DELETE FROM {schema}.{table})"
        for number, (schema, table) in enumerate((s, t) for s in (LIVE, AGAIN) for t in tables)
    ]
    await store._connection.execute("WITH " + ", ".join(parts) + " SELECT")


def number(n: int) -> bytes:
    return n.to_bytes(16, "big")


def session(worker: bytes, n: int, **fields: Any) -> Event:
    fields = {"enrolment_id": "e", "source": "acme", **fields}
    return make("TrainingProgressed", worker_id=worker, event_id=number(n), **fields)


def erasure(worker: bytes, n: int, *categories: str, **fields: Any) -> Event:
    about = {"worker_id": worker, "event_id": number(n), "source": HUB, **fields}
    return make("ErasureKeysDestroyed", **about, categories=list(categories))


def of_ana(name: str, n: int, **fields: Any) -> Event:
    return make(name, **{"worker_id": ANA, "event_id": number(n), "source": "acme", **fields})


async def prepared(process: Process) -> Batch:
    await process.align()
    batch = process.fetch(list(process.log), 100)
    assert batch is not None
    return batch


class World:
    """A log of one partition, and the process that reads it."""

    def __init__(self, store: ReadModelStore) -> None:
        self.store = store
        self.log: Log = {("stories", 0): [], ("deliveries", 0): []}
        self.process = Process(store, self.log)

    def publish(self, *events: Event) -> None:
        for event in events:
            batch = self.log[topic_of(event), 0]
            batch.append(record(event, len(batch)))

    def publish_broken(self, event: Event) -> None:
        batch = self.log[topic_of(event), 0]
        whole = record(event, len(batch))
        assert whole.value is not None
        batch.append(FakeRecord(whole.key, whole.value[:-3], whole.offset, whole.headers))

    async def read(self, *events: Event) -> None:
        """Publish events, and let the process read to the end."""
        self.publish(*events)
        await self.process.finish()

    async def told(self, table: str = "story", worker: bytes = ANA) -> list[int]:
        query = f"SELECT event_id FROM {LIVE}.{table} WHERE worker_id = $1 ORDER BY 1"
        rows = await self.store._connection.fetch(query, UUID(bytes=worker))
        return [row["event_id"].int for row in rows]

    async def sessions(self, worker: bytes = ANA) -> int | None:
        query = f"SELECT sessions FROM {LIVE}.training WHERE worker_id = $1"
        found: int | None = await self.store._connection.fetchval(query, UUID(bytes=worker))
        return found

    async def counters(self) -> dict[str, int]:
        row = await self.store._connection.fetchrow(
            f"SELECT records, taken, repeats, parked, erased FROM {LIVE}.stream_position"
            " WHERE topic = 'stories'"
        )
        assert row is not None
        return dict(row)


@pytest.fixture
async def world(two_read_models: Settings) -> AsyncIterator[World]:
    async with open_store(two_read_models, LIVE, DECLARED, RETRACTIONS) as store:
        await clear(store)
        yield World(store)
