"""An agent on real Kafka reads from the stored positions, whatever its group remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from services.common.agent import TOPIC, Agent, AgentOptions, Gap, Record, agent_running, fresh
from services.common.errors import PositionOutsideLog
from services.common.kafka import create_topics, open_consumer, open_producer
from services.common.settings import Settings
from services.launcher.kafka import LocalKafka
from tests.processes import until


@dataclass
class Reader:
    """Keeps positions as PostgreSQL would, and what came beyond them."""

    settings: Settings
    folder: Path
    positions: dict[int, int]
    came: list[Record] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    broken: Exception | None = None
    takes_s: float = 0  # for a batch
    looks_s: float = 0  # for the positions
    batch: int = 10

    async def stored(self) -> dict[int, int]:
        self.asked.set()
        if self.broken:
            raise self.broken
        await asyncio.sleep(self.looks_s)
        return dict(self.positions)

    async def take(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(self.takes_s)
        new, self.positions, gaps = fresh(records, self.positions)
        self.came += new
        self.gaps += gaps

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Agent]:
        """A member of the group; there may be several."""
        second = timedelta(seconds=1)
        options = AgentOptions(self.group, self.batch, second / 100, 10 * second, None)
        async with agent_running(
            self.settings, options, self.folder / str(uuid4()), self.stored, self.take
        ) as agent:
            yield agent

    @property
    def group(self) -> str:
        return f"{self.settings.topic_prefix}group"

    async def read_to(self, ends: dict[int, int]) -> None:
        async def there() -> bool:
            return self.positions == ends

        await until(there)


@pytest.fixture
def reader(settings: Settings, tmp_path: Path) -> Reader:
    return Reader(settings, tmp_path, dict.fromkeys(range(settings.partitions), 0))


async def share(*members: Agent) -> None:
    """Wait until each has partitions of its own."""

    async def told() -> bool:
        owned = [member.owned() for member in members]
        return all(owned) and len(frozenset.union(*owned)) == sum(map(len, owned))

    await until(told)


async def write(producer: AIOKafkaProducer, settings: Settings, each: int) -> dict[int, int]:
    """So many records to every partition; answers where they end."""
    ends = {}
    for partition in range(settings.partitions):
        for n in range(each):
            sent = await producer.send_and_wait(
                settings.topic(TOPIC), b"%d" % n, key=b"k", partition=partition
            )
            ends[partition] = sent.offset + 1
    return ends


async def test_the_group_may_remember_nothing_or_more(
    settings: Settings, producer: AIOKafkaProducer, reader: Reader
) -> None:
    ends = await write(producer, settings, 5)
    more = {TopicPartition(settings.topic(TOPIC), 0): OffsetAndMetadata(5, "")}
    async with open_consumer(settings, group_id=reader.group) as consumer:
        consumer.assign(list(more))
        await consumer.commit(more)
    reader.positions[0] = reader.positions[1] = 3
    reader.looks_s = 2  # Faust lets records in before it has set its reader back
    async with reader.running():
        await reader.read_to(ends)
    assert [r.offset for r in reader.came if r.partition == 0] == [3, 4]
    assert [r.offset for r in reader.came if r.partition == 1] == [3, 4]
    assert [r.offset for r in reader.came if r.partition == 2] == [0, 1, 2, 3, 4]
    assert not reader.gaps


async def test_members_that_come_and_go_take_nothing_along(
    settings: Settings, producer: AIOKafkaProducer, reader: Reader
) -> None:
    """Nothing is committed yet: what Faust throws away while it shares out comes again."""
    reader.batch, reader.takes_s = 1, 0.01
    async with reader.running() as agent:
        for _ in range(2):
            await write(producer, settings, 50)
            async with reader.running() as other:
                ends = await write(producer, settings, 1)
                await share(agent, other)
            assert not other.failed.done()
        await reader.read_to(ends)
        assert not agent.failed.done()
    assert not reader.gaps


@pytest.mark.parametrize("at", [4, 1])
async def test_a_position_that_the_log_does_not_have_stops_the_agent(
    settings: Settings, producer: AIOKafkaProducer, reader: Reader, at: int
) -> None:
    """The log was restored from an older backup, or lost its beginning."""
    await write(producer, settings, 3)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(settings.topic(TOPIC), 2): RecordsToDelete(2)})
    await admin.close()
    reader.positions[2] = at
    async with reader.running() as agent:
        with pytest.raises(PositionOutsideLog, match=f"position {at}, the log has 2 to 3"):
            await asyncio.wait_for(agent.failed, 30)


@pytest.mark.parametrize("broken", [ConnectionRefusedError(), TimeoutError()])
async def test_who_can_not_learn_the_positions_ends(
    settings: Settings, reader: Reader, tmp_path: Path, broken: Exception
) -> None:
    """Faust would go on without what it threw away, or keep its partitions and wait for ever."""
    other = Reader(settings, tmp_path, reader.positions)
    async with reader.running() as agent:
        if isinstance(broken, TimeoutError):
            reader.looks_s = 60
        else:
            reader.broken = broken
        async with other.running():
            with pytest.raises(type(broken)):
                await asyncio.wait_for(asyncio.shield(agent.failed), 30)


async def test_it_ends_while_partitions_are_being_shared_out(
    settings: Settings, reader: Reader, tmp_path: Path
) -> None:
    """Its thread takes no calls any more when the positions are there."""
    other = Reader(settings, tmp_path, reader.positions)
    async with AsyncExitStack() as second:
        async with asyncio.timeout(30), reader.running():
            reader.looks_s = 1
            reader.asked.clear()
            joining = asyncio.create_task(second.enter_async_context(other.running()))
            await reader.asked.wait()
        await joining


async def test_it_ends_at_once_while_kafka_is_away(settings: Settings, tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path / "kafka")
    await asyncio.to_thread(kafka.start)
    theirs = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
    await create_topics(theirs)
    reader = Reader(theirs, tmp_path, dict.fromkeys(range(theirs.partitions), 0))
    async with asyncio.timeout(None) as limit, reader.running():
        async with open_producer(theirs) as producer:
            ends = await write(producer, theirs, 5)
        await reader.read_to(ends)
        await asyncio.to_thread(kafka.stop)
        await asyncio.sleep(3)  # until it has tried to tell the group something
        limit.reschedule(asyncio.get_running_loop().time() + 20)
