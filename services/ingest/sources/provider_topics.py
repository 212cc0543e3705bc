"""Providers' own topics as a source: read, judged and written on as their owner's events.

Whose topic it is, is who speaks: nothing in a record changes that. Offsets are committed after the
events, and the rejects, are on the log; a crash in between reads a batch again, whose events have
the same ids and are duplicates.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.common.access import Principal, Role, registered_role
from services.common.clock import utc_now
from services.common.errors import DependencyDown, FieldError, Problem, RetryableError
from services.common.kafka import open_producer, stop_consumer
from services.common.limits import RateLimit
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool
from services.common.settings import Settings
from services.ingest.cloud_events import Sender
from services.ingest.drafts import ItemResult, Status
from services.ingest.sources.provider_records import Lost, Reject, item_of
from services.ingest.sources.settings import ProviderTopicSettings
from services.ingest.writer import Writer

log = get_logger("providers")
_TAKEN = frozenset({Status.ACCEPTED, Status.DUPLICATE})
_DOWN = (RetryableError, KafkaError, *AWAY)
_FIRST_WAIT_S = 0.5


class ProviderTopics:
    """Reads until cancelled. What can't be written now waits in its own topic, and so do those of
    a provider that sends too fast, while the others' go on.
    """

    def __init__(
        self, own: ProviderTopicSettings, settings: Settings, writer: Writer, pool: Pool
    ) -> None:
        self._own, self._settings = own, settings
        self._writer, self._pool = writer, pool
        rate = own.records_per_second
        self._limit = RateLimit(rate, max(rate, own.batch_records), what="records")
        self._roles: dict[str, tuple[float, Role | None]] = {}
        self._paused: dict[TopicPartition, float] = {}  # until when
        self._failures: Counter[TopicPartition] = Counter()
        self._next: dict[TopicPartition, int] = {}  # offset after what was read

    async def run(self) -> None:
        """For ever. Cancel to stop; what was not committed is read again."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._read()
            except _DOWN as error:
                failures = 1 if time.monotonic() - began > 60 else failures + 1
                log.warning("trying again", why=str(error) or repr(error))
                await asyncio.sleep(self._wait_s(failures))

    def _wait_s(self, failures: int) -> float:
        doubled: float = _FIRST_WAIT_S * 2 ** min(failures - 1, 20)
        return min(doubled, self._own.longest_wait.total_seconds())

    async def _read(self) -> None:
        async with AsyncExitStack() as stack:
            producer = await stack.enter_async_context(open_producer(self._settings))
            consumer = await stack.enter_async_context(self._consuming())
            self._paused.clear()
            self._next.clear()
            tell_at = 0.0
            while True:
                self._resume(consumer)
                batches = await consumer.getmany(
                    timeout_ms=200, max_records=self._own.batch_records
                )
                await asyncio.gather(
                    *(self._take(consumer, producer, tp, found) for tp, found in batches.items())
                )
                if time.monotonic() >= tell_at:
                    await self._look_for_lost(consumer, producer)
                    await self._tell_lag(consumer)
                    tell_at = time.monotonic() + self._own.tell_lag_every.total_seconds()

    @asynccontextmanager
    async def _consuming(self) -> Any:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=self._own.group,
            group_instance_id=self._own.instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            metadata_max_age_ms=int(self._own.discovery.total_seconds() * 1000),
        )
        try:
            consumer.subscribe(pattern=self._own.pattern)
            await consumer.start()
            yield consumer
        finally:
            await stop_consumer(consumer)

    async def _take(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        where: TopicPartition,
        records: Sequence[ConsumerRecord],
    ) -> None:
        """Take a batch of one provider, or leave it for later. Raises KafkaError."""
        owner = self._own.owner_of(where.topic)
        try:
            self._limit.take(owner, len(records), time.monotonic())
            rejects = await self._written(owner, records)
            await self._return(producer, owner, rejects)
            if self._next.get(where) != records[0].offset:
                await self._tell_lost(consumer, producer, where, records[0].offset)
        except Problem as too_fast:
            self._put_off(consumer, where, records[0], float(too_fast.headers["Retry-After"]))
            return
        except _DOWN as error:
            self._failures[where] += 1
            wait_s = self._wait_s(self._failures[where])
            log.warning("a provider waits", provider=owner, why=repr(error), wait_s=wait_s)
            self._put_off(consumer, where, records[0], wait_s)
            return
        del self._failures[where]
        self._next[where] = records[-1].offset + 1
        await consumer.commit({where: self._next[where]})

    async def _tell_lost(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        where: TopicPartition,
        first: int | None = None,
    ) -> int | None:
        """Tell a provider what its topic let go of unread, before `first` where there is one.

        Returns where it goes on then. Nothing is told where Kafka no longer knows how far we had
        read: after a long time away it forgets. Raises KafkaError.
        """
        start = await consumer.committed(where)
        # A transaction leaves a gap as well, behind which the topic still begins.
        end: int = (await consumer.beginning_offsets([where]))[where]
        end = end if first is None else min(end, first)
        if start is None or end <= start:
            return None
        owner = self._own.owner_of(where.topic)
        log.error("records were removed unread", provider=owner, records=end - start)
        lost, topic = Lost(where.topic, where.partition, start, end), self._own.topic_rejects(owner)
        await producer.send_and_wait(topic, b"", headers=lost.headers())
        return end

    async def _look_for_lost(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        """Of providers that send nothing more, whose next record would tell. Raises KafkaError."""
        for where in consumer.assignment() - self._paused.keys():
            if self._next.get(where) == await consumer.position(where):
                continue
            goes_on = await self._tell_lost(consumer, producer, where)
            if goes_on is not None:
                await consumer.commit({where: goes_on})

    async def _written(self, owner: str, records: Sequence[ConsumerRecord]) -> list[Reject]:
        """Write what the records say; those that are not taken, in order. Raises as `Writer`."""
        role = await self._role(owner)
        if role is None:
            fix = "Ask the hub's operator to register it: POST /v1/organizations."
            error = FieldError("source", f"{owner} is no organisation here", fix)
            return [Reject(r, ItemResult(Status.FORBIDDEN, errors=(error,))) for r in records]
        principal = Principal(role, owner, self._own.topic_in(owner))
        sender = Sender.of(principal)
        made = [item_of(r, sender, most_bytes=self._own.record_bytes) for r in records]
        items = [item for item in made if not isinstance(item, ItemResult)]
        results = iter(await self._results(items, principal))
        became = [entry if isinstance(entry, ItemResult) else next(results) for entry in made]
        return [
            Reject(record, result)
            for record, result in zip(records, became, strict=True)
            if result.status not in _TAKEN
        ]

    async def _results(
        self, items: Sequence[Mapping[str, Any]], principal: Principal
    ) -> list[ItemResult]:
        """One result per item. An item that the hub itself trips over blocks nobody: the batch is
        halved until it is found.
        """
        if not items:
            return []
        try:
            return await self._writer.write(items, principal, utc_now())
        except _DOWN:
            raise
        except asyncpg.PostgresError as error:
            # Only what a value causes may be the record's fault; all else is ours, and passes.
            if not isinstance(error, asyncpg.DataError):
                raise DependencyDown(f"the database refuses: {error!r}") from error
            if len(items) == 1:
                return [_not_taken(principal, error)]
        except Exception as error:  # noqa: BLE001 - of ours; no other record may wait for it
            if len(items) == 1:
                return [_not_taken(principal, error)]
        middle = len(items) // 2
        first = await self._results(items[:middle], principal)
        return first + await self._results(items[middle:], principal)

    async def _return(
        self, producer: AIOKafkaProducer, owner: str, rejects: Sequence[Reject]
    ) -> None:
        """Put rejects where the provider can read them. Raises KafkaError."""
        if not rejects:
            return
        topic = self._own.topic_rejects(owner)
        log.warning("not taken", provider=owner, records=len(rejects))
        sent = [
            await producer.send(topic, r.value, key=r.record.key, headers=r.headers())
            for r in rejects
        ]
        async with asyncio.timeout(self._own.longest_wait.total_seconds()):
            await asyncio.gather(*sent)

    async def _role(self, owner: str) -> Role | None:
        """In which role the organisation was registered, as of a moment ago; None when not."""
        until, known = self._roles.get(owner, (0.0, None))
        if time.monotonic() < until:
            return known
        role = await registered_role(self._pool, owner)
        kept_s = self._own.discovery.total_seconds()
        self._roles[owner] = (time.monotonic() + kept_s, role)
        return role

    def _put_off(
        self,
        consumer: AIOKafkaConsumer,
        where: TopicPartition,
        first: ConsumerRecord,
        wait_s: float,
    ) -> None:
        consumer.seek(where, first.offset)
        consumer.pause(where)
        self._paused[where] = time.monotonic() + wait_s

    def _resume(self, consumer: AIOKafkaConsumer) -> None:
        now = time.monotonic()
        for where in [tp for tp, until in self._paused.items() if until <= now]:
            del self._paused[where]
            if where in consumer.assignment():
                consumer.resume(where)

    async def _tell_lag(self, consumer: AIOKafkaConsumer) -> None:
        """Records that wait, by provider; nothing when none do."""
        waiting: Counter[str] = Counter()
        for where in consumer.assignment():
            behind = (consumer.highwater(where) or 0) - await consumer.position(where)
            waiting[self._own.owner_of(where.topic)] += max(behind, 0)
        if behind_now := {owner: count for owner, count in waiting.items() if count}:
            log.info("records wait", by_provider=behind_now)


def _not_taken(principal: Principal, error: Exception) -> ItemResult:
    log.error("a record can't be taken", provider=principal.subject, exc_info=error)
    problem = FieldError("", "the hub could not take this", "Tell the hub's operator.")
    return ItemResult(Status.INVALID, errors=(problem,))
