"""Two writers at once, and writers that died half-way: one worker, one event, one order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import NotLeaderForPartitionError

from schemas.models import WorkerRegistered
from services.common.access import Principal, Role
from services.common.clock import utc_now
from services.common.codec import decode
from services.common.errors import DependencyDown
from services.common.ids import event_id_of
from services.common.kafka import Position
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.drafts import Draft, ItemResult, Status
from services.ingest.eventlog import EventLog, Record
from services.ingest.handlers import Author, draft
from services.ingest.settings import IngestSettings
from services.ingest.store import ReservationStore
from services.ingest.writer import Writer
from tests.ingest_kit import SOURCE, enrolled, on_the_log, sample

PROVIDER = Principal(Role.PROVIDER, SOURCE, "key-1")
AT = datetime(2026, 3, 1, tzinfo=UTC)
NewWriter = Callable[..., Writer]
# What is held is held for longer than anybody waits.
PATIENT: dict[str, Any] = {"patience": timedelta(seconds=60), "hold": timedelta(seconds=90)}


@pytest.fixture
async def new_writer(settings: Settings, pool: Pool) -> AsyncIterator[NewWriter]:
    """Makes writers that know nothing of each other, as in processes of their own."""
    vault = await Vault.open(settings)
    async with AsyncExitStack() as stack:

        def make(**own: Any) -> Writer:
            chosen = IngestSettings(**PATIENT | own)
            writer = Writer(settings, pool, vault, Keyring(pool, vault), chosen)
            stack.push_async_callback(writer.close)
            return writer

        yield make


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [enrolled(source_event_id=str(n), **fields) for n in range(count)]


async def names_on_the_log(settings: Settings) -> Counter[str]:
    return Counter(decode(record.value).name for record in await on_the_log(settings))


@pytest.mark.parametrize("writers", [1, 2])
async def test_a_person_first_seen_by_many_requests_at_once_is_one_worker(
    settings: Settings, pool: Pool, new_writer: NewWriter, writers: int
) -> None:
    made = [new_writer() for _ in range(writers)]
    requests = [
        made[n % writers].write([enrolled(source_event_id=str(n))], PROVIDER, AT) for n in range(20)
    ]
    results = [result for (result,) in await asyncio.gather(*requests)]

    assert {result.status for result in results} == {Status.ACCEPTED}
    assert len({result.worker_id for result in results}) == 1
    assert await pool.fetchval("SELECT count(*) FROM vault.worker") == 1
    records = await on_the_log(settings)
    first, *others = [decode(record.value).name for record in records]
    assert first == "WorkerRegistered", "nothing comes before the registration"
    assert others == ["TrainingEnrolled"] * 20


@pytest.mark.parametrize(("writers", "flush_events"), [(1, 2000), (1, 1), (2, 2000)])
async def test_the_same_event_sent_twice_at_once_is_on_the_log_once(
    settings: Settings, new_writer: NewWriter, writers: int, flush_events: int
) -> None:
    """Within one group, in groups that follow on each other, and in two processes."""
    made = [new_writer(flush_events=flush_events) for _ in range(writers)]
    batch = numbered(200)
    requests = [made[n % writers].write(batch, PROVIDER, AT) for n in range(6)]
    answers = await asyncio.gather(*requests)

    for of_one_event in zip(*answers, strict=True):
        statuses = Counter(result.status for result in of_one_event)
        assert statuses == {Status.ACCEPTED: 1, Status.DUPLICATE: 5}
        assert len({result.position for result in of_one_event}) == 1
    assert (await names_on_the_log(settings))["TrainingEnrolled"] == 200


async def test_two_writers_with_the_same_people_in_other_orders_do_not_lock_each_other_out(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    one, other = new_writer(), new_writer()
    items = [enrolled(source_event_id=str(n), source_record_id=f"r-{n}") for n in range(500)]

    first, second = await asyncio.gather(
        one.write(items, PROVIDER, AT), other.write(items[::-1], PROVIDER, AT)
    )

    statuses = Counter(result.status for result in [*first, *second])
    assert statuses == {Status.ACCEPTED: 500, Status.DUPLICATE: 500}
    assert await pool.fetchval("SELECT count(*) FROM vault.worker") == 500
    assert await names_on_the_log(settings) == {"WorkerRegistered": 500, "TrainingEnrolled": 500}


async def test_reservations_are_made_in_one_order_so_that_nobody_waits_for_ever(
    pool: Pool,
) -> None:
    ids = [uuid4() for _ in range(1000)]
    stores, hold = (ReservationStore(pool), ReservationStore(pool)), timedelta(seconds=15)

    async def reserve(store: ReservationStore, ordered: list[UUID]) -> int:
        holder = uuid4()
        found = await store.reserve(dict.fromkeys(ordered, b"a"), holder, utc_now(), hold)
        assert all(entry.held_by != holder for entry in found.values())
        return len(ordered) - len(found)

    for start in range(0, 1000, 100):
        part = ids[start : start + 100]
        won = await asyncio.gather(reserve(stores[0], part), reserve(stores[1], part[::-1]))
        assert sum(won) == 100


async def test_positions_are_where_the_events_are_and_a_workers_order_is_kept(
    settings: Settings, new_writer: NewWriter
) -> None:
    writer = new_writer(max_events=300)
    items = [enrolled(source_event_id=str(n), source_record_id=f"r-{n % 7}") for n in range(1000)]
    results = await writer.write(items, PROVIDER, AT)

    records = {
        Position("stories", r.partition, r.offset): decode(r.value)
        for r in await on_the_log(settings)
    }
    assert len(records) == 1000 + 7
    seen: dict[UUID, int] = {}
    for result in results:
        assert result.position is not None
        event = records[result.position]
        assert (event.event_id, event.worker_id) == (result.event_id, result.worker_id)
        assert result.position.offset > seen.get(event.worker_id, -1)
        seen[event.worker_id] = result.position.offset


async def reserved_by_the_dead(
    settings: Settings, pool: Pool, item: dict[str, Any], since: timedelta
) -> None:
    """A writer reserved the event `since` ago for 15 s, and died before it was produced."""
    vault = await Vault.open(settings)
    made = draft(item, Author.of(PROVIDER), vault, AT, timedelta(days=1))
    assert isinstance(made, Draft)
    assert made.event_id is not None
    hold = timedelta(seconds=15)
    store = ReservationStore(pool)
    await store.reserve({made.event_id: made.content}, uuid4(), utc_now() - since, hold)


async def test_what_the_dead_reserved_can_only_be_followed_by_the_same_words(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    """It may be on the log all the same: nobody was left to note it."""
    item = enrolled(source_event_id="1")
    await reserved_by_the_dead(settings, pool, item, timedelta(minutes=1))
    (result,) = await new_writer().write([{**item, "course_id": "crane"}], PROVIDER, AT)
    assert result.status is Status.CONFLICT


async def test_a_reservation_that_was_never_published_is_produced_again(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    item = enrolled(source_event_id="1")
    await reserved_by_the_dead(settings, pool, item, timedelta(minutes=1))
    writer = new_writer()

    (again,) = await writer.write([item], PROVIDER, AT)
    (after,) = await writer.write([item], PROVIDER, AT)

    assert (again.status, after.status) == (Status.ACCEPTED, Status.DUPLICATE)
    assert (await names_on_the_log(settings))["TrainingEnrolled"] == 1


async def test_what_another_process_is_writing_just_now_is_waited_for(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    item, free = enrolled(source_event_id="1"), enrolled(source_event_id="2")
    await reserved_by_the_dead(settings, pool, item, timedelta(seconds=13))
    writer = new_writer()

    results = await writer.write([item, free], PROVIDER, AT)

    assert [result.status for result in results] == [Status.ACCEPTED, Status.ACCEPTED]
    held = await pool.fetchval("SELECT max(held_until) FROM ingest_work.reservation")
    assert held > utc_now(), "taken over when the hold was over"


async def test_what_another_process_holds_for_long_is_not_acknowledged(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    item = enrolled(source_event_id="1")
    await reserved_by_the_dead(settings, pool, item, timedelta())
    with pytest.raises(DependencyDown):
        await new_writer(patience=timedelta(milliseconds=300)).write([item], PROVIDER, AT)
    assert (await names_on_the_log(settings))["TrainingEnrolled"] == 0


async def test_an_unpublished_reservation_of_other_content_is_a_conflict(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    item = enrolled(source_event_id="1")
    await reserved_by_the_dead(settings, pool, item, timedelta(minutes=1))
    (result,) = await new_writer().write([{**item, "course_id": "crane"}], PROVIDER, AT)
    assert result.status is Status.CONFLICT


async def test_a_crash_after_the_person_was_known_still_registers_before_the_event(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    """The worker's row is there, its registration never reached the log."""
    vault, worker_id = await Vault.open(settings), uuid4()
    await pool.execute(
        "INSERT INTO vault.worker (worker_id, created_at) VALUES ($1, $2)", worker_id, AT
    )
    await pool.execute(
        "INSERT INTO vault.source_record (source, record_index, worker_id) VALUES ($1, $2, $3)",
        SOURCE,
        vault.blind_index(SOURCE, "r-1"),
        worker_id,
    )
    (result,) = await new_writer().write([enrolled()], PROVIDER, AT)

    assert result.worker_id == worker_id
    first, second = (decode(r.value) for r in await on_the_log(settings))
    assert (first.name, second.name) == ("WorkerRegistered", "TrainingEnrolled")
    assert first.fields["occurred_at"] == AT
    assert await pool.fetchval("SELECT registered_at FROM vault.worker") is not None


