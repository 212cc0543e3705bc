"""Batches on a real PostgreSQL: any order, any split, any repetition gives the reference's tables."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from services.common.postgres import open_pool
from services.common.settings import Settings
from services.projections.batch import Batch, make_batch
from services.projections.declaration import Projection
from services.projections.intake import Records
from services.projections.projections import PROJECTIONS, Training
from services.projections.sql import schema_ddl
from services.projections.store import (
    ReadModelChanged,
    ReadModelStore,
    StalePosition,
    create,
    drop,
    open_store,
)
from tests.conftest import _with_database
from tests.projection_kit import (
    NOON,
    Event,
    Tables,
    Wages,
    events,
    make,
    plain,
    records,
    reference,
    with_repeats,
)

DECLARED: Sequence[type[Projection]] = (*PROJECTIONS, Wages)


@pytest.fixture(scope="module")
def own_settings(postgres_url: str) -> Iterator[Settings]:
    """A database for this module, with the tables made."""
    name = f"t_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    url = _with_database(postgres_url, name)
    asyncio.run(_execute(url, schema_ddl("read", DECLARED)))
    yield Settings(database_url=SecretStr(url))
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def empty_store(own: Settings) -> AsyncIterator[ReadModelStore]:
    async with open_store(own, "read", DECLARED) as store:
        await empty(store)
        yield store


async def empty(store: ReadModelStore) -> None:
    tables = ["story", "directory_event", "stream_position", "parked", "left_out"]
    tables += [projection.table for projection in DECLARED]
    # Of a few rows, faster than TRUNCATE.
    await store._connection.execute(";".join(f"DELETE FROM read.{table}" for table in tables))


async def batch_of(store: ReadModelStore, found: Records) -> Batch:
    basis = await store.basis(list(found))
    return make_batch(found, basis.positions, basis.held, store.layouts)


async def tables(store: ReadModelStore) -> Tables:
    found: Tables = {}
    for projection in DECLARED:
        rows = await store._connection.fetch(f"SELECT * FROM read.{projection.table}")
        found[projection.table] = {
            tuple(plain(row[key]) for key in projection.key.fields): {
                column: plain(row[column]) for column in projection.columns
            }
            for row in rows
        }
    return found


async def rows_of(store: ReadModelStore, table: str) -> int:
    return int(await store._connection.fetchval(f"SELECT count(*) FROM read.{table}"))


def split(found: list[Event], cuts: Sequence[int]) -> Iterator[list[Event]]:
    edges = [0, *sorted(cut % (len(found) + 1) for cut in cuts), len(found)]
    for start, end in pairwise(edges):
        if start < end:
            yield found[start:end]


def test_any_order_any_split_any_repetition_gives_the_same_tables(own_settings: Settings) -> None:
    async def check(store: ReadModelStore, data: list[Event], cuts: list[int]) -> None:
        await empty(store)
        offsets: dict[str, int] = {}
        for part in split(data, cuts):
            await store.apply(await batch_of(store, records(part, offsets)))
        wanted = reference(data, DECLARED)
        got = await tables(store)
        for table, rows in wanted.items():
            assert got[table].keys() == rows.keys(), table
            for key, row in rows.items():
                differing = {
                    c: (got[table][key][c], v) for c, v in row.items() if got[table][key][c] != v
                }
                assert differing == {}, (table, key)
        once = {event[1]["event_id"] for event in data}
        assert await rows_of(store, "story") + await rows_of(store, "directory_event") == len(once)

    with asyncio.Runner() as runner:
        opened = empty_store(own_settings)
        store = runner.run(opened.__aenter__())

        # Of one table's events at a time, so that keys meet and orders tie.
        one_table = st.sampled_from(DECLARED).flatmap(lambda p: events(*p.events, most=15))

        @example_settings(max_examples=150, deadline=None)
        @given(with_repeats(one_table), st.lists(st.integers(0, 30), max_size=5))
        def examples(data: list[Event], cuts: list[int]) -> None:
            runner.run(check(store, data, cuts))

        @example_settings(max_examples=80, deadline=None)
        @given(
            with_repeats(events("EmploymentStarted", "WageChanged", "Promoted", most=15)),
            st.lists(st.integers(0, 20), max_size=6),
        )
        def merges(data: list[Event], cuts: list[int]) -> None:
            runner.run(check(store, data, cuts))

        examples()
        merges()
        runner.run(opened.__aexit__(None, None, None))


ANA, BEN = bytes([1]) * 16, bytes([2]) * 16


def session(worker: bytes, number: int, **fields: Any) -> Event:
    event_id = worker[:1] + number.to_bytes(15, "big")
    return make("TrainingProgressed", worker_id=worker, event_id=event_id, **fields)


async def sessions(store: ReadModelStore, worker: bytes) -> int | None:
    query = "SELECT sessions FROM read.training WHERE worker_id = $1"
    count: int | None = await store._connection.fetchval(query, UUID(bytes=worker))
    return count


async def test_a_zombie_changes_nothing(own_settings: Settings) -> None:
    async with (
        empty_store(own_settings) as owner,
        open_store(own_settings, "read", DECLARED) as zombie,
    ):
        found = records([session(ANA, 1), session(ANA, 2)])
        stale = await batch_of(zombie, found)
        await owner.apply(await batch_of(owner, found))

        with pytest.raises(StalePosition):
            await zombie.apply(stale)

        assert await sessions(owner, ANA) == 2
        assert await rows_of(owner, "story") == 2


async def test_a_zombie_with_other_offsets_changes_nothing(own_settings: Settings) -> None:
    """It owned the partition, slept, and wakes with a longer batch from the same start."""
    async with (
        empty_store(own_settings) as owner,
        open_store(own_settings, "read", DECLARED) as zombie,
    ):
        stale = await batch_of(zombie, records([session(ANA, n) for n in range(5)]))
        await owner.apply(await batch_of(owner, records([session(ANA, 0)])))

        with pytest.raises(StalePosition):
            await zombie.apply(stale)

        basis = await zombie.basis([("stories", 0)])
        assert basis.positions == {("stories", 0): 1}
        assert await sessions(owner, ANA) == 1


async def test_a_batch_that_fails_leaves_nothing_behind(own_settings: Settings) -> None:
    async with empty_store(own_settings) as store:
        batch = await batch_of(store, records([session(ANA, 1)]))
        await store._connection.execute("ALTER TABLE read.training RENAME TO elsewhere")
        try:
            with pytest.raises(asyncpg.UndefinedTableError):
                await store.apply(batch)
        finally:
            await store._connection.execute("ALTER TABLE read.elsewhere RENAME TO training")
        assert await rows_of(store, "story") == 0
        assert (await store.basis([("stories", 0)])).positions == {("stories", 0): 0}
        await store.apply(batch)
        assert await sessions(store, ANA) == 1


async def test_each_commit_tells_its_positions(own_settings: Settings) -> None:
    async with empty_store(own_settings) as store, asyncio.timeout(60):
        told: asyncio.Queue[str] = asyncio.Queue()
        listener = await asyncpg.connect(own_settings.database_url.get_secret_value())
        await listener.add_listener("positions", lambda *call: told.put_nowait(call[3]))
        await store.apply(await batch_of(store, records([session(ANA, 1), session(BEN, 1)])))
        assert await told.get() == "stories:0:2"
        await listener.close()


def broken(found: Records, offset: int, value: bytes) -> Records:
    """The same records, one of them with other bytes."""
    return {
        place: [replace(r, value=value) if r.offset == offset else r for r in batch]  # type: ignore[type-var]
        for place, batch in found.items()
    }


async def test_a_poison_record_parks_its_worker_and_nobody_else(own_settings: Settings) -> None:
    async with empty_store(own_settings) as store:
        mixed = [session(w, n) for n in range(3) for w in (ANA, BEN)]
        found = records(mixed)
        poison = found["stories", 0][2]  # Ana's second
        assert poison.value is not None
        await store.apply(await batch_of(store, broken(found, 2, poison.value[:-3])))

        assert await sessions(store, ANA) == 1
        assert await sessions(store, BEN) == 3
        rows = await store._connection.fetch("SELECT * FROM read.parked ORDER BY log_offset")
        assert [(r["log_offset"], r["worker_id"].bytes) for r in rows] == [(2, ANA), (4, ANA)]
        assert rows[0]["value"] == poison.value[:-3]
        assert rows[1]["reason"].startswith("waits")

        later = records([session(ANA, 7), session(BEN, 7)], {"stories": 5})
        await store.apply(await batch_of(store, later))
        assert await sessions(store, ANA) == 1
        assert await sessions(store, BEN) == 4
        assert await rows_of(store, "parked") == 3


async def test_a_batch_made_before_somebody_was_parked_is_made_again(
    own_settings: Settings,
) -> None:
    async with empty_store(own_settings) as store:
        first = records([session(ANA, 1)])
        poisoned = await batch_of(store, broken(first, 0, b"\0\0\0\0\x1e"))
        ahead = make_batch(
            records([session(ANA, 2)], {"stories": 0}),
            {("stories", 0): 1},
            frozenset(),
            store.layouts,
        )
        await store.apply(poisoned)
        with pytest.raises(StalePosition):
            await store.apply(ahead)
        assert await rows_of(store, "story") == 0


async def test_tables_of_another_declaration_are_not_used(own_settings: Settings) -> None:
    async with open_pool(own_settings, most=1) as pool:
        await create(pool, "other", PROJECTIONS)
        await create(pool, "other", PROJECTIONS)
        with pytest.raises(ReadModelChanged, match="rebuild"):
            await create(pool, "other", DECLARED)
        await drop(pool, "other")
        await create(pool, "other", DECLARED)


async def test_training_reads_like_a_life(own_settings: Settings) -> None:
    at = [NOON.replace(month=month) for month in range(1, 8)]
    run = {"enrolment_id": "e-1", "course_id": "c-1", "worker_id": ANA}
    life = [
        make("TrainingOffered", event_id=b"1" * 16, occurred_at=at[0], provider_id="open", **run),
        make("TrainingEnrolled", event_id=b"2" * 16, occurred_at=at[1], provider_id="open", **run),
        session(
            ANA,
            3,
            occurred_at=at[2],
            progress=0.5,
            **{k: run[k] for k in ("enrolment_id", "course_id")},
        ),
        make(
            "TrainingCompleted",
            event_id=b"4" * 16,
            occurred_at=at[3],
            provider_id="open",
            result="PASSED",
            score=0.7,
            **run,
        ),
        make(
            "TrainingAcknowledged", event_id=b"5" * 16, occurred_at=at[4], employer_id="acme", **run
        ),
    ]
    async with empty_store(own_settings) as store:
        await store.apply(await batch_of(store, records(life[::-1])))
        row = await store._connection.fetchrow("SELECT * FROM read.training")
        assert row is not None
        assert {name: row[name] for name in Training.columns} == {
            "course_id": "c-1",
            "provider_id": "open",
            "offered_at": at[0],
            "offered_by": "plain",
            "enrolled_at": at[1],
            "sessions": 1,
            "progress": 0.5,
            "progressed_at": at[2],
            "completed_at": at[3],
            "result": "PASSED",
            "score": 0.7,
            "exited_at": None,
            "exit_reason": None,
            "exit_day_known": None,
            "noticed_at": at[4],
            "noticed_by": ["acme"],
        }
