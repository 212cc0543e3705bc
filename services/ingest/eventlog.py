"""Appending to the log: one producer batch per partition, answered by positions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.common.errors import DependencyDown
from services.common.kafka import Position, open_producer, partition_for
from services.common.log import get_logger
from services.common.settings import Settings

log = get_logger("ingest")
_STOP_S = 3.0


class Record(NamedTuple):
    """One event, encoded and ready for its topic (name without the prefix)."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Records that went into one batch; `done` answers the place of the first."""

    topic: str
    numbers: Sequence[int]  # of the records, as they were handed in
    producer: AIOKafkaProducer
    done: asyncio.Future[Any]


class EventLog:
    """Writes records in the order they are handed in, per partition.

    The producer is idempotent and never gives a batch up while Kafka is away. Should one fail for
    good, the sequence of its partition has a gap that the broker refuses from then on, so the
    producer is replaced.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._opened: dict[AIOKafkaProducer, AbstractAsyncContextManager[AIOKafkaProducer]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def append(self, records: Sequence[Record]) -> list[Delivery]:
        """Hand everything to the producer; for one caller at a time, so that order is kept.

        Raises DependencyDown or KafkaError before anything was handed over, never afterwards: what
        could not be is a failed delivery.
        """
        producer = await self._open()
        deliveries: list[Delivery] = []
        for (topic, partition), numbers in (await self._by_partition(producer, records)).items():
            name = self._settings.topic(topic)
            for part, batch in _batches(producer, records, numbers):
                try:
                    done = await producer.send_batch(batch, name, partition=partition)
                except KafkaError as error:
                    done = asyncio.get_running_loop().create_future()
                    done.set_exception(error)
                deliveries.append(Delivery(topic, part, producer, done))
        return deliveries

    async def positions(self, delivery: Delivery) -> list[Position]:
        """Wait for `acks=all`, however long that takes. Raises KafkaError: it isn't on the log."""
        try:
            first = await delivery.done
        except KafkaTimeoutError:
            raise  # it was never handed over, so nothing is amiss with the producer
        except KafkaError as error:
            self._replace(delivery.producer, error)
            raise
        if first.offset < 0:
            # The broker has it and forgot where; it remembers the last five batches.
            raise DependencyDown("the log holds the events and did not say where")
        return [
            Position(delivery.topic, first.partition, first.offset + number)
            for number in range(len(delivery.numbers))
        ]

    async def close(self) -> None:
        """Flush for a few seconds at most; what is left is produced again when it is re-sent."""
        for producer in list(self._opened):
            self._stop(producer)
        self._producer = None
        if self._closing:
            await asyncio.wait(self._closing)

    async def _by_partition(
        self, producer: AIOKafkaProducer, records: Sequence[Record]
    ) -> Mapping[tuple[str, int], list[int]]:
        partitions = {
            topic: len(await producer.partitions_for(self._settings.topic(topic)))
            for topic in {record.topic for record in records}
        }
        grouped: dict[tuple[str, int], list[int]] = defaultdict(list)
        for number, record in enumerate(records):
            partition = partition_for(record.key, partitions[record.topic])
            grouped[record.topic, partition].append(number)
        return grouped

    async def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            opened = open_producer(self._settings)
            self._producer = await opened.__aenter__()
            self._opened[self._producer] = opened
        return self._producer

    def _replace(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        if producer is self._producer:
            log.warning("producer replaced", error=repr(error))
            self._producer = None
            self._stop(producer)

    def _stop(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(self._stopped(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _stopped(self, producer: AIOKafkaProducer) -> None:
        opened = self._opened.pop(producer, None)
        if opened is None:
            return
        try:
            async with asyncio.timeout(_STOP_S):
                await opened.__aexit__(None, None, None)
        except TimeoutError:
            # Kafka is away: end the sender, which would try for ever.
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await producer._sender.close()
                    await producer.client.close()


def _batches(
    producer: AIOKafkaProducer, records: Sequence[Record], numbers: Sequence[int]
) -> Iterator[tuple[list[int], Any]]:
    """Fill as many batches as it takes; each is closed, so that it goes out at once."""
    batch = producer.create_batch()
    part: list[int] = []
    for number in numbers:
        if not _appended(batch, records[number]):
            batch.close()
            yield part, batch
            batch, part = producer.create_batch(), []
            _appended(batch, records[number])  # the first fits whatever its size
        part.append(number)
    batch.close()
    yield part, batch


def _appended(batch: Any, record: Record) -> bool:
    done = batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
    return done is not None
