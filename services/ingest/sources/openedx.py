"""Open edX's event bus as a source: read, mapped, written; then the offsets are committed.

A crash in between reads a batch again; its events have the same ids and are duplicates.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from connectors.openedx.mapping import Item, Message, events
from services.common.access import Principal, registered_role
from services.common.clock import utc_now
from services.common.errors import DoesNotDecode, RetryableError
from services.common.kafka import stop_consumer
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool
from services.ingest.drafts import ItemResult, Status
from services.ingest.sources.registry import Registry
from services.ingest.sources.settings import OpenEdxSettings
from services.ingest.sources.waits import Waits
from services.ingest.writer import Writer

log = get_logger("openedx")

_FIRST_WAIT_S = 0.5
_SILENT_S = 5.0  # with no records for so long, their Kafka is asked whether it is there
_TAKEN = {Status.ACCEPTED, Status.DUPLICATE}
REJECT = """
INSERT INTO ingest_work.source_reject (source, topic, partition, log_offset, reason)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, or an event made of it, that was not taken."""

    record: ConsumerRecord
    reason: str


class OpenEdxSource:
    """Reads their topics until stopped, with waits while something is away."""

    def __init__(self, own: OpenEdxSettings, bootstrap: str, writer: Writer, pool: Pool) -> None:
        self._own = own
        self._bootstrap = own.bootstrap or bootstrap
        self._writer = writer
        self._pool = pool
        self._registry = Registry(own.registry_url, own.registry_timeout)
        self._waits = Waits(pool, own.provider_id)
        self._wait_s = _FIRST_WAIT_S  # doubles with each failure until something is taken

    async def run(self) -> None:
        """For ever. Cancel to stop; what was not committed is read again."""
        try:
            while True:
                try:
                    await self._read()
                except (RetryableError, KafkaError, *AWAY) as error:
                    await self._wait(str(error) or repr(error))
        finally:
            await self._registry.close()

    async def _wait(self, why: str) -> None:
        wait_s = self._wait_s
        log.warning("trying again", why=why, wait_s=wait_s)
        await self._waits.waits(why, timedelta(seconds=wait_s))
        await asyncio.sleep(wait_s)
        self._wait_s = min(2 * wait_s, self._own.longest_wait.total_seconds())

    async def _author(self) -> Principal:
        """Their organisation, in the role in which it was registered. Raises RetryableError."""
        role = await registered_role(self._pool, self._own.provider_id)
        if role is None:
            raise RetryableError(f"no organisation {self._own.provider_id} is registered")
        return Principal(role, self._own.provider_id, "openedx")

    async def _read(self) -> None:
        author = await self._author()
        consumer = AIOKafkaConsumer(
            *self._own.topics,
            bootstrap_servers=self._bootstrap,
            group_id=self._own.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            asked_at = time.monotonic()
            while True:
                batches = await consumer.getmany(timeout_ms=200, max_records=self._own.batch_events)
                for partition, records in batches.items():
                    await self._take(records, author)
                    await consumer.commit({partition: records[-1].offset + 1})
                    await self._waits.goes_on()
                    self._wait_s = _FIRST_WAIT_S
                if not batches and time.monotonic() > asked_at + _SILENT_S:
                    # A reader tries for ever, and raises nothing, when its cluster goes.
                    await consumer.topics()
                    asked_at = time.monotonic()
        finally:
            await stop_consumer(consumer)

    async def _take(self, records: Sequence[ConsumerRecord], author: Principal) -> None:
        """Write what the records mean; keep, with the reason, what cannot be taken."""
        items: list[tuple[ConsumerRecord, Item]] = []
        rejects: list[Reject] = []
        for record in records:
            try:
                message = await self._message(record)
                found = events(message, self._own.provider_id)
                items += [(record, item) for item in found]
            except (DoesNotDecode, KeyError, TypeError, ValueError) as error:
                rejects.append(Reject(record, f"{type(error).__name__}: {error}"))
        results = await self._writer.write([item for _, item in items], author, utc_now())
        rejects += [
            Reject(record, _reason(item, result))
            for (record, item), result in zip(items, results, strict=True)
            if result.status not in _TAKEN
        ]
        await self._keep(rejects)

    async def _message(self, record: ConsumerRecord) -> Message:
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        missing = [n for n in ("ce_type", "ce_id", "ce_time") if n not in headers]
        if missing or record.value is None:
            raise DoesNotDecode(f"no {', '.join(missing) or 'value'}")
        data: Any = await self._registry.decode(record.value)
        return Message(headers["ce_type"], headers["ce_id"], headers["ce_time"], data)

    async def _keep(self, rejects: Sequence[Reject]) -> None:
        if not rejects:
            return
        log.warning("not taken", records=len(rejects), first=rejects[0].reason[:200])
        rows = [
            (self._own.provider_id, r.record.topic, r.record.partition, r.record.offset, r.reason)
            for r in rejects
        ]
        await self._pool.executemany(REJECT, rows)


def _reason(item: Item, result: ItemResult) -> str:
    errors = orjson.dumps([error.as_dict() for error in result.errors]).decode()
    return f"{item['type']} {result.status.value}: {errors}"[:1000]
