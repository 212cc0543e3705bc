"""What is on the log, asked of Kafka itself: where each topic ends, and how old a record is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.common.errors import DependencyDown
from services.common.kafka import TOPICS, stop_consumer
from services.common.settings import Settings

T = TypeVar("T")
Place = tuple[str, int]  # topic without prefix, partition
_PATIENCE_S: Final = 2.0
_OLDEST_WITHIN_S: Final = 1.0
_REQUEST_MS: Final = 2_000
_WINDOW: Final = timedelta(minutes=1)
_FETCH_BYTES: Final = 16_384


class LogEnds:
    """One consumer without a group. One question at a time; a broken connection is made anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await stop_consumer(consumer)

    async def ends(self, now: datetime) -> tuple[Mapping[Place, int], Mapping[Place, int]]:
        """The next offset of each partition, and that of the first record of the last minute.

        Raises DependencyDown when Kafka does not answer soon.
        """
        return await self._asked(lambda consumer: self._ends(consumer, now))

    async def oldest(self, starts: Mapping[Place, int]) -> Mapping[Place, datetime]:
        """When the first record at or after each offset was written, as far as Kafka tells soon.

        Raises DependencyDown when Kafka does not answer.
        """
        return await self._asked(lambda consumer: self._oldest(consumer, starts))

    async def _asked(self, question: Callable[[AIOKafkaConsumer], Awaitable[T]]) -> T:
        async with self._lock:
            try:
                async with asyncio.timeout(_PATIENCE_S + _OLDEST_WITHIN_S):
                    return await question(await self._open())
            except (KafkaError, OSError, TimeoutError) as error:
                await self.close()
                raise DependencyDown("Kafka does not answer") from error

    async def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap,
                enable_auto_commit=False,
                max_partition_fetch_bytes=_FETCH_BYTES,
                fetch_max_wait_ms=100,
                request_timeout_ms=_REQUEST_MS,
            )
            try:
                await consumer.start()
            except BaseException:
                await stop_consumer(consumer)
                raise
            self._consumer = consumer
        return self._consumer

    def _partition(self, place: Place) -> TopicPartition:
        return TopicPartition(self._settings.topic(place[0]), place[1])

    async def _ends(
        self, consumer: AIOKafkaConsumer, now: datetime
    ) -> tuple[dict[Place, int], dict[Place, int]]:
        places = await self._places(consumer)
        partitions = {self._partition(place): place for place in places}
        if not partitions:
            return {}, {}
        ends = await consumer.end_offsets(list(partitions))
        since = int((now - _WINDOW).timestamp() * 1000)
        first = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
        by_place = {partitions[p]: end for p, end in ends.items()}
        recent = {partitions[p]: found.offset for p, found in first.items() if found is not None}
        return by_place, {place: recent.get(place, end) for place, end in by_place.items()}

    async def _places(self, consumer: AIOKafkaConsumer) -> list[Place]:
        """Every partition of our topics; aiokafka tells it only for topics it is assigned to."""
        metadata = await consumer._client.fetch_all_metadata()
        return [
            (topic, partition)
            for topic in TOPICS
            for partition in sorted(
                metadata.partitions_for_topic(self._settings.topic(topic)) or ()
            )
        ]

    async def _oldest(
        self, consumer: AIOKafkaConsumer, starts: Mapping[Place, int]
    ) -> dict[Place, datetime]:
        places = {self._partition(place): place for place in starts}
        if not places:
            return {}
        consumer.assign(list(places))
        for partition, place in places.items():
            consumer.seek(partition, starts[place])
        loop = asyncio.get_running_loop()
        deadline, found = loop.time() + _OLDEST_WITHIN_S, dict[Place, datetime]()
        while len(found) < len(places) and (left_s := deadline - loop.time()) > 0:
            wanted = [p for p, place in places.items() if place not in found]
            for partition, records in (
                await consumer.getmany(*wanted, timeout_ms=int(left_s * 1000))
            ).items():
                at = datetime.fromtimestamp(records[0].timestamp / 1000, UTC)
                found[places[partition]] = at
        consumer.unsubscribe()
        return found
