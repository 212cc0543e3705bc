"""Kafka: topics, the producer, and one partitioner everywhere (murmur2, as Java's clients)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from services.common.errors import DependencyDown
from services.common.settings import Settings

TOPICS = ("stories", "directory", "deliveries")
KEPT_FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
MAX_RECORD_BYTES = 1_000_000


class Position(NamedTuple):
    """A record's place on a topic, written `stories:3:1207` (topic without prefix)."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises ValueError when the text is not `topic:partition:offset`."""
        topic, partition, offset = text.split(":")
        if topic not in TOPICS or int(partition) < 0 or int(offset) < 0:
            raise ValueError(f"{text!r} is not topic:partition:offset")
        return cls(topic, int(partition), int(offset))


@lru_cache(maxsize=100_000)
def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a key: murmur2, as aiokafka and the Java clients do by default."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


@asynccontextmanager
async def open_producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """An idempotent producer with `acks=all`. Raises DependencyDown when Kafka does not answer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=2,
        max_batch_size=256 * 1024,
        max_request_size=2 * MAX_RECORD_BYTES,
        request_timeout_ms=20_000,
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise DependencyDown(f"Kafka at {settings.kafka_bootstrap} does not answer") from error
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def open_consumer(
    settings: Settings, *topics: str, **options: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader that moves nobody's position by itself. Topics are full names. Raises KafkaError."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        **options,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop_consumer(consumer)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """End a reader and its connections, also while Kafka is away.

    aiokafka cancels its fetches and waits for them (`Fetcher.close`): one that was just waiting to
    try again would end this as if we had been cancelled, with the connections open.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


async def create_topics(settings: Settings, names: Iterable[str] = TOPICS) -> None:
    """Create what is missing; an existing topic keeps its partitions. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        wanted = [
            NewTopic(
                settings.topic(name),
                num_partitions=1 if name == "directory" else settings.partitions,
                replication_factor=settings.replication_factor,
                topic_configs=KEPT_FOR_EVER,
            )
            for name in names
        ]
        answer = await admin.create_topics(wanted)
        for _topic, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error()
    finally:
        await admin.close()
