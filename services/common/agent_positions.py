"""Where a Faust agent reads on after partitions were shared out: at the stored positions.

Faust throws away what comes while they are, and sets its reader back to the group's committed
offsets. Where none is committed yet, or 0, aiokafka's `seek_to_committed` leaves the reader where
it is, and what was thrown away would never come again. A group may also remember more than a
database that was restored from a backup. So its offsets decide nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode.threads import QueueServiceThread

from services.common.errors import PositionOutsideLog
from services.common.kafka import open_consumer, stop_consumer
from services.common.settings import Settings

Positions = Callable[[], Awaitable[Mapping[int, int]]]


class _Thread(AIOKafkaConsumerThread):  # type: ignore[misc]
    async def seek_to(self, positions: Mapping[int, int]) -> Mapping[TopicPartition, int]:
        found: Mapping[TopicPartition, int] = await self.call_thread(self._seek_to, positions)
        return found

    async def _seek_to(self, positions: Mapping[int, int]) -> Mapping[TopicPartition, int]:
        consumer = self._ensure_consumer()
        places = {
            tp: positions[tp.partition] for tp in consumer.assignment() if tp.partition in positions
        }
        for tp, at in places.items():
            consumer.seek(tp, at)
        return places

    async def on_thread_stop(self) -> None:
        """As in Faust, but that a reader's end may not look like a cancellation: the thread would
        end without a word, and Faust wait a minute for it."""
        await QueueServiceThread.on_thread_stop(self)
        if self._consumer is not None:
            await stop_consumer(self._consumer)


class _Consumer(Consumer):  # type: ignore[misc]
    """Runs on the app's loop; its thread does what aiokafka is asked for."""

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(
        self, assigned: Set[TopicPartition], generation_id: int = 0
    ) -> None:
        """Before anything can come: Faust lets records in shortly before it sets back."""
        try:
            async with self._or_crash():
                stored = await self.transport.positions()
                await check_positions(self.transport.settings, assigned, stored)
            await self.perform_seek()
        except ConsumerStoppedError:
            return
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """What Faust calls whenever it has thrown records away."""
        async with self._or_crash():
            stored = await self.transport.positions()
            if self.should_stop:
                raise ConsumerStoppedError  # its thread would leave a call without an answer
            found: Mapping[Any, int] = await self._thread.seek_to(stored)
        return found

    @asynccontextmanager
    async def _or_crash(self) -> AsyncIterator[None]:
        """Who can't set back ends: Faust would go on without what it threw away, or wait.

        In less than a session, for nobody tells the broker meanwhile that this member lives.
        """
        try:
            async with asyncio.timeout(0.8 * self.app.conf.broker_session_timeout):
                yield
        except ConsumerStoppedError:
            raise
        except Exception as error:
            await self.crash(error)
            raise

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        """The group is told nothing: nobody would read it, and while Kafka is away aiokafka
        tries without end, and an agent that is to stop waits for that."""
        self._thread.tp_last_committed_at.update(dict.fromkeys(offsets, monotonic()))
        return True


class StoredTransport(Transport):  # type: ignore[misc]
    """Faust's way to Kafka for an agent that goes on at `positions`: partition, next offset."""

    Consumer = _Consumer

    def __init__(self, settings: Settings, app: Any, positions: Positions) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.settings = settings
        self.positions = positions


async def check_positions(
    settings: Settings, places: Set[TopicPartition], positions: Mapping[int, int]
) -> None:
    """Raises PositionOutsideLog where a position is before the first record or after the end.

    By a connection of its own: on the reader's, an answer waits behind a fetch that finds nothing.
    """
    wanted = [TopicPartition(*tp) for tp in places if tp.partition in positions]
    async with open_consumer(settings) as consumer:
        first, end = await consumer.beginning_offsets(wanted), await consumer.end_offsets(wanted)
    for tp in wanted:
        at = positions[tp.partition]
        if not first[tp] <= at <= end[tp]:
            has = f"the log has {first[tp]} to {end[tp]}"
            raise PositionOutsideLog(f"{tp.topic}:{tp.partition}: stored position {at}, {has}")
