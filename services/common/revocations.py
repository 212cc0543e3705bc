"""Revocations put back from the log, before anything is served after a loss of tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.catalog import versions
from services.common.codec import FRAME_SIZE, decode
from services.common.kafka import Position
from services.common.log import get_logger
from services.common.postgres import Connection, Pool
from services.common.settings import Settings

log = get_logger("revocations")
_LOCK = 7_402_267
_FRAMES = frozenset(
    b"\0" + schema_id.to_bytes(FRAME_SIZE - 1, "big")
    for schema_id, event_type in versions().items()
    if event_type.name == "ConsentWithdrawn"
)
_REVOKE = """
INSERT INTO consent.revocation (grant_id, worker_id, recipient_id, revoked_at, event, position)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (grant_id) DO UPDATE SET position = excluded.position
"""
_RESTORED = "SELECT EXISTS (SELECT FROM consent.restored WHERE topic = $1)"
_MARK = "INSERT INTO consent.restored (topic) VALUES ($1) ON CONFLICT DO NOTHING"


async def restore(settings: Settings, pool: Pool) -> int:
    """Read every withdrawal on the log into `consent.revocation`, once per database.

    Whoever serves or sends calls this first. Answers how many were read; 0 when it was done
    before. Raises KafkaError when the log does not answer.
    """
    topic = settings.topic("stories")
    if await pool.fetchval(_RESTORED, topic):
        return 0
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval(_RESTORED, topic):
            return 0
        async with _reader(settings) as consumer:
            found = await _read(consumer, topic, connection)
        await connection.execute(_MARK, topic)
    if found:
        log.warning("revocations restored from the log", found=found)
    return found


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


async def _read(consumer: AIOKafkaConsumer, topic: str, connection: Connection) -> int:
    """Read the topic to its end as it is now."""
    partitions = [TopicPartition(topic, p) for p in await _partitions(consumer, topic)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    starts = await consumer.beginning_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    left = {tp for tp in partitions if starts[tp] < ends[tp]}
    found = 0
    while left:
        batches = await consumer.getmany(timeout_ms=500, max_records=50_000)
        rows = [
            _row(record, tp.partition)
            for tp, records in batches.items()
            for record in records
            if record.value is not None and record.value[:FRAME_SIZE] in _FRAMES
        ]
        await connection.executemany(_REVOKE, rows)
        found += len(rows)
        left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
    return found


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The topic's partitions, once the client knows them."""
    while True:
        await consumer._client.force_metadata_update()
        if found := consumer.partitions_for_topic(topic):
            return set(found)
        consumer._client.add_topic(topic)
        await asyncio.sleep(0.05)


def _row(record: Any, partition: int) -> tuple[object, ...]:
    event = decode(record.value)
    return (
        UUID(bytes=event.fields["grant_id"]),
        event.worker_id,
        event.fields["recipient_id"],
        event.fields["occurred_at"],
        record.value,
        str(Position("stories", partition, record.offset)),
    )
