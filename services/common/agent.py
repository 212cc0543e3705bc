"""A Faust agent over `stories` whose position is PostgreSQL's: what is shared by those who run one.

The group only shares out partitions. A batch is acknowledged after its transaction; a record that
a position has passed is skipped; one beyond the next expected one stops the worker, unless the log
holds nothing between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import faust
from aiokafka import TopicPartition

from services.common.agent_positions import Positions, StoredTransport
from services.common.errors import ThroughlineError, UnknownSchema
from services.common.kafka import open_consumer
from services.common.later_schemas import LaterSchemas
from services.common.settings import Settings

TOPIC = "stories"

Handle = Callable[[Sequence["Record"]], Awaitable[None]]
OnCrash = Callable[[BaseException], None]


class LogSkipped(ThroughlineError):
    """A record came that is beyond the next one expected, and the log has others between.

    So this reader, or the database, is not where it thinks it is: stop, nothing may be skipped.
    """


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `stories` as Kafka has it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that did not come: Kafka's own markers, or records that were skipped."""

    partition: int
    expected: int
    came: int


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How an agent reads: its consumer group, the size of a batch, and how long one may wait."""

    group: str
    batch: int
    within: timedelta
    session_timeout: timedelta
    instance_id: str | None


def fresh(
    records: Sequence[Record], positions: Mapping[int, int]
) -> tuple[list[Record], dict[int, int], list[Gap]]:
    """What is new after the stored positions: records, the positions after them, and gaps."""
    new: list[Record] = []
    after = dict(positions)
    gaps: list[Gap] = []
    for record in records:
        expected = after[record.partition]
        if record.offset < expected:
            continue
        if record.offset > expected:
            gaps.append(Gap(record.partition, expected, record.offset))
        new.append(record)
        after[record.partition] = record.offset + 1
    return new, after, gaps


async def check_gap(settings: Settings, gap: Gap) -> None:
    """Read the log where offsets did not come. Raises LogSkipped when there are records.

    Kafka itself uses offsets up (the markers of transactions), so a gap alone says nothing.
    """
    where = TopicPartition(settings.topic(TOPIC), gap.partition)
    async with open_consumer(settings) as consumer:
        consumer.assign([where])
        consumer.seek(where, gap.expected)
        async with asyncio.timeout(30):
            record = await consumer.getone()
    if record.offset < gap.came:
        raise LogSkipped(
            f"{TOPIC}:{gap.partition}: expected {gap.expected}, got {gap.came}, "
            f"and the log has {record.offset} between"
        )


async def partitions_of(settings: Settings) -> Collection[int]:
    """The numbers of the partitions of `stories`. Raises KafkaError."""
    topic = settings.topic(TOPIC)
    async with open_consumer(settings, topic) as consumer:
        return sorted(consumer.partitions_for_topic(topic) or ())


class Agent:
    """A running agent: which partitions it has now, and where they end on the log.

    `failed` gets what stops it; nothing is acknowledged after that.
    """

    def __init__(self, app: Any, topic: str) -> None:
        self._app = app
        self._topic = topic
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def crashed(self, error: BaseException) -> None:
        """The first error counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    @property
    def generation(self) -> int:
        """Changes with each rebalance."""
        return int(self._app.consumer_generation_id)

    def owned(self) -> frozenset[int]:
        """The partitions that are assigned to this member; none while they are shared out anew."""
        if self._app.rebalancing:
            return frozenset()
        return frozenset(
            tp.partition for tp in self._app.consumer.assignment() if tp.topic == self._topic
        )

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """The offset after the last record of each partition, asked of the broker now."""
        wanted = [TopicPartition(self._topic, number) for number in sorted(partitions)]
        found = await self._app.consumer.highwaters(*wanted)
        return {tp.partition: offset for tp, offset in found.items()}


@asynccontextmanager
async def agent_running(
    settings: Settings, options: AgentOptions, folder: Path, positions: Positions, handle: Handle
) -> AsyncIterator[Agent]:
    """Run the agent from `positions`. `handle` must have committed when it returns.

    Faust keeps nothing in `folder` that matters.
    """
    app = _app(settings, options, folder)
    app.transport = StoredTransport(settings, app, positions)
    agent = Agent(app, settings.topic(TOPIC))
    _add_agent(app, settings, options, handle, agent.crashed)
    app.finalize()
    await app.start()
    watch = asyncio.create_task(_watch(app, agent.crashed), name="watch Faust")
    try:
        yield agent
    finally:
        watch.cancel()
        await app.stop()


def _app(settings: Settings, options: AgentOptions, folder: Path) -> Any:
    session_s = options.session_timeout.total_seconds()
    return faust.App(
        options.group,
        broker=f"kafka://{settings.kafka_bootstrap.replace(',', ';kafka://')}",
        datadir=folder,
        autodiscover=False,
        origin=None,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=options.instance_id,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 4,
        broker_request_timeout=session_s * 2 + 10,
        broker_rebalance_timeout=session_s,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        store="memory://",
    )


def _add_agent(
    app: Any, settings: Settings, options: AgentOptions, handle: Handle, on_crash: OnCrash
) -> None:
    topic = app.topic(
        settings.topic(TOPIC),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )

    later = LaterSchemas(settings)

    async def stories(stream: Any) -> None:
        """Acknowledge after the commit. (`take` would do so even if the batch failed.)"""
        try:
            within = options.within.total_seconds()
            async for events in stream.noack_take(options.batch, within=within):
                await _handled(handle, [_record(event) for event in events], later)
                for event in events:
                    await stream.ack(event)
        except Exception as error:
            on_crash(error)
            raise

    app.agent(topic, name=options.group)(stories)


async def _handled(handle: Handle, records: Sequence[Record], later: LaterSchemas) -> None:
    """Each schema that is unknown here is asked for once. Raises UnknownSchema when none helps."""
    while True:
        try:
            return await handle(records)
        except UnknownSchema as unknown:
            await later.find(unknown)


def _record(event: Any) -> Record:
    message = event.message
    trace = dict(message.headers or ()).get("traceparent")
    return Record(
        message.partition,
        message.offset,
        event.key,
        event.value or b"",
        trace.decode("ascii", "replace") if trace else None,
    )


async def _watch(app: Any, on_crash: OnCrash) -> None:
    """Tell when Faust itself gives up."""
    await app.wait_until_stopped()
    on_crash(app.crash_reason or RuntimeError("Faust stopped"))
