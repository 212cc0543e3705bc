"""Random lives on a real PostgreSQL: whatever happens on the way, the tables say what the log says.

Two processes share the partitions as they like, pipelined as the worker is; they crash before and
after a commit, lose partitions and wake up with what they had prepared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from services.common.settings import Settings
from services.projections.projections import RETRACTIONS
from services.projections.store import ReadModelStore, StalePosition, open_store
from tests.integration.test_projections_store import DECLARED
from tests.life_kit import PARTITIONS, PEOPLE, is_gone, lives, outcome
from tests.projection_kit import Event, plain, reference
from tests.projection_world import (
    AGAIN,
    LIVE,
    TOPICS,
    Log,
    Process,
    clear,
    contents,
    log_of,
    two_read_models,
)

__all__ = ["two_read_models"]  # a fixture of the other module


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


async def counters(store: ReadModelStore, schema: str) -> dict[tuple[str, int], dict[str, Any]]:
    """What the tables say of each partition that was read, but for when."""
    rows = await store._connection.fetch(f"SELECT * FROM {schema}.stream_position")
    found = [{k: v for k, v in row.items() if k != "advanced_at"} for row in rows]
    return {(row["topic"], row["partition"]): row for row in found}


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
        counted = [await counters(self.scratch, schema) for schema in (LIVE, AGAIN)]
        assert counted[0] == counted[1]

    async def build_in_one_go(self, log: Log) -> None:
        process = Process(self.scratch, log)
        await process.align()
        if (batch := process.fetch(list(log), 10_000)) is not None:
            await self.scratch.apply(batch)


@pytest.mark.parametrize("examples", [40, pytest.param(2000, marks=pytest.mark.faults_long)])
def test_live_tables_are_what_the_log_says_whatever_happens_on_the_way(
    two_read_models: Settings, examples: int
) -> None:
    async def opened(stack: AsyncExitStack) -> Bench:
        stores = [
            await stack.enter_async_context(
                open_store(two_read_models, schema, DECLARED, RETRACTIONS)
            )
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
