"""Delivery's own events on their way to the log; a row goes once it is there."""

from __future__ import annotations

import asyncio
import contextlib

from aiokafka import AIOKafkaProducer

from services.common.emit import Event, publish, stored
from services.common.locks import Lock
from services.common.log import get_logger
from services.common.postgres import Pool
from services.common.settings import Settings

log = get_logger("announce")
# Nobody waits for these by the millisecond, and together they cost less.
_GATHER_S = 0.05
# One publisher at a time, so that a worker's attempts stay in order.
MINE = "SELECT pg_try_advisory_xact_lock($1)"
NEXT = """
SELECT announcement_id, key, value, traceparent FROM delivery_work.announcement
ORDER BY announcement_id LIMIT 500
"""
DONE = "DELETE FROM delivery_work.announcement WHERE announcement_id = ANY ($1)"


class Announcer:
    def __init__(self, pool: Pool, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._pool = pool
        self._producer = producer
        self._settings = settings
        self._due = asyncio.Event()

    def wake(self, _payload: str = "") -> None:
        self._due.set()

    async def run(self) -> None:
        """Publish for ever. Raises KafkaError, TimeoutError; the rows wait for the next start."""
        while True:
            self._due.clear()
            if await self.publish_some():
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._due.wait()
            await asyncio.sleep(_GATHER_S)

    async def publish_some(self) -> int:
        """Publish the oldest rows; 0 when there are none, or another process is at it."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(MINE, Lock.ANNOUNCE):
                return 0
            rows = await connection.fetch(NEXT)
            async with asyncio.TaskGroup() as tasks:
                for row in rows:
                    tasks.create_task(self._publish(row["value"], row["key"], row["traceparent"]))
            await connection.execute(DONE, [row["announcement_id"] for row in rows])
        return len(rows)

    async def _publish(self, value: bytes, key: bytes, traceparent: str | None) -> None:
        event = stored(value, key)
        trace = [("traceparent", traceparent.encode())] if traceparent else []
        headers = [*event.headers, *trace]
        await publish(self._producer, self._settings, Event(event.event_type, key, value, headers))
