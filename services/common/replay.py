"""The log read without a group, up to an end that is known: what is put back, what is verified."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.catalog import versions
from services.common.codec import FRAME_SIZE
from services.common.errors import DependencyDown, TerminalError
from services.common.kafka import open_consumer
from services.common.settings import Settings

# Kafka may be restarted in the meantime, which takes some seconds.
_PATIENCE_S: Final = 60.0


class LogCut(TerminalError):
    """The log no longer holds the records that were asked for."""


class _Patience:
    """Ends a wait for the log in which nothing comes any more."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def check(self, came: object) -> None:
        """Raises DependencyDown when nothing has come for too long."""
        now = time.monotonic()
        if came:
            self._since = now
        if now - self._since > _PATIENCE_S:
            raise DependencyDown(f"Kafka gave nothing for {_PATIENCE_S:g} s")


async def records_between(
    settings: Settings, spans: Mapping[tuple[str, int], tuple[int, int]]
) -> AsyncIterator[tuple[tuple[str, int], list[ConsumerRecord]]]:
    """The committed records of partitions from a start to an end, in batches of one partition.

    spans: (topic without the prefix, partition) to (first offset, offset after the last); where the
    log ends earlier, so does the reading. Raises LogCut, DependencyDown.
    """
    # What is empty is not asked for: there may be no such topic, or partition.
    spans = {place: (start, end) for place, (start, end) in spans.items() if start < end}
    if not spans:
        return
    try:
        async with _reader(settings) as consumer:
            async for batch in _between(consumer, settings, spans):
                yield batch
    except KafkaError as error:
        raise DependencyDown(f"Kafka: {error!r}") from error


async def _between(
    consumer: AIOKafkaConsumer,
    settings: Settings,
    spans: Mapping[tuple[str, int], tuple[int, int]],
) -> AsyncIterator[tuple[tuple[str, int], list[ConsumerRecord]]]:
    places = {TopicPartition(settings.topic(topic), n): (topic, n) for topic, n in spans}
    for topic in {place.topic for place in places}:
        await _partitions(consumer, topic)
    log_ends = await consumer.end_offsets(list(places))
    starts = await consumer.beginning_offsets(list(places))
    ends = {tp: min(spans[place][1], log_ends[tp]) for tp, place in places.items()}
    for tp, place in places.items():
        if starts[tp] > spans[place][0] and starts[tp] < ends[tp]:
            raise LogCut(f"{tp.topic}:{tp.partition} begins at {starts[tp]} now")
    left = {tp for tp, place in places.items() if spans[place][0] < ends[tp]}
    consumer.assign(list(left))
    for tp in left:
        consumer.seek(tp, spans[places[tp]][0])
    patience = _Patience()
    while left:
        batches = await consumer.getmany(*left, timeout_ms=500, max_records=50_000)
        patience.check(batches)
        for tp, records in batches.items():
            if records := [record for record in records if record.offset < ends[tp]]:
                yield places[tp], records
        left = {tp for tp in left if await consumer.position(tp) < ends[tp]}


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
        patience = _Patience()
        while left:
            batches = await consumer.getmany(timeout_ms=500, max_records=50_000)
            patience.check(batches)
            yield [
                record
                for records in batches.values()
                for record in records
                if record.value is not None and record.value[:FRAME_SIZE] in frames
            ]
            left = {tp for tp in left if await consumer.position(tp) < ends[tp]}


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    async with open_consumer(
        settings,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    ) as consumer:
        yield consumer


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The topic's partitions, once the client knows them. Raises DependencyDown."""
    patience = _Patience()
    while True:
        patience.check(())
        await consumer._client.force_metadata_update()
        if found := consumer.partitions_for_topic(topic):
            return set(found)
        consumer._client.add_topic(topic)
        await asyncio.sleep(0.05)
