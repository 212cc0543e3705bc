"""PostgreSQL's position is the truth: whatever Kafka's group remembers, nothing is skipped."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from services.common.agent import LogSkipped, Record
from services.common.emit import SYSTEM, about_worker, publish
from services.common.ids import new_id
from services.common.kafka import Position, partition_for
from services.common.settings import Settings
from services.common.setup import initialise
from services.delivery.match_store import MatchStore
from services.delivery.matching import Matcher, options
from tests.integration.delivery_kit import (
    QUICK,
    Inbox,
    Parties,
    came,
    delivering,
    matched,
    projecting,
    settled,
)
from tests.processes import until

SERVICES = ("consent", "delivery")


async def _commit(settings: Settings, offsets: dict[TopicPartition, int]) -> None:
    """Commit offsets for the group as some other program might."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=options(settings, QUICK).group,
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign(list(offsets))
    await consumer.commit({tp: OffsetAndMetadata(o, "") for tp, o in offsets.items()})
    await consumer.stop()


async def test_a_database_restored_from_a_backup_matches_what_it_missed(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    """The positions are older than the group's offsets; the outbox has forgotten, too."""
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    pool = parties.hub.pool
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        first, _ = await parties.progressed(ana, 1)
        await until(lambda: came(acme, 1))
        await until(lambda: settled(pool))
        backup = await pool.fetch("SELECT * FROM delivery.position WHERE topic = 'stories'")
        events = [(await parties.progressed(ana, step))[0] for step in range(2, 6)]
        await until(lambda: came(acme, 5))
        await until(lambda: settled(pool))
    await pool.executemany(
        "UPDATE delivery.position SET next_offset = $3 WHERE topic = $1 AND partition = $2",
        [(row["topic"], row["partition"], row["next_offset"]) for row in backup],
    )
    await pool.execute("DELETE FROM delivery_work.outbox WHERE event_id = ANY ($1)", events)
    acme.messages.clear()
    async with projecting(settings), delivering(settings):
        await until(lambda: came(acme, 4))
        await until(lambda: settled(pool))
    assert acme.ids() == [parties.message(connection, event_id) for event_id in events]
    assert parties.message(connection, first) not in acme.ids()


async def test_offsets_that_ran_ahead_decide_nothing(parties: Parties, settings: Settings) -> None:
    ana, _ = await parties.worker()
    for step in range(5):
        _, last = await parties.progressed(ana, step)
    where = TopicPartition(settings.topic("stories"), last.partition)
    await _commit(settings, {where: last.offset + 1})
    async with delivering(settings):
        await until(lambda: matched(parties.hub.pool, last))


async def test_a_record_beyond_the_next_one_stops_the_worker(
    parties: Parties, settings: Settings
) -> None:
    pool, store = parties.hub.pool, MatchStore(parties.hub.pool)
    ana, _ = await parties.worker()
    places = [(await parties.progressed(ana, step))[1] for step in range(4)]
    partition = places[0].partition
    await store.make_positions("stories", range(settings.partitions))
    beyond = Record(partition, places[2].offset, ana.bytes, b"")
    with pytest.raises(LogSkipped, match=f"expected {places[0].offset}"):
        await Matcher(settings, store).match([beyond])
    assert (await store.positions("stories"))[partition] == places[0].offset
    assert not await pool.fetchval("SELECT count(*) FROM delivery_work.outbox")


async def test_offsets_that_kafka_used_itself_are_no_gap(
    parties: Parties, settings: Settings
) -> None:
    """The end of a transaction takes an offset and is no record."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        transactional_id=f"{settings.topic_prefix}tx",
        enable_idempotence=True,
    )
    ana, _ = await parties.worker()
    topic, partition = settings.topic("stories"), partition_for(ana.bytes, settings.partitions)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"x", key=ana.bytes, partition=partition)
    await producer.stop()
    sent = 1

    async def gap() -> Position | None:
        nonlocal sent
        _, position = await parties.progressed(ana, sent)
        sent += 1
        return position if position.offset >= sent else None

    after = await until(gap)
    async with delivering(settings):
        await until(lambda: matched(parties.hub.pool, after))


async def test_lost_working_state_is_sent_again_under_the_same_ids(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    pool = parties.hub.pool
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        sent = [(await parties.progressed(ana, step))[0] for step in range(3)]
        await until(lambda: came(acme, 3))
        await until(lambda: settled(pool))
    await pool.execute("DROP SCHEMA delivery_work CASCADE")
    await initialise(settings)
    acme.messages.clear()
    async with projecting(settings), delivering(settings):
        sent.append((await parties.progressed(ana, 3))[0])
        await until(lambda: came(acme, 4))
        await until(lambda: settled(pool))
    assert acme.ids() == [parties.message(connection, event_id) for event_id in sent]


async def test_an_attempt_continues_the_trace_and_the_receiver_learns_nothing_of_it(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        await parties.progressed(ana, 1, traceparent=trace)
        await until(lambda: came(acme, 1))
        await until(lambda: settled(parties.hub.pool))
    told = await _last_of(settings, "deliveries")
    assert trace.split("-")[1] in dict(told)["traceparent"].decode()
    assert "0af7651916cd43dd8448eb211c80319c" not in str(acme.messages)


async def _last_of(settings: Settings, name: str) -> list[tuple[str, bytes]]:
    """The headers of the one record of a topic."""
    topic = settings.topic(name)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, n) for n in range(settings.partitions)])
        return list((await consumer.getone()).headers)
    finally:
        await consumer.stop()


async def test_two_workers_share_the_partitions_and_one_takes_over(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    people = [await parties.worker() for _ in range(8)]
    sent: dict[str, list[str]] = {}

    async def report(steps: range) -> None:
        for step in steps:
            for worker_id, _ in people:
                event_id, _ = await parties.progressed(worker_id, step)
                subject = parties.subject(worker_id, "acme")
                sent.setdefault(subject, []).append(parties.message(connection, event_id))

    async with projecting(settings), delivering(settings):
        for _, token in people:
            await parties.grant(token, "acme")
        async with delivering(settings):
            await asyncio.gather(report(range(20)), until(lambda: came(acme, 80)))
        await report(range(20, 30))
        await until(lambda: came(acme, 8 * 30))
        await until(lambda: settled(parties.hub.pool))
    assert {subject: acme.ids(subject) for subject in sent} == sent


async def test_what_was_taken_out_of_a_story_is_not_sent_when_it_comes_later_or_again(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        wrong, right = new_id(), new_id()
        await _voided(parties, settings, ana, wrong)
        void, last = await _voided(parties, settings, ana, right)
        await _voided(parties, settings, ana, void)
        await _until_matched(parties, last)
        for event_id in (wrong, wrong, right):
            _, last = await parties.progressed(ana, 1, event_id=event_id)
        await _until_matched(parties, last)
        await until(lambda: settled(parties.hub.pool))
    assert acme.ids() == [parties.message(connection, right)]


async def _until_matched(parties: Parties, position: Position) -> None:
    await until(lambda: matched(parties.hub.pool, position))


async def _voided(
    parties: Parties, settings: Settings, worker: UUID, event: UUID
) -> tuple[UUID, Position]:
    """The hub takes an event out of a person's story."""
    void_id = new_id()
    fields = {"voided_event_id": event.bytes, "dispute_id": None, "reason": "WRONG_PERSON"}
    at = datetime.now(UTC)
    void = about_worker("RecordVoided", void_id, worker, SYSTEM, at=at, **fields)
    return void_id, await publish(parties.producer, settings, void)
