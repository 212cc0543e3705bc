"""The read model made again from the log while everything runs: what is read never fails or lies."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from services.common.access import Role
from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections import engine_tables, projections, sql
from services.projections.batch import make_batch
from services.projections.projections import PROJECTIONS, RETRACTIONS
from services.projections.reader import LogReader
from services.projections.rebuild import steps as steps_module
from services.projections.rebuild import switching, work
from services.projections.rebuild.builder import Builder, fed
from services.projections.rebuild.pace import RebuildPace
from services.projections.rebuild.steps import Rebuild
from services.projections.rebuild.work import Schemas, StepRefused
from services.projections.sql import fingerprint
from services.projections.store import StalePosition, open_store
from services.projections.worker import Beside, ProjectionsWorker
from tests.conftest import Hub
from tests.integration.test_projections import (
    QUICK,
    publish,
    session,
    worker_id,
)
from tests.processes import HubProcess, until
from tests.projection_kit import records

OPERATOR = "hub"
SERVICES = ("portal",)
SCHEMAS = Schemas("read")
# The builder of a test is in this process: it shall not wait for others.
OWN = QUICK.model_copy(update={"rebuild_gives_way_for": timedelta(0)})


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    switch_patiently(monkeypatch)


def switch_patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process. On a busy machine a builder that is behind by little needs its time."""
    monkeypatch.setattr(steps_module, "_SWITCH_WITHIN_S", 120.0)
    monkeypatch.setattr(switching, "_LOCK_MS", 120_000)


@pytest.fixture
def rebuild(pool: Pool) -> Rebuild:
    return Rebuild(pool, "read")


@asynccontextmanager
async def running(worker: ProjectionsWorker | Builder) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


def live(settings: Settings) -> ProjectionsWorker:
    return ProjectionsWorker(settings, QUICK, PROJECTIONS)


def builder(settings: Settings) -> Builder:
    return Builder(settings, OWN)


async def passed(pool: Pool, schema: str, records: int) -> None:
    """Wait until the tables of a schema have passed so many records."""

    async def reached() -> bool:
        query = f"SELECT coalesce(sum(next_offset), 0) FROM {schema}.stream_position"
        return bool(await pool.fetchval(query) >= records)

    await until(reached, within_s=120)


def sessions(count: int, workers: int = 40) -> list[tuple[str, dict[str, object]]]:
    return [session(n % workers, n % 3) for n in range(count)]  # type: ignore[misc]


async def stories(pool: Pool, schema: str = "read") -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM {schema}.story"))


async def test_rebuilt_tables_are_the_same_and_take_the_place_of_those_in_use(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, rebuild: Rebuild
) -> None:
    await publish(settings, producer, sessions(2_000))
    async with running(live(settings)):
        await passed(pool, "read", 2_000)
        before = await pool.fetchval("SELECT 'read.story'::regclass::oid")
        await rebuild.start(OPERATOR, None)
        async with running(builder(settings)):
            await passed(pool, "read_next", 2_000)
            assert (await rebuild.compare()).equal
            await rebuild.switch()
            assert await pool.fetchval("SELECT 'read_old.story'::regclass::oid") == before

            await publish(settings, producer, sessions(300))
            await passed(pool, "read", 2_300)
            await passed(pool, "read_old", 2_300)
            assert (await rebuild.compare()).equal

            await rebuild.undo()
            assert await pool.fetchval("SELECT 'read.story'::regclass::oid") == before
            await publish(settings, producer, sessions(300))
            await passed(pool, "read", 2_600)
            await rebuild.drop()
    assert await stories(pool) == 2_600
    assert await pool.fetchval("SELECT to_regnamespace('read_next')") is None
    assert await pool.fetchval("SELECT to_regnamespace('read_old')") is None


