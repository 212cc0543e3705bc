"""Reads the assigned partitions of the log from the positions that PostgreSQL holds.

The group coordinates who reads what; its committed offsets are not used at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from services.common.errors import DependencyDown, PositionOutsideLog
from services.common.kafka import stop_consumer
from services.common.settings import Settings
from services.projections import idle_time
from services.projections.columns import LeanRecord
from services.projections.declaration import STREAMS
from services.projections.intake import Partition, Records
from services.projections.lean_records import as_it_is
from services.projections.settings import ProjectionsSettings

# A fetch that finds nothing returns after this long, so that a stop is noticed.
_IDLE_MS = 500
# Records that are made of fetched bytes in one go: less than a millisecond.
_AT_A_TIME = 250
# The consumer group that keeps the tables in use up with the log.
GROUP = "projections"


class LogReader(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of the consumer group.

    `moved` is true when partitions came or went, until `seek` is called with their positions;
    records of partitions without a known position are never returned. Hold `writing` while a batch
    is written: partitions are then given up after it, and who comes next starts where it ends.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        settings: Settings,
        batch_events: int,
        hand_over_s: float = 5.0,
    ) -> None:
        """hand_over_s: the longest that the group is kept waiting for a write."""
        self._consumer = consumer
        self._hand_over_s = hand_over_s
        self.writing = asyncio.Lock()
        self._names = {settings.topic(name): name for s in STREAMS for name in s.topics}
        self._full_names = {name: full for full, name in self._names.items()}
        self._batch_events = batch_events
        self._next: dict[Partition, int] = {}
        self.moved = True

    def subscribe(self) -> None:
        self._consumer.subscribe(topics=sorted(self._names), listener=self)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Give up everything: aiokafka knows no cooperative hand-over, only this one.

        A write that takes longer is not broken off: its positions decide, as they do for a process
        that was away.
        """
        self._next.clear()
        self.moved = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._hand_over_s), self.writing:
                pass

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._next.clear()
        self.moved = True

    def assigned(self) -> list[Partition]:
        return [(self._names[p.topic], p.partition) for p in self._consumer.assignment()]

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on from these positions, where the partition is still ours."""
        self._next.clear()
        for partition in set(positions) & set(self.assigned()):
            self._go_to(partition, positions[partition])
            self._consumer.resume(self._place(partition))

    def share(self) -> float:
        """How much of the log is ours, 0 to 1."""
        known = sum(map(len, self._partitions().values()))
        return len(self.assigned()) / known if known else 0.0

    async def ends(self) -> Mapping[Partition, int]:
        """Where every partition of the log ends, also those of other members. Raises KafkaError."""
        places = [
            TopicPartition(topic, number)
            for topic, numbers in self._partitions().items()
            for number in numbers
        ]
        found = await self._consumer.end_offsets(places)
        return {(self._names[place.topic], place.partition): end for place, end in found.items()}

    def _partitions(self) -> Mapping[str, Collection[int]]:
        return {topic: self._consumer.partitions_for_topic(topic) or () for topic in self._names}

    async def fetch(self, most: int | None = None) -> tuple[Records, Mapping[Partition, int]]:
        """What has come since, and the position that each partition was at.

        most: records, when fewer than a whole batch are wanted. Call `went_on` with the new
        positions before fetching again. Raises PositionOutsideLog, KafkaError.
        """
        got = await self._drain(most or self._batch_events)
        records = {}
        for place, batch in got.items():
            partition = self._names[place.topic], place.partition
            if batch and batch[0].offset >= self._next.get(partition, batch[-1].offset + 1):
                records[partition] = batch
        return records, {partition: self._next[partition] for partition in records}

    async def _drain(self, most: int) -> Mapping[TopicPartition, Sequence[LeanRecord]]:
        """What aiokafka has fetched, in parts, for it makes records without ever giving way: in one
        go, PostgreSQL would wait for its next statement meanwhile."""
        found: dict[TopicPartition, list[LeanRecord]] = {}
        wait_ms = _IDLE_MS
        while most > 0:
            some = min(most, _AT_A_TIME)
            try:
                got = await self._consumer.getmany(timeout_ms=wait_ms, max_records=some)
            except NoOffsetForPartitionError:
                break  # the group has no offset for a new partition, before we have sought
            except OffsetOutOfRangeError as error:
                if found:
                    break  # the others go on; it is told again
                raise PositionOutsideLog(f"stored position is outside the log: {error}") from error
            if not got:
                break
            for place, batch in got.items():
                found.setdefault(place, []).extend(batch)
                most -= len(batch)
            wait_ms = 0
            await asyncio.sleep(0)
        return found

    def went_on(self, positions: Iterable[tuple[Partition, int]]) -> None:
        """The next fetch begins here: what was fetched before is on its way to the tables."""
        for partition, position in positions:
            if partition in self._next:
                self._next[partition] = position

    def rest(self, partition: Partition, position: int) -> None:
        """Stop a partition before this position, until `wake`."""
        if partition in self._next:
            self._go_to(partition, position)
            self._consumer.pause(self._place(partition))

    def wake(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            if partition in self._next:
                self._consumer.resume(self._place(partition))

    def _go_to(self, partition: Partition, position: int) -> None:
        self._next[partition] = position
        self._consumer.seek(self._place(partition), position)

    def _place(self, partition: Partition) -> TopicPartition:
        topic, number = partition
        return TopicPartition(self._full_names[topic], number)


@asynccontextmanager
async def open_reader(
    settings: Settings, own: ProjectionsSettings, group: str = GROUP
) -> AsyncIterator[LogReader]:
    """Join the group, named without its prefix. Raises DependencyDown when Kafka is away."""
    session_s = own.session_timeout.total_seconds()
    idle_time.count_right()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"{settings.topic_prefix}{group}",
        group_instance_id=own.instance_id,
        # By topic, so that the stories and deliveries of a worker come to the same process.
        partition_assignment_strategy=(RangePartitionAssignor,),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        value_deserializer=as_it_is,
        # With 48 partitions, a megabyte of each would be a tenth of a worker's memory.
        max_partition_fetch_bytes=256 * 1024,
        fetch_max_wait_ms=int(own.fetch_wait.total_seconds() * 1000),
        session_timeout_ms=int(session_s * 1000),
        heartbeat_interval_ms=int(session_s * 300),
        # Who can't write for so long, others may.
        max_poll_interval_ms=int(own.longest_write.total_seconds() * 1000),
    )
    reader = LogReader(consumer, settings, own.batch_events, hand_over_s=session_s / 2)
    try:
        await consumer.start()
        reader.subscribe()
        yield reader
    except KafkaError as error:
        raise DependencyDown(f"Kafka: {error!r}") from error
    finally:
        await stop_consumer(consumer)
