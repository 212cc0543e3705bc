"""Promises followed on real Kafka and PostgreSQL: in a process of its own, killed and restarted."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.common.codec import Decoded, decode
from services.common.emit import HUB, publish
from services.common.kafka import partition_for
from services.common.postgres import Pool
from services.common.settings import Settings
from services.promises.following import Follower
from services.promises.stream_store import OlderRelease, StreamStore
from tests.processes import HubProcess, until
from tests.promise_kit import (
    ANA,
    accepted,
    attested,
    day,
    disputed,
    event,
    finished,
    interviewed,
    made,
    scored,
    withdrawn,
)

DONE = (scored(7, 0.8), attested(8, 2), finished(5), attested(6, 1))


class Worker(HubProcess):
    """The worker in a process, with a clock of the test's."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        fast = {"PROMISES_LOOK_EVERY": "PT0.05S", "PROMISES_SESSION_TIMEOUT": "PT6S"}
        fast |= {"PROMISES_INSTANCE_ID": "one"}
        super().__init__(environment={**environment, **fast}, log=folder / "worker.log")
        self.clock = folder / "clock"
        self._command = [sys.executable, "-m", "tests.promises_process", str(self.clock)]
        self.it_is(day(0))

    def slow_down(self) -> None:
        """From the next start on: one event at a time, so that it lags."""
        self._environment |= {"PROMISES_BATCH": "1"}

    def it_is(self, now: datetime) -> None:
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(now.isoformat())
        os.replace(fresh, self.clock)


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    made_ready = Worker(environment, tmp_path)
    yield made_ready
    made_ready.kill()
    print(made_ready.log_tail())


@pytest.fixture
async def follower(settings: Settings, pool: Pool, producer: AIOKafkaProducer) -> Follower:
    return Follower(settings, StreamStore(pool), producer, lambda: day(0))


Tell = Callable[..., Awaitable[None]]


@pytest.fixture
def tell(settings: Settings, producer: AIOKafkaProducer) -> Tell:
    async def send(*told: dict[str, Any], of: UUID = ANA) -> None:
        for one in told:
            await publish(producer, settings, event(**one, of=of))

    return send