async def test_a_lost_working_state_costs_a_repeat_and_nothing_else(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    writer = new_writer()
    (first,) = await writer.write([enrolled(source_event_id="1")], PROVIDER, AT)
    await pool.execute("TRUNCATE ingest_work.reservation")
    (again,) = await writer.write([enrolled(source_event_id="1")], PROVIDER, AT)

    assert again.status is Status.ACCEPTED
    assert (again.event_id, again.worker_id) == (first.event_id, first.worker_id)
    counts = await names_on_the_log(settings)
    assert counts == {"WorkerRegistered": 1, "TrainingEnrolled": 2}


async def test_a_worker_registered_twice_is_one_and_keeps_what_was_said_first(
    settings: Settings, new_writer: NewWriter
) -> None:
    def ana(name: str | None) -> WorkerRegistered:
        return WorkerRegistered(
            type="WorkerRegistered", occurred_at=AT, source_record_id="r-1", display_name=name
        )

    one, other = new_writer(), new_writer()
    answers: list[list[ItemResult]] = await asyncio.gather(
        *(writer.register([ana("Ana")], PROVIDER, AT) for writer in (one, other) * 4)
    )
    (later,) = await one.register([ana(None)], PROVIDER, AT + timedelta(days=1))

    statuses = Counter(result.status for (result,) in answers)
    assert statuses == {Status.ACCEPTED: 1, Status.DUPLICATE: 7}
    assert later.status is Status.DUPLICATE
    assert {result.worker_id for (result,) in answers} == {later.worker_id}
    assert await names_on_the_log(settings) == {"WorkerRegistered": 1}


async def test_many_new_people_at_once(
    settings: Settings, pool: Pool, new_writer: NewWriter
) -> None:
    """A file of 3,000 people nobody has seen, a few of them twice."""
    items = [
        enrolled(source_event_id=str(n), source_record_id=f"r-{n % 2900}") for n in range(3000)
    ]
    results = await new_writer().write(items, PROVIDER, AT)

    assert {result.status for result in results} == {Status.ACCEPTED}
    assert len({result.worker_id for result in results}) == 2900
    assert await names_on_the_log(settings) == {"WorkerRegistered": 2900, "TrainingEnrolled": 3000}


async def test_what_fits_no_producer_batch_goes_in_several(
    settings: Settings, new_writer: NewWriter
) -> None:
    """1,000 events of one worker with 2,000 characters of evidence each: over 256 KB."""
    item = sample("SkillAttested", evidence="e" * 2000, source_record_id="r-1")
    del item["worker_id"]
    items = [{**item, "source_event_id": str(n)} for n in range(1000)]
    results = await new_writer().write(items, PROVIDER, AT)

    offsets = [result.position.offset for result in results if result.position is not None]
    assert offsets == list(range(1, 1001))


async def test_too_much_at_once_is_sent_away(new_writer: NewWriter, settings: Settings) -> None:
    writer = new_writer(queue_events=100)
    with pytest.raises(DependencyDown, match="too many"):
        await writer.write(numbered(101), PROVIDER, AT)
    assert (await writer.write(numbered(100), PROVIDER, AT))[0].status is Status.ACCEPTED


async def test_a_batch_that_failed_for_good_gets_a_new_producer(settings: Settings) -> None:
    """The sequence of the old one has a gap that the broker would refuse from then on."""
    events = EventLog(settings)
    record = Record("stories", b"k" * 16, b"v", [])
    (delivery,) = await events.append([record])
    assert [p.offset for p in await events.positions(delivery)] == [0]
    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(NotLeaderForPartitionError())
    with pytest.raises(NotLeaderForPartitionError):
        await events.positions(replace(delivery, done=failed))

    (after,) = await events.append([record])

    assert after.producer is not delivery.producer
    assert [p.offset for p in await events.positions(after)] == [1]
    await events.close()


def test_event_ids_follow_from_the_source_and_its_number() -> None:
    assert event_id_of(SOURCE, "1") == UUID("1563b74d-84ab-5cb5-a5d3-ba73bfce3b42")
