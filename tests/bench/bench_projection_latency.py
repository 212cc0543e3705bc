"""From publishing an event to its row being visible, at a steady thousand events a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaProducer

from services.common.kafka import open_producer
from services.common.settings import Settings
from services.projections.intake import Partition
from tests.bench.figure import Figure
from tests.bench.projecting import fresh_tables, worker
from tests.bench.servers import hub, servers
from tests.bench.world import Sent, World
from tests.bench.world_log import headers_of

DESCRIPTION: str = "Milliseconds from an event published to its row visible, at 1,000 events/s"

RATE = 1_000  # events a second
SECONDS = 30
WARM = 3  # seconds that do not count: the first batches compile their plans
AIMS_MS = {50: None, 95: 100.0, 99: 250.0}
_TICK_S = 0.01
_NEAR = 0.95  # of the rate


class Published(NamedTuple):
    """Where an event is on the log, and when it was handed to the producer (seconds)."""

    place: Partition
    offset: int
    at: float


class Moved(NamedTuple):
    """A note of PostgreSQL's after a commit: rows before `next_offset` are visible."""

    place: Partition
    next_offset: int
    at: float


async def run(scale: float) -> list[Figure]:
    """Raises AssertionError when an event never became visible."""
    seconds = max(2.0, SECONDS * min(1.0, scale * 10))
    world = World(2_000)
    with servers() as (bootstrap, database_url):
        async with hub(bootstrap, database_url) as settings:
            await fresh_tables(settings)
            async with worker(settings), noted(settings) as notes:
                await until_ready(settings)
                published = await publish_at_rate(settings, world, WARM + seconds)
                await until_visible(published, notes)
            await _check(settings, len(published))
    counted = published[WARM * RATE :]
    scale_of = {"events": len(counted), "rate": RATE, "seconds": seconds}
    return [
        reached("projection.visible", counted, scale_of),
        *figures("projection.visible", latencies_ms(counted, notes), AIMS_MS, scale_of),
    ]


def reached(name: str, published: Sequence[Published], scale: dict[str, Any]) -> Figure:
    """The rate at which events were handed over; a delay at half the rate would say nothing."""
    rate = (len(published) - 1) / (published[-1].at - published[0].at)
    met = rate >= _NEAR * RATE
    told = f">= {_NEAR * RATE:g}"
    return Figure(name=f"{name}_at", value=rate, unit="events/s", aim=told, met=met, scale=scale)


def figures(
    name: str, found: Sequence[float], aims: dict[int, float | None], scale: dict[str, Any]
) -> list[Figure]:
    """One figure for each percentile."""
    ordered = sorted(found)
    made = []
    for share, aim in aims.items():
        value = ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
        told = None if aim is None else f"< {aim:g} ms"
        met = None if aim is None else value < aim
        made.append(
            Figure(name=f"{name}_p{share}", value=value, unit="ms", aim=told, met=met, scale=scale)
        )
    return made


async def until_ready(settings: Settings) -> None:
    """Wait until a worker has taken the partitions."""
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    async with asyncio.timeout(60):
        while not await connection.fetchval("SELECT count(*) FROM read.stream_position"):
            await asyncio.sleep(0.1)
    await connection.close()


@asynccontextmanager
async def noted(settings: Settings) -> AsyncIterator[list[Moved]]:
    """Collects the notes that a commit sends, each with the instant at which it came."""
    notes: list[Moved] = []

    def note(_connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        topic, partition, next_offset = payload.split(":")
        notes.append(Moved((topic, int(partition)), int(next_offset), time.perf_counter()))

    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.add_listener("positions", note)
    try:
        yield notes
    finally:
        await connection.close()


async def publish_at_rate(
    settings: Settings, world: World, seconds: float, enough: asyncio.Event | None = None
) -> list[Published]:
    """Publish the world's events in order, as many in each hundredth of a second as are due.

    It ends after so many seconds, or when there are enough.
    """
    wanted = min(round(seconds * RATE), world.stories)
    told = islice(
        (sent for chunk in world.sent() for sent in chunk if sent.topic != "directory"), wanted
    )
    async with open_producer(settings) as producer:
        sending: list[asyncio.Task[Published]] = []
        began = time.perf_counter()
        while len(sending) < wanted and not (enough and enough.is_set()):
            due = min(wanted, round((time.perf_counter() - began) * RATE)) - len(sending)
            for sent in islice(told, due):
                sending.append(asyncio.create_task(publish_event(settings, producer, sent)))
            await asyncio.sleep(_TICK_S)
        return list(await asyncio.gather(*sending))


async def publish_event(settings: Settings, producer: AIOKafkaProducer, sent: Sent) -> Published:
    at = time.perf_counter()
    topic, told = settings.topic(sent.topic), headers_of(sent)
    future = await producer.send(topic, sent.value, key=sent.key, headers=list(told))
    stored = await future
    return Published((sent.topic, stored.partition), stored.offset, at)


async def until_visible(published: Sequence[Published], notes: Sequence[Moved]) -> None:
    """Wait for the note that covers the last event of every partition."""
    last: dict[Partition, int] = {}
    for event in published:
        last[event.place] = max(last.get(event.place, 0), event.offset)
    seen = 0
    async with asyncio.timeout(60):
        while last:
            for note in notes[seen:]:
                seen += 1
                if last.get(note.place, note.next_offset) < note.next_offset:
                    del last[note.place]
            await asyncio.sleep(_TICK_S)


def latencies_ms(published: Sequence[Published], notes: Sequence[Moved]) -> list[float]:
    """From handing each event over to the note of the commit that made its row visible."""
    by_place: dict[Partition, Iterator[Moved]] = {}
    for place in {note.place for note in notes}:
        by_place[place] = iter([note for note in notes if note.place == place])
    current: dict[Partition, Moved] = {}
    found = []
    for event in sorted(published, key=lambda event: event.offset):
        note = current.get(event.place) or next(by_place[event.place])
        while note.next_offset <= event.offset:
            note = next(by_place[event.place])
        current[event.place] = note
        found.append(1000 * (note.at - event.at))
    return found


async def _check(settings: Settings, published: int) -> None:
    connection: Any = await asyncpg.connect(settings.database_url.get_secret_value())
    query = "SELECT (SELECT count(*) FROM read.story) + (SELECT count(*) FROM read.set_aside)"
    found = await connection.fetchval(query)
    await connection.close()
    if found != published:
        raise AssertionError(f"{found} events are in the tables, {published} were published")
