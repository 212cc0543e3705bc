"""A topic read from its beginning to its end as it is now, for what is put back from the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.catalog import versions
from services.common.codec import FRAME_SIZE
from services.common.settings import Settings


async def records_of(
    settings: Settings, topic: str, event_type: str
) -> AsyncIterator[list[ConsumerRecord]]:
    """The records of one event type, any version, batch by batch; others are not decoded.

    topic: without the prefix. Raises KafkaError when the log does not answer.
    """
    frames = frozenset(
        b"\0" + schema_id.to_bytes(FRAME_SIZE - 1, "big")
        for schema_id, writer in versions().items()
        if writer.name == event_type
    )
    name = settings.topic(topic)
    async with _reader(settings) as consumer:
        partitions = [TopicPartition(name, p) for p in await _partitions(consumer, name)]
        # Before there is anything to fetch: a fetch under way would make these wait for it.
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        consumer.assign(partitions)
        for partition, start in starts.items():
            consumer.seek(partition, start)
        left = {tp for tp in partitions if starts[tp] < ends[tp]}
        while left:
            batches = await consumer.getmany(timeout_ms=500, max_records=50_000)
            yield [
                record
                for records in batches.values()
                for record in records
                if record.value is not None and record.value[:FRAME_SIZE] in frames
            ]
            left = {tp for tp in left if await consumer.position(tp) < ends[tp]}


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The topic's partitions, once the client knows them."""
    while True:
        await consumer._client.force_metadata_update()
        if found := consumer.partitions_for_topic(topic):
            return set(found)
        consumer._client.add_topic(topic)
        await asyncio.sleep(0.05)
