"""Random lives on a real PostgreSQL: whatever happens on the way, the tables say what the log says.

Two processes share the partitions as they like, pipelined as the worker is; they crash before and
after a commit, lose partitions and wake up with what they had prepared.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from services.common.settings import Settings
from services.projections.batch import Batch, make_batch
from services.projections.projections import RETRACTIONS
from services.projections.sql import schema_ddl
from services.projections.store import ReadModelStore, StalePosition, open_store
from tests.conftest import _with_database
from tests.integration.test_projections_store import DECLARED, _execute
from tests.life_kit import PARTITIONS, PEOPLE, is_gone, lives, outcome, partition_of
from tests.projection_kit import Event, FakeRecord, plain, record, reference, topic_of

LIVE, AGAIN = "read", "again"
TOPICS = ("stories", "deliveries")
_LOGS = ("story", "set_aside", "moved", "void", "erased")
_BOOKS = ("stream_position", "parked", "left_out")

Log = dict[tuple[str, int], list[FakeRecord]]


class Killed(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def own_settings(postgres_url: str) -> Iterator[Settings]:
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
    """Every row of every table, order columns and offsets included."""
    tables = [*_LOGS, *(projection.table for projection in DECLARED)]
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


async def agrees_with_the_rules(store: ReadModelStore, data: Sequence[Event]) -> None:
    """The tables are what the plain rules make of the events."""
    wanted = outcome(data)
    made = reference(wanted.kept, DECLARED)
    filled = await contents(store, LIVE)
    for projection in DECLARED:
        rows = []
        if filled[projection.table]:
            rows = await store._connection.fetch(f"SELECT * FROM {LIVE}.{projection.table}")
        got = {
            tuple(plain(row[key]) for key in projection.key.fields): {
                column: plain(row[column]) for column in projection.columns
            }
            for row in rows
        }
        assert got == made[projection.table], projection.table
    story = await store._connection.fetch(f"SELECT worker_id, event_id FROM {LIVE}.story")
    assert {(r[0].bytes, r[1].bytes) for r in story} == {
        (f["worker_id"], f["event_id"]) for _, f in wanted.kept
    }
    aside = await store._connection.fetch(f"SELECT worker_id, event_id, why FROM {LIVE}.set_aside")
    assert {(r[0].bytes, r[1].bytes): r[2] for r in aside} == wanted.aside


async def counts_every_record(store: ReadModelStore, log: Log, data: Sequence[Event]) -> None:
    """Each record is counted once: kept in a table, or left out and why."""
    rows = await store._connection.fetch(f"SELECT * FROM {LIVE}.stream_position")
    counted = {(r["topic"], r["partition"]): r for r in rows}
    kept = await store._connection.fetch(
        f"SELECT topic, partition, count(*) FROM (SELECT topic, partition FROM {LIVE}.story"
        f" UNION ALL SELECT topic, partition FROM {LIVE}.set_aside) k GROUP BY 1, 2"
    )
    taken = {(topic, number): count for topic, number, count in kept}
    for place, batch in log.items():
        row = counted[place]
        assert (row["records"], row["taken"]) == (len(batch), taken.get(place, 0)), place
    gone = [person for person in PEOPLE if is_gone(person, data)]
    named = f"SELECT count(*) FROM {LIVE}.left_out WHERE owner = ANY ($1)"
    assert await store._connection.fetchval(named, gone) == 0


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),  # which process
        st.integers(0, PARTITIONS - 1),
        st.sampled_from([TOPICS, TOPICS, ("stories",), ("deliveries",)]),
        st.integers(1, 6),  # records
        st.sampled_from([*["well"] * 6, "killed before the commit", "killed after the commit"]),
    ),
    max_size=20,
)


class Bench:
    """Three stores that stay open over all examples: two processes, and one that builds anew."""

    def __init__(self, processes: Sequence[ReadModelStore], scratch: ReadModelStore) -> None:
        self.processes = processes
        self.scratch = scratch

    async def check(self, data: list[Event], again: list[int], steps: list[Any]) -> None:
        sent = [*data, *(data[n % len(data)] for n in again if data)]
        log = log_of(sent)
        await clear(self.scratch)
        processes = [Process(store, log) for store in self.processes]
        for which, number, topics, most, how in steps:
            await processes[which].step(number, topics, most, how)
        await processes[0].finish()
        with suppress(StalePosition):  # what the other has prepared comes to nothing
            if processes[1].ahead is not None:
                await processes[1].store.apply(processes[1].ahead)
                raise AssertionError("a process without partitions wrote")
        await agrees_with_the_rules(self.processes[0], sent)
        await counts_every_record(self.processes[0], log, sent)
        await self.build_in_one_go(log)
        live, scratch = [await contents(self.scratch, schema) for schema in (LIVE, AGAIN)]
        for table, rows in live.items():
            assert rows == scratch[table], table

    async def build_in_one_go(self, log: Log) -> None:
        process = Process(self.scratch, log)
        await process.align()
        if (batch := process.fetch(list(log), 10_000)) is not None:
            await self.scratch.apply(batch)


@pytest.mark.parametrize("examples", [40, pytest.param(2000, marks=pytest.mark.faults_long)])
def test_live_tables_are_what_the_log_says_whatever_happens_on_the_way(
    own_settings: Settings, examples: int
) -> None:
    async def opened(stack: AsyncExitStack) -> Bench:
        stores = [
            await stack.enter_async_context(open_store(own_settings, schema, DECLARED, RETRACTIONS))
            for schema in (LIVE, LIVE, AGAIN)
        ]
        return Bench(stores[:2], stores[2])

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        bench = runner.run(opened(stack))

        @example_settings(max_examples=examples)
        @given(data=lives(), again=st.lists(st.integers(0, 40), max_size=4), steps=STEPS)
        def run(data: list[Event], again: list[int], steps: list[Any]) -> None:
            runner.run(bench.check(data, again, steps))

        run()
        runner.run(stack.aclose())