async def test_the_commands_do_it_beside_a_hub_that_runs(
    pool: Pool,
    settings: Settings,
    producer: AIOKafkaProducer,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """By the hub's own processes: one that works, and its builder beside it."""
    await publish(settings, producer, sessions(3_000))
    hub = HubProcess("work", "projections", environment=environment, log=tmp_path / "work.log")
    hub.start()
    try:
        await passed(pool, "read", 3_000)
        planned = await command(environment, "start", "--dry-run", "--json")
        assert '"records": 3000' in planned
        assert await pool.fetchval("SELECT to_regnamespace('read_next')") is None
        assert "Caught up" in await command(environment, "start")
        assert "equal" in await command(environment, "compare")
        assert "no tables" not in await command(environment, "switch", "--yes")
        assert '"state": "switched"' in await command(environment, "status", "--json")
        await publish(settings, producer, sessions(200))
        await passed(pool, "read", 3_200)
        await command(environment, "undo", "--yes")
        await command(environment, "drop", "--yes")
        assert "No rebuild" in await command(environment, "status")
        done = ["start", "compare", "switch", "undo", "drop"]
        assert await steps(pool) == [f"{step} done" for step in done]
        ended = await until(partial(line_of, tmp_path / "work.log", "builder ended"))
        assert '"code": 0' in ended
    finally:
        hub.stop()


async def command(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """What `throughline rebuild …` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "rebuild", *arguments),
        env=environment,
        stdout=-1,
        stderr=-1,
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == code, (out.decode(), err.decode())
    return out.decode() + err.decode()


async def line_of(log: Path, text: str) -> str:
    """The first line of a log that holds the text; empty when there is none yet."""
    return next((line for line in log.read_text().splitlines() if text in line), "")


async def steps(pool: Pool) -> Sequence[str]:
    rows = await pool.fetch(
        "SELECT step, outcome FROM projections_work.rebuild_step ORDER BY step_id"
    )
    return [f"{row['step']} {row['outcome']}" for row in rows]


async def test_no_read_fails_or_sees_half_a_switch(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, rebuild: Rebuild, hub: Hub
) -> None:
    """Switched back and forth under HTTP reads and joins, while events keep arriving."""
    me = UUID(bytes=worker_id(1))
    await publish(settings, producer, sessions(400))
    reads, done = Reads(hub, pool, me), asyncio.Event()
    async with running(live(settings)), running_beside(settings, rebuild):
        await passed(pool, "read", 400)
        await passed(pool, "read_next", 400)
        hammers = [asyncio.create_task(hammer(done)) for hammer in reads.hammers()]
        for flip in range(6):
            await publish(settings, producer, sessions(120))
            await (rebuild.undo() if flip % 2 else rebuild.switch())
        await passed(pool, "read", 400 + 6 * 120)
        done.set()
        await asyncio.gather(*hammers)
    assert set(reads.answers) == {200}
    assert len(reads.seen) == 2, "each look saw either the one set of tables or the other"
    assert reads.numbers == sorted(reads.numbers), "a record that was seen stays seen"


@asynccontextmanager
async def running_beside(settings: Settings, rebuild: Rebuild) -> AsyncIterator[None]:
    await rebuild.start(OPERATOR, None)
    async with running(builder(settings)):
        yield


class Reads:
    """Reads without a pause, and what they saw."""

    TABLES = ("stream_position", "story", "training")

    def __init__(self, hub: Hub, pool: Pool, worker_id: UUID) -> None:
        self._hub = hub
        self._pool = pool
        self._worker_id = worker_id
        self.answers: list[int] = []
        self.numbers: list[int] = []
        self.seen: set[tuple[int, ...]] = set()

    def hammers(self) -> list[Callable[[asyncio.Event], Coroutine[None, None, None]]]:
        return [self.over_http, self.over_http, self.in_one_statement, self.in_a_transaction]

    async def more(self, times: int) -> None:
        """Wait for so many more reads over HTTP and looks at the tables from now on."""
        answers, looks = len(self.answers) + times, len(self.numbers) + times

        async def enough() -> bool:
            return len(self.answers) >= answers and len(self.numbers) >= looks

        await until(enough)

    async def over_http(self, done: asyncio.Event) -> None:
        key = await self._hub.key(Role.WORKER, str(self._worker_id))
        while not done.is_set():
            answer = await self._hub.http.get(f"/v1/workers/{self._worker_id}/story", headers=key)
            self.answers.append(answer.status_code)

    async def in_one_statement(self, done: asyncio.Event) -> None:
        columns = ", ".join(f"(SELECT tableoid FROM read.{t} LIMIT 1)" for t in self.TABLES)
        mine = "(SELECT count(*) FROM read.story WHERE worker_id = $1)"
        while not done.is_set():
            row = await self._pool.fetchrow(f"SELECT {columns}, {mine}", self._worker_id)
            assert row is not None
            self.seen.add(tuple(row[: len(self.TABLES)]))
            self.numbers.append(row[len(self.TABLES)])

    async def in_a_transaction(self, done: asyncio.Event) -> None:
        while not done.is_set():
            async with self._pool.acquire() as connection, connection.transaction():
                found = [
                    await connection.fetchval(f"SELECT tableoid FROM read.{table} LIMIT 1")
                    for table in self.TABLES
                ]
            self.seen.add(tuple(found))


async def test_a_batch_made_on_other_tables_is_not_written(
    settings: Settings, pool: Pool, rebuild: Rebuild
) -> None:
    """Also when the positions are the same: what it was made from is not."""
    await rebuild.start(OPERATOR, None)
    async with open_store(settings, "read", PROJECTIONS, RETRACTIONS) as store:
        found = records([session(1)])
        basis = await store.basis(list(found))
        batch = make_batch(found, basis.positions, basis.held, store.layouts)
        await pool.execute(
            "INSERT INTO read_next.stream_position (topic, partition, next_offset)"
            " SELECT topic, partition, next_offset FROM read.stream_position"
        )
        await rebuild.switch()
        with pytest.raises(StalePosition):
            await store.apply(batch)
        assert await stories(pool) == 0

        basis = await store.basis(list(found))
        await store.apply(make_batch(found, basis.positions, basis.held, store.layouts))
        assert (await stories(pool), await stories(pool, "read_old")) == (1, 0)


async def test_a_builder_killed_again_and_again_makes_the_same_tables(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    rebuild: Rebuild,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    await publish(settings, producer, sessions(4_000))
    async with running(live(settings)):
        await passed(pool, "read", 4_000)
    own = {"PROJECTIONS_BATCH_EVENTS": "100", "PROJECTIONS_INSTANCE_ID": "builder"}
    log = tmp_path / "start.log"
    start = HubProcess("rebuild", "start", "--here", environment=environment | own, log=log)
    for enough in (1, 2_000):
        start.start()
        await until(lambda: is_there(pool, "read_next"))
        await passed(pool, "read_next", enough)
        start.kill()
    # Only now, so that no kill comes too late to show anything.
    await publish(settings, producer, sessions(2_000))
    async with running(live(settings)):
        await passed(pool, "read", 6_000)
    start.start()
    await passed(pool, "read_next", 6_000)
    start.stop()

    assert (await rebuild.compare()).equal
    assert await stories(pool, "read_next") == 6_000


async def is_there(pool: Pool, schema: str) -> bool:
    return await work.made_from(pool, schema) is not None


async def test_a_switch_in_the_middle_of_a_look_ends_no_builder(
    settings: Settings, pool: Pool, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rebuild.start(OPERATOR, None)
    await pool.execute("ALTER SCHEMA read_next RENAME TO read_old")  # as a switch does
    look = work.row

    async def told_late(pool: Pool) -> work.Row | None:
        found = await look(pool)
        monkeypatch.setattr(work, "row", look)
        await pool.execute("UPDATE projections_work.rebuild SET is_switched = true")
        return found

    monkeypatch.setattr(work, "row", told_late)

    assert await fed(pool, Schemas("read"), fingerprint(PROJECTIONS)) == "read_old"


async def test_tables_that_go_while_they_are_looked_at_are_not_there(pool: Pool) -> None:
    class Going:
        """Somebody renames the schema after it was found."""

        async def fetchval(self, statement: str, *values: object) -> object:
            if "to_regclass" not in statement:
                await pool.execute("ALTER SCHEMA read RENAME TO elsewhere")
            return await pool.fetchval(statement, *values)

    assert await work.made_from(Going(), "read") is None  # type: ignore[arg-type]


async def test_a_throttled_builder_takes_no_more_than_it_was_told(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, rebuild: Rebuild
) -> None:
    """Counted on a clock that stands still unless the test moves it."""
    await publish(settings, producer, sessions(1_000))
    await rebuild.start(OPERATOR, 100)
    clock = Clock()
    pace = RebuildPace(pool, SCHEMAS, "read_next", OWN, clock=lambda: clock.now, sleep=clock.sleep)
    own = OWN.model_copy(update={"read_schema": "read_next"})
    slow = ProjectionsWorker(settings, own, PROJECTIONS, beside=Beside("slow", pace))
    has_all = once_it_has_all(pace)
    async with running(slow):
        await has_all.wait()
        for seconds in (1, 2, 3):
            await clock.go_to(seconds)
            taken = await stories(pool, "read_next")
            assert 100 * (seconds - 1) < taken <= 100 * seconds
        await rebuild.limit(None)
        clock.free = True
        await passed(pool, "read_next", 1_000)


def once_it_has_all(pace: RebuildPace) -> asyncio.Event:
    """Set when the builder, who waits for that, has all partitions: its rate is of its share."""
    has_all, plain = asyncio.Event(), pace.most

    async def most(reader: LogReader) -> int:
        while not reader.moved and reader.share() < 1:
            await asyncio.sleep(0.01)
        if not reader.moved:
            has_all.set()
        return await plain(reader)

    pace.most = most  # type: ignore[method-assign]
    return has_all


class Clock:
    """Time that stands still. Who sleeps wakes when the test has moved it far enough."""

    def __init__(self) -> None:
        self.now = 0.0
        self.free = False
        self._waits = 0

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        self._waits += 1
        while self.now < until and not self.free:
            await asyncio.sleep(0.001)

    async def go_to(self, now: float) -> None:
        """Move on in small steps, each once the builder waits again: it has done all it may."""
        while self.now < now - 1e-9:
            before = self._waits
            self.now += 0.1
            async with asyncio.timeout(60):  # who doesn't wait takes more than it may
                while self._waits == before:
                    await asyncio.sleep(0.001)


async def test_altered_rows_are_found_and_rows_under_way_are_not(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, rebuild: Rebuild
) -> None:
    await publish(settings, producer, sessions(600))
    async with running(live(settings)), running_beside(settings, rebuild):
        await passed(pool, "read_next", 600)
        await passed(pool, "read", 600)
        more = asyncio.create_task(keep_publishing(settings, producer))
        for _ in range(3):
            assert (await rebuild.compare()).equal, "only one side was ahead"
        await pool.execute(
            "UPDATE read.training SET sessions = sessions + 1"
            " WHERE worker_id = $1 AND enrolment_id = 'e-1'",
            UUID(bytes=worker_id(1)),
        )
        await pool.execute("DELETE FROM read.story WHERE worker_id = $1", UUID(bytes=worker_id(2)))
        found = await rebuild.compare()
        with pytest.raises(StepRefused, match="differences"):
            await rebuild.switch()
        more.cancel()
    by_table = {one.table: one.differences for one in found.tables if one.differences}
    assert set(by_table) == {"story", "training"}
    (altered,) = by_table["training"]
    assert (altered.how, altered.columns) == ("different", ("sessions",))
    assert altered.key == {"worker_id": str(UUID(bytes=worker_id(1))), "enrolment_id": "e-1"}
    assert {one.how for one in by_table["story"]} == {"extra"}
    assert {one.key["worker_id"] for one in by_table["story"]} == {str(UUID(bytes=worker_id(2)))}


async def keep_publishing(settings: Settings, producer: AIOKafkaProducer) -> None:
    """Of all others, one after the other, without end."""
    for first in itertools.count(100, 30):
        some = range(first, first + 30)
        await publish(settings, producer, [session(n % 30_000, n % 3) for n in some])


async def test_tables_of_an_older_release_are_read_until_the_new_ones_stand_there(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    rebuild: Rebuild,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    await publish(settings, producer, sessions(500))
    async with running(live(settings)):
        await passed(pool, "read", 500)
    await make_older(pool)
    done = await throughline(environment, "init")
    assert "throughline rebuild start" in done
    hub = HubProcess("work", "projections", environment=environment, log=tmp_path / "work.log")
    hub.start()
    try:
        await until(lambda: told(tmp_path / "work.log", "throughline rebuild start"))
        await publish(settings, producer, sessions(100))
        await rebuild.start(OPERATOR, None)
        await passed(pool, "read_next", 600)
        assert await stories(pool) == 500, "nothing was written to the older tables"
        await rebuild.switch()
        await publish(settings, producer, sessions(100))
        await passed(pool, "read", 700)
        assert await stories(pool) == 700
        assert await stories(pool, "read_old") == 500
    finally:
        hub.stop()


async def test_a_hub_on_one_machine_makes_them_again_when_it_starts(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, environment: dict[str, str]
) -> None:
    await publish(settings, producer, sessions(500))
    async with running(live(settings)):
        await passed(pool, "read", 500)
    await make_older(pool)

    assert "was made again" in await throughline(environment, "init", "--rebuild")

    assert await pool.fetchval("SELECT count(noticed_by) FROM read.training") > 0
    assert await stories(pool) == 500
    assert await pool.fetchval("SELECT to_regnamespace('read_old')") is None
    assert "again" not in await throughline(environment, "init", "--rebuild")


def test_other_tables_of_the_engine_are_another_declaration_and_other_words_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, tables = fingerprint(PROJECTIONS), engine_tables.BOOKKEEPING
    monkeypatch.setattr(sql, "BOOKKEEPING", tables.replace("Topics are named", "They are named"))
    assert fingerprint(PROJECTIONS) == now
    monkeypatch.setattr(sql, "BOOKKEEPING", tables.replace("repeats bigint", "twice bigint"))
    assert fingerprint(PROJECTIONS) != now


def test_other_rules_of_what_leaves_a_story_are_another_declaration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = fingerprint(PROJECTIONS)
    other = replace(RETRACTIONS, staying=RETRACTIONS.staying - {"ConsentGranted"})
    monkeypatch.setattr(projections, "RETRACTIONS", other)
    assert fingerprint(PROJECTIONS) != now


async def make_older(pool: Pool) -> None:
    """As if an earlier release, which knew less, had made the tables."""
    await pool.execute("ALTER TABLE read.training DROP COLUMN noticed_by CASCADE")
    await pool.execute("UPDATE read.declaration SET fingerprint = 'older'")


async def told(log: Path, text: str) -> bool:
    return text in log.read_text()


async def throughline(environment: dict[str, str], *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments), env=environment, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, (out.decode(), err.decode())
    return out.decode() + err.decode()


async def test_who_may_read_the_tables_may_read_the_new_ones(pool: Pool, rebuild: Rebuild) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    await pool.execute(f"CREATE ROLE {role}")
    try:
        await pool.execute(f"GRANT USAGE ON SCHEMA read TO {role}")
        await pool.execute(f"GRANT SELECT ON read.story TO {role}")
        await rebuild.start(OPERATOR, None)
        await rebuild.switch()
        may = "SELECT has_table_privilege($1, $2, 'SELECT')"
        assert await pool.fetchval(may, role, "read.story")
        assert not await pool.fetchval(may, role, "read.training")
        assert await pool.fetchval("SELECT has_schema_privilege($1, 'read', 'USAGE')", role)
    finally:
        await pool.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_view_of_somebody_else_is_not_cut_off_unsaid(pool: Pool, rebuild: Rebuild) -> None:
    await pool.execute("CREATE VIEW public.mine AS SELECT worker_id FROM read.story")
    await rebuild.start(OPERATOR, None)
    with pytest.raises(StepRefused, match=r"public\.mine"):
        await rebuild.switch()
    await rebuild.switch(anyway=True)
    with pytest.raises(StepRefused, match=r"public\.mine"):
        await rebuild.drop()
    assert await pool.fetchval("SELECT count(*) FROM public.mine") == 0


async def test_steps_out_of_order_are_refused_and_a_lost_row_is_found_again(
    pool: Pool, rebuild: Rebuild
) -> None:
    for step in (rebuild.switch, rebuild.undo, rebuild.drop, rebuild.compare):
        with pytest.raises(StepRefused) as refused:
            await step()
        assert refused.value.code == "none"
    await rebuild.start(OPERATOR, 10)
    with pytest.raises(StepRefused, match="nothing was switched"):
        await rebuild.undo()
    await rebuild.switch()
    await pool.execute("DELETE FROM projections_work.rebuild")
    with pytest.raises(StepRefused, match="read_old is kept"):
        await rebuild.start(OPERATOR, None)
    await rebuild.undo()
    row = await work.row(pool)
    assert row is not None
    assert not row.is_switched


async def test_tables_that_are_behind_do_not_take_the_place(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, rebuild: Rebuild
) -> None:
    await publish(settings, producer, sessions(100))
    async with running(live(settings)):
        await passed(pool, "read", 100)
    await rebuild.start(OPERATOR, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps_module, "_SWITCH_WITHIN_S", 0.2)
        with pytest.raises(StepRefused, match="100 records behind"):
            await rebuild.switch()
    assert await stories(pool) == 100


async def test_a_long_read_holds_a_switch_up_and_nobody_else(pool: Pool, rebuild: Rebuild) -> None:
    await rebuild.start(OPERATOR, None)
    async with pool.acquire() as reader, reader.transaction():
        await reader.fetchval("SELECT count(*) FROM read.training")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps_module, "_SWITCH_WITHIN_S", 0.3)
            with pytest.raises(StepRefused, match="use the tables"):
                await rebuild.switch()
        assert await reader.fetchval("SELECT count(*) FROM read.story") == 0
    await rebuild.switch()
