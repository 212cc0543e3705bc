"""The records that the worker reads, against those that aiokafka makes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from services.common.settings import Settings
from services.projections.columns import LeanRecord
from services.projections.lean_records import as_it_is
from services.projections.reader import open_reader
from services.projections.settings import ProjectionsSettings

RECORDS = [
    (b"ann", b"one", [("ce_id", b"1"), ("other", b"2")]),
    (None, b"two", []),
    (b"ben", None, [("ce_id", None), ("ce_id", b"4")]),
    (b"", b"", [("", b"")]),
]


async def test_lean_records_say_what_ordinary_ones_say(settings: Settings) -> None:
    place = TopicPartition(settings.topic("stories"), 3)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    async with producer:
        for _ in range(50):
            for key, value, headers in RECORDS:
                await producer.send(place.topic, value, key, place.partition, headers=headers)

    ordinary = await read(settings, place, 200)
    lean = await read(settings, place, 200, value_deserializer=as_it_is)

    assert {type(record) for record in ordinary} == {ConsumerRecord}
    assert {type(record) for record in lean} == {LeanRecord}
    assert list(map(tuple, lean)) == list(map(told, ordinary))
    assert [record.offset for record in lean] == list(range(200))


async def test_a_fetch_that_is_broken_off_counts_as_over(settings: Settings) -> None:
    """Else aiokafka never takes partitions from a process that can't write."""
    async with open_reader(settings, ProjectionsSettings(), "idle") as reader:
        state = reader._consumer._subscription
        fetch = asyncio.create_task(reader.fetch())
        await asyncio.sleep(0)  # it begins
        assert state._fetch_count == 1
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
        assert state._fetch_count == 0


def told(record: ConsumerRecord) -> tuple[Any, ...]:
    return record.key, record.value, record.offset, list(record.headers)


async def read(
    settings: Settings,
    place: TopicPartition,
    wanted: int,
    **options: Callable[[bytes | None], bytes | None],
) -> list[Any]:
    """In parts of 30, so that a fetch is begun and gone on with."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed",
        **options,
    )
    found: list[Any] = []
    async with consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        while len(found) < wanted:
            for records in (await consumer.getmany(timeout_ms=500, max_records=30)).values():
                assert len(records) <= 30
                found += records
                assert await consumer.position(place) == found[-1].offset + 1
    return found
