"""Follows the story: batches in, deadlines passed, events out. Faust and the clock are outside."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from aiokafka import AIOKafkaProducer

from services.common.agent import Record, check_gap, fresh
from services.common.clock import Clock
from services.common.emit import publish, stored
from services.common.settings import Settings
from services.promises.stream_store import StreamStore
from services.promises.taking_in import Book, open_book, read


class Follower:
    """Keeps promises up with the story. Each step is one transaction, so a crash repeats it."""

    def __init__(
        self, settings: Settings, store: StreamStore, producer: AIOKafkaProducer, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._producer = producer
        self._clock = clock

    async def take_in(self, records: Sequence[Record]) -> None:
        """Take in what is new of a batch and move the positions.

        Raises LogSkipped when records are missing before one of these; UnknownSchema.
        """
        async with self._store.transaction() as tx:
            before = await tx.lock_positions(record.partition for record in records)
            new, after, gaps = fresh(records, before)
            for gap in gaps:
                await check_gap(self._settings, gap)
            found = read(new)
            workers = {told.worker_id for told in found.told}
            followed = await tx.followed(workers)
            promised = {worker for worker, _ in followed}
            promised |= {t.worker_id for t in found.told if t.fact.name == "PromiseMade"}
            facts = await tx.facts(promised)
            told = [t for t in await tx.add_facts(found.told) if t.worker_id in promised]
            book = open_book(told, facts, followed, self._clock())
            await tx.write(book.changed.values())
            await tx.send(book.events)
            await tx.on_the_log(found.own)
            await tx.advance(after)

    async def pass_deadlines(self, partition: int, until: datetime, end: int) -> int:
        """Let time in up to `until` for promises of a partition; answers how many were looked at.

        `end` is where the partition ended, asked after `until`. Nothing happens unless the stored
        position has passed it: what is on the log but not read yet may keep the promise.
        """
        async with self._store.transaction() as tx:
            positions = await tx.lock_positions([partition])
            if positions[partition] < end:
                return 0
            awake = await tx.awake(partition, until)
            workers = {worker for worker, _ in awake}
            book = Book(
                partitions=dict.fromkeys(workers, partition),
                facts=dict(await tx.facts(workers)),
                followed=dict(await tx.followed(workers)),
                now=self._clock(),
            )
            for worker_id, promise_id in awake:
                book.let_time_in(worker_id, promise_id, until)
            await tx.write(book.changed.values())
            await tx.send(book.events)
        return len(awake)

    async def publish(self, partitions: Collection[int]) -> int:
        """Send what waits in the outbox, in order for each worker; answers how many it was.

        The partitions must have been read to their end, so that what an earlier process sent
        without noting it is known. Raises KafkaError, TimeoutError.
        """
        rows = await self._store.unpublished(partitions)
        by_worker: Mapping[UUID, list[bytes]] = defaultdict(list)
        for _, worker_id, value in rows:
            by_worker[worker_id].append(value)
        async with asyncio.TaskGroup() as tasks:
            for worker_id, values in by_worker.items():
                tasks.create_task(self._publish(worker_id, values))
        await self._store.published([event_id for event_id, _, _ in rows])
        return len(rows)

    async def _publish(self, worker_id: UUID, values: Sequence[bytes]) -> None:
        for value in values:
            await publish(self._producer, self._settings, stored(value, worker_id.bytes))