@pytest.fixture
async def log_reader(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[list[Decoded]]]]:
    """Reads the whole of `stories`, from the beginning to where it ends now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    where = [TopicPartition(settings.topic("stories"), n) for n in range(settings.partitions)]
    consumer.assign(where)

    async def everything() -> list[Decoded]:
        await consumer.seek_to_beginning(*where)
        ends = await consumer.end_offsets(where)
        found: list[Decoded] = []
        while any([await consumer.position(tp) < ends[tp] for tp in where]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode(record.value) for record in records]
        return found

    yield everything
    await consumer.stop()


async def state(pool: Pool, worker_id: UUID = ANA) -> str | None:
    found: str | None = await pool.fetchval(
        "SELECT state FROM promises.promise WHERE worker_id = $1", worker_id
    )
    return found


def own(events: list[Decoded]) -> list[str]:
    return [e.name for e in events if e.fields["source"] == HUB]


async def all_sent(pool: Pool) -> bool:
    return not await pool.fetchval(
        "SELECT EXISTS (SELECT FROM promises.outbox WHERE NOT published)"
    )


async def test_a_promise_lives_from_made_to_lapsed_to_kept_by_a_late_fact(
    worker: Worker, pool: Pool, tell: Tell, log_reader: Callable[[], Awaitable[list[Decoded]]]
) -> None:
    worker.start()
    await tell(*DONE, accepted(), made())  # in no order
    await until(lambda: _is(pool, "due"))

    worker.it_is(day(38))  # the last moment
    await tell(interviewed(20, by="other-co"))
    await until(lambda: _has_read(pool, 7))
    assert await state(pool) == "due"

    worker.it_is(day(38.1))
    await until(lambda: _is(pool, "lapsed"))
    await tell(interviewed(37))
    await until(lambda: _is(pool, "kept"))

    await until(lambda: all_sent(pool))
    said = await log_reader()
    assert own(said)[-3:] == ["PromiseDue", "PromiseLapsed", "PromiseKept"]
    assert Counter(own(said)) == {
        "CriterionMet": 3,
        "PromiseDue": 1,
        "PromiseLapsed": 1,
        "PromiseKept": 1,
    }
    (due,) = [e for e in said if e.name == "PromiseDue"]
    assert (due.fields["occurred_at"], due.fields["due_at"]) == (day(8), day(38))


async def _is(pool: Pool, wanted: str) -> bool:
    return await state(pool) == wanted


async def _has_read(pool: Pool, records: int) -> bool:
    return bool(
        await pool.fetchval("SELECT sum(next_offset) >= $1 FROM promises.position", records)
    )


async def test_killed_and_restarted_it_repeats_nothing(
    worker: Worker, pool: Pool, tell: Tell, log_reader: Callable[[], Awaitable[list[Decoded]]]
) -> None:
    workers = [uuid4() for _ in range(40)]
    worker.it_is(day(39))
    worker.start()
    for number, worker_id in enumerate(workers):
        await tell(made(), accepted(), *DONE, of=worker_id)
        if number in (10, 20, 30):
            await until(lambda n=number: _some_are(pool, n - 8))
            worker.kill()
            worker.start()
    await until(lambda: _some_are(pool, 40, "lapsed"), within_s=120)
    await until(lambda: all_sent(pool))

    said = await log_reader()
    counts = Counter((e.worker_id, e.name) for e in said if e.fields["source"] == HUB)
    assert worker.kills == 3
    assert {counts[w, "CriterionMet"] for w in workers} == {3}
    assert {counts[w, name] for w in workers for name in ("PromiseDue", "PromiseLapsed")} == {1}
    ids = [e.event_id for e in said]
    assert len(ids) == len(set(ids))


async def _some_are(pool: Pool, number: int, wanted: str | None = None) -> bool:
    sql = "SELECT count(*) >= $1 FROM promises.promise WHERE state = $2 OR $2 IS NULL"
    return bool(await pool.fetchval(sql, number, wanted))


async def test_read_again_from_nothing_it_says_nothing_twice(
    worker: Worker, pool: Pool, tell: Tell, log_reader: Callable[[], Awaitable[list[Decoded]]]
) -> None:
    worker.it_is(day(39))
    worker.start()
    await tell(made(), accepted(), *DONE)
    await until(lambda: _is(pool, "lapsed"))
    await tell(interviewed(30))
    await until(lambda: _is(pool, "kept"))
    await until(lambda: all_sent(pool))
    before = own(await log_reader())
    worker.stop()

    await pool.execute(
        "TRUNCATE promises.fact, promises.promise, promises.outbox, promises.position"
    )
    worker.start()
    await until(lambda: _is(pool, "kept"))
    await until(lambda: all_sent(pool))

    assert own(await log_reader()) == before
    assert len(before) == 6


async def test_the_deadline_of_a_promise_that_was_taken_back_does_not_pass(
    worker: Worker, pool: Pool, tell: Tell, log_reader: Callable[[], Awaitable[list[Decoded]]]
) -> None:
    ben = uuid4()
    worker.start()
    for of, by in ((ANA, "acme"), (ben, "other-co")):
        await tell(made(), accepted(), *DONE, withdrawn(20, by=by), of=of)
    await until(lambda: _is(pool, "withdrawn"))

    worker.it_is(day(39))
    await until(lambda: _some_are(pool, 1, "lapsed"))  # nobody took back what Ben was promised
    await tell(interviewed(25))
    await until(lambda: _has_read(pool, 15))
    await until(lambda: all_sent(pool))

    said = [e for e in await log_reader() if e.worker_id == ANA]
    assert own(said) == ["CriterionMet", "CriterionMet", "CriterionMet", "PromiseDue"]
    assert [await state(pool, one) for one in (ANA, ben)] == ["withdrawn", "lapsed"]
    assert await pool.fetchval(
        "SELECT withdrawn_at FROM promises.promise WHERE state = 'withdrawn'"
    )


async def test_a_release_that_did_not_read_withdrawals_is_followed_by_one_that_does(
    worker: Worker, pool: Pool, tell: Tell, log_reader: Callable[[], Awaitable[list[Decoded]]]
) -> None:
    """The log is read again, once, and nothing is said twice."""
    worker.start()
    await tell(made(), accepted(), *DONE, withdrawn(20))
    await until(lambda: _is(pool, "withdrawn"))
    await until(lambda: all_sent(pool))
    before = own(await log_reader())
    worker.stop()
    await pool.execute("DELETE FROM promises.fact WHERE name = 'PromiseWithdrawn'")
    await pool.execute("UPDATE promises.promise SET state = 'due'")
    await pool.execute("UPDATE promises.position SET types_version = 0, types_offset = 0")

    worker.start()
    await until(lambda: _is(pool, "withdrawn"))
    await until(lambda: all_sent(pool))
    assert own(await log_reader()) == before


async def test_what_an_older_release_read_meanwhile_is_read_again(
    worker: Worker, pool: Pool, tell: Tell
) -> None:
    worker.start()
    await tell(made(), accepted())
    await until(lambda: _is(pool, "accepted"))
    worker.stop()
    await tell(disputed(2, "QUESTION"))
    # It knows no disputes, and moves on.
    older = "UPDATE promises.position SET next_offset = next_offset + 1 WHERE next_offset > 0"
    await pool.execute(older)
    store = StreamStore(pool)
    with pytest.raises(OlderRelease, match="read again"):  # as one that runs beside it
        async with store.transaction() as going:
            await going.lock_positions(range(48))

    worker.start()
    await until(lambda: _is_disputed(pool))
    assert await state(pool) == "accepted"


async def _is_disputed(pool: Pool) -> bool:
    return bool(
        await pool.fetchval("SELECT count(*) FROM promises.fact WHERE name = 'PromiseDisputed'")
    )


async def test_a_deadline_does_not_pass_while_something_on_the_log_is_unread(
    settings: Settings,
    pool: Pool,
    follower: Follower,
    tell: Tell,
) -> None:
    """The interview took place in time and is on the log; the worker has not read it."""
    from services.common.agent import Record

    await StreamStore(pool).make_positions(range(settings.partitions))
    told = [made(), accepted(), *DONE, interviewed(30)]
    partition = partition_for(ANA.bytes, settings.partitions)
    records = [
        Record(partition, offset, ANA.bytes, event(**one).value) for offset, one in enumerate(told)
    ]
    await tell(*told)
    await follower.take_in(records[:-1])
    late, end = day(60), len(records)

    assert await follower.pass_deadlines(partition, late, end) == 0
    assert await state(pool) == "due"

    await follower.take_in(records)  # the ones it knows fall out
    await follower.pass_deadlines(partition, late, end)
    assert await state(pool) == "kept"


async def test_a_deadline_waits_for_the_end_of_the_log_as_read_after_it(
    worker: Worker,
    settings: Settings,
    pool: Pool,
    tell: Tell,
    log_reader: Callable[[], Awaitable[list[Decoded]]],
) -> None:
    """A worker that was away over the deadline finds the interview behind everything else."""
    worker.start()
    await tell(made(), accepted(), *DONE)
    await until(lambda: _is(pool, "due"))
    await until(lambda: all_sent(pool))
    async with pool.acquire() as holding, holding.transaction():
        # Whoever wants to move a position waits: the worker lags, with its clock past the deadline.
        await holding.execute("SELECT FROM promises.position FOR UPDATE")
        await tell(interviewed(30))
        worker.it_is(day(60))
        await until(lambda: _blocked(pool))
        assert await state(pool) == "due"
    await until(lambda: _is(pool, "kept"))

    await until(lambda: all_sent(pool))
    assert "PromiseLapsed" not in own(await log_reader())


async def test_a_worker_that_was_away_over_the_deadline_reads_before_it_judges(
    worker: Worker,
    pool: Pool,
    tell: Tell,
    log_reader: Callable[[], Awaitable[list[Decoded]]],
) -> None:
    worker.start()
    await tell(made(), accepted(), *DONE)
    await until(lambda: _is(pool, "due"))
    await until(lambda: all_sent(pool))
    worker.kill()

    await tell(*(scored(9 + number / 100, 0.5) for number in range(300)), interviewed(30))
    worker.it_is(day(60))
    worker.slow_down()
    worker.start()
    await until(lambda: _is(pool, "kept"))

    await until(lambda: all_sent(pool))
    assert "PromiseLapsed" not in own(await log_reader())


async def _blocked(pool: Pool) -> bool:
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database())"
        )
    )


async def test_records_that_were_skipped_stop_the_worker(
    settings: Settings, pool: Pool, follower: Follower, tell: Tell
) -> None:
    from services.common.agent import LogSkipped, Record

    await StreamStore(pool).make_positions(range(settings.partitions))
    await tell(made(), accepted())
    partition = partition_for(ANA.bytes, settings.partitions)
    second = Record(partition, 1, ANA.bytes, event(**accepted()).value)

    with pytest.raises(LogSkipped):
        await follower.take_in([second])

    assert await pool.fetchval("SELECT count(*) FROM promises.fact") == 0


async def test_two_workers_share_the_partitions_and_say_everything_once(
    environment: dict[str, str],
    tmp_path: Path,
    pool: Pool,
    tell: Tell,
    log_reader: Callable[[], Awaitable[list[Decoded]]],
) -> None:
    both = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        both.append(Worker(environment, tmp_path / name))
        both[-1]._environment["PROMISES_INSTANCE_ID"] = name
        both[-1].it_is(day(39))
    workers = [uuid4() for _ in range(30)]
    try:
        both[0].start()
        for worker_id in workers[:15]:
            await tell(made(), accepted(), *DONE, of=worker_id)
        both[1].start()
        for worker_id in workers[15:]:
            await tell(made(), accepted(), *DONE, of=worker_id)
        await until(lambda: _some_are(pool, 30, "lapsed"), within_s=90)
        await until(lambda: all_sent(pool))
        counts = Counter(e.event_id for e in await log_reader() if e.fields["source"] == HUB)
        assert set(counts.values()) == {1}
        assert len(counts) == 30 * 5
    finally:
        for one in both:
            one.kill()
            print(one.log_tail())
