"""Matching: a Faust agent over `stories` that writes what may be sent into the outbox.

PostgreSQL's position is the truth; Faust's committed offsets only say where to begin to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from services.common import tracing
from services.common.errors import DependencyDown
from services.common.log import get_logger
from services.common.settings import Settings
from services.delivery.handlers import Gap, LogSkipped, Record, fresh, sort
from services.delivery.match_store import MatchStore
from services.delivery.settings import DeliverySettings

log = get_logger("match")
TOPIC = "stories"
_RETRY_S = 0.5


def group_of(settings: Settings) -> str:
    return f"{settings.topic_prefix}delivery"


class Matcher:
    """Matches batches of records, whoever reads them."""

    def __init__(self, settings: Settings, store: MatchStore) -> None:
        self._settings = settings
        self._store = store

    async def match(self, records: Sequence[Record]) -> None:
        """Match what is new in a batch and move the positions, in one transaction.

        Raises LogSkipped when records are missing before one of these.
        """
        async with self._store.transaction() as tx:
            before = await tx.lock_positions(TOPIC, {r.partition for r in records})
            new, after, gaps = fresh(records, before)
            for gap in gaps:
                await check_gap(self._settings, gap)
            found = sort(new)
            for record in found.unreadable:
                where = f"{TOPIC}:{record.partition}:{record.offset}"
                log.error("unreadable record, shown to nobody", position=where)
            await tx.view(found.grants, found.withdrawals)
            traces = [("traceparent", t.encode()) for r in new if (t := r.traceparent)]
            with tracing.tracer.start_as_current_span(
                "match", context=tracing.context_of(traces[:1])
            ):
                await tx.match(found.candidates)
            await tx.advance(TOPIC, before, after)


async def check_gap(settings: Settings, gap: Gap) -> None:
    """Read the log where offsets did not come. Raises LogSkipped when there are records.

    Kafka itself uses offsets up (the markers of transactions), so a gap alone says nothing.
    """
    where = TopicPartition(settings.topic(TOPIC), gap.partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([where])
        consumer.seek(where, gap.expected)
        record = await asyncio.wait_for(consumer.getone(), 30)
    finally:
        await consumer.stop()
    if record.offset < gap.came:
        raise LogSkipped(
            f"{TOPIC}:{gap.partition}: expected {gap.expected}, got {gap.came}, "
            f"and the log has {record.offset} between"
        )


async def align(settings: Settings, own: DeliverySettings, store: MatchStore) -> None:
    """Make the positions, and commit them as the group's offsets where they differ.

    While another member is there (or one that died is still believed to be), the group refuses
    that. Offsets that are behind do no harm, for what was matched is skipped; with offsets ahead
    nothing may start. Raises DependencyDown when they stay so.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=group_of(settings),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(3 * own.session_timeout.total_seconds()):
            await _align(consumer, settings.topic(TOPIC), store)
    except TimeoutError as error:
        raise DependencyDown(
            "the consumer group is beyond the database's positions and has members: stop them"
        ) from error
    finally:
        await consumer.stop()


async def _align(consumer: AIOKafkaConsumer, topic: str, store: MatchStore) -> None:
    numbers = await _partitions(consumer, topic)
    await store.make_positions(TOPIC, numbers)
    consumer.assign([TopicPartition(topic, number) for number in numbers])
    while True:
        positions = await store.positions(TOPIC)
        wanted = {TopicPartition(topic, number): positions[number] for number in numbers}
        known = {tp: await consumer.committed(tp) for tp in wanted}
        if known == wanted:
            return
        try:
            await consumer.commit({tp: OffsetAndMetadata(o, "") for tp, o in wanted.items()})
        except KafkaError as error:
            ahead = [tp.partition for tp, offset in known.items() if (offset or 0) > wanted[tp]]
            log.info("the group has members", error=type(error).__name__, ahead=ahead)
            if not ahead:
                return
            await asyncio.sleep(_RETRY_S)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The topic's partitions, once the client knows them."""
    while not (found := consumer.partitions_for_topic(topic)):
        await consumer._client._wait_on_metadata(topic)
    return set(found)


OnCrash = Callable[[BaseException], None]


@asynccontextmanager
async def agent_running(
    settings: Settings, own: DeliverySettings, matcher: Matcher, folder: Path, on_crash: OnCrash
) -> AsyncIterator[None]:
    """Run the Faust agent. `on_crash` gets what stops it; nothing is acknowledged after that."""
    app = _app(settings, own, folder)
    _add_agent(app, settings, own, matcher.match, on_crash)
    app.finalize()
    await app.start()
    watch = asyncio.create_task(_watch(app, on_crash), name="watch Faust")
    try:
        yield
    finally:
        watch.cancel()
        await app.stop()


def _app(settings: Settings, own: DeliverySettings, folder: Path) -> Any:
    session_s = own.session_timeout.total_seconds()
    return faust.App(
        group_of(settings),
        broker=f"kafka://{settings.kafka_bootstrap.replace(',', ';kafka://')}",
        datadir=folder,
        autodiscover=False,
        origin=None,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=own.instance_id or "",
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 4,
        broker_request_timeout=session_s * 2 + 10,
        broker_rebalance_timeout=session_s,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        store="memory://",
    )


def _add_agent(
    app: Any,
    settings: Settings,
    own: DeliverySettings,
    match: Callable[[Sequence[Record]], Awaitable[None]],
    on_crash: OnCrash,
) -> None:
    topic = app.topic(
        settings.topic(TOPIC),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )

    async def stories(stream: Any) -> None:
        """Acknowledge after the commit. (`take` would do so even if the batch failed.)"""
        try:
            within = own.match_within.total_seconds()
            async for events in stream.noack_take(own.match_batch, within=within):
                await match([_record(event) for event in events])
                for event in events:
                    await stream.ack(event)
        except Exception as error:
            on_crash(error)
            raise

    app.agent(topic, name="delivery.match")(stories)


def _record(event: Any) -> Record:
    message = event.message
    headers = dict(message.headers or ())
    trace = headers.get("traceparent")
    return Record(
        message.partition,
        message.offset,
        event.key,
        event.value,
        trace.decode("ascii", "replace") if trace else None,
    )


async def _watch(app: Any, on_crash: OnCrash) -> None:
    """Tell when Faust itself gives up."""
    await app.wait_until_stopped()
    on_crash(app.crash_reason or RuntimeError("Faust stopped"))
