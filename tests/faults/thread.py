"""The thread under fire: SIGKILL of every process, of Kafka and of PostgreSQL, and a count.

Events go in at a steady rate, by a sender that repeats what was not acknowledged, under the same
ids. People start and stop sharing meanwhile. In the end everything is counted.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.common.vault import Vault
from tests.e2e.receiver import Receiver
from tests.e2e.world import World, found, share
from tests.faults.hub import FaultyHub
from tests.faults.report import Report
from tests.processes import until

DESCRIPTION = "SIGKILL of every process, Kafka and PostgreSQL under 300 events/s"
WORKERS, RATE, BATCH = 60, 300, 100
START = datetime(2026, 1, 5, tzinfo=UTC)
AGAIN = (httpx.HTTPError, AssertionError)


class Sender:
    """Posts numbered steps at a rate; repeats a batch until every event is acknowledged."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged: dict[UUID, list[UUID]] = {w: [] for w in world.workers}
        self.step = 0

    async def run(self, until_at: float) -> None:
        while (due := time.monotonic()) < until_at:
            await self._send([self._event() for _ in range(BATCH)])
            await asyncio.sleep(max(0.0, due + BATCH / RATE - time.monotonic()))

    def _event(self) -> dict[str, Any]:
        number, step = self.step % WORKERS, self.step // WORKERS
        self.step += 1
        return {
            "type": "TrainingProgressed",
            "worker_id": str(self.world.workers[number]),
            "source_event_id": f"{number}-{step}",
            "occurred_at": (START + timedelta(minutes=step)).isoformat(),
            "enrolment_id": f"e-{number}",
            "course_id": "forklift",
            "verb": "answered",
        }

    async def _send(self, events: list[dict[str, Any]]) -> None:
        world = self.world
        body = await again(lambda: world.post("/v1/events", world.provider, {"events": events}))
        for event, result in zip(events, body["results"], strict=True):
            assert result["status"] in {"accepted", "duplicate"}, result
            self.acknowledged[UUID(event["worker_id"])].append(UUID(result["event_id"]))


async def again(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat a call until it works: what every sender is told to do on 503."""
    while True:
        try:
            return await call()
        except AGAIN:
            await asyncio.sleep(0.2)


class People:
    """Workers who begin to share, and some who stop."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self.sharing = list(world.workers[: WORKERS // 2])
        self.ended: dict[UUID, float] = {}

    async def begin(self) -> None:
        for worker_id in self.sharing:
            await share(self._world, worker_id)

    async def leave(self, until_at: float) -> None:
        """One after the other stops, at random moments; a quarter of those who share."""
        leaving = self._rng.sample(self.sharing, len(self.sharing) // 4)
        for left, worker_id in zip(range(len(leaving), 0, -1), leaving, strict=True):
            span = max(0.0, until_at - time.monotonic()) / (left + 1)
            await asyncio.sleep(self._rng.uniform(0, 2 * span))
            await again(lambda w=worker_id: self._stop(w))  # type: ignore[misc]
            self.ended[worker_id] = time.monotonic()

    async def _stop(self, worker_id: UUID) -> None:
        path = f"/v1/grants/{self._world.grants[worker_id]}"
        answer = await self._world.http.delete(path, headers=self._world.tokens[worker_id])
        assert answer.status_code == 200, answer.text


async def chaos(hub: FaultyHub, rng: random.Random, until_at: float) -> None:
    """Kill something every few seconds; each target comes up in turn, in random order."""
    targets: list[str] = []
    while time.monotonic() < until_at:
        if not targets:
            targets = [*hub.processes, *hub.processes, *hub.servers]
            rng.shuffle(targets)
        await hub.kill(targets.pop(), rng.uniform(0, 2))
        await asyncio.sleep(rng.uniform(0.5, 4))


async def run(seed: int, seconds: float = 180) -> Report:
    """One run; the same seed kills the same things in the same order."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="throughline-faults-") as folder:
        hub, receiver = FaultyHub(Path(folder)), Receiver()
        try:
            settings = await hub.start()
            await receiver.start()
            return await _run(hub, receiver, settings, rng, seed, seconds)
        finally:
            await receiver.stop()
            hub.stop()


async def _run(
    hub: FaultyHub,
    receiver: Receiver,
    settings: Settings,
    rng: random.Random,
    seed: int,
    seconds: float,
) -> Report:
    keeper = asyncio.create_task(hub.keep_running())
    async with (
        httpx.AsyncClient(base_url=hub.url, timeout=20) as http,
        open_pool(settings, most=2) as pool,
    ):
        world = World(http, receiver, pool)
        await found(world, WORKERS)
        sender, people = Sender(world), People(world, rng)
        await people.begin()
        end = time.monotonic() + seconds
        await asyncio.gather(sender.run(end), people.leave(end), chaos(hub, rng, end))
        quiet_at = time.monotonic()
        await until(hub.ready, within_s=120)
        missing = await _settle(settings, world, sender, people)
        recovered = time.monotonic() - quiet_at
        report = await _count(hub, settings, world, sender, people, missing)
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper
    return report.model_copy(
        update={"seed": seed, "seconds": seconds, "recovered_after_s": round(recovered, 1)}
    )


async def _expected(
    settings: Settings, world: World, sender: Sender, people: People
) -> dict[str, list[str]]:
    """Message ids in order, by pseudonym, of those who share to the end."""
    vault = await Vault.open(settings)
    staying = [w for w in people.sharing if w not in people.ended]
    return {
        vault.pseudonym(worker_id, "acme"): [
            vault.message_id(world.connection_id, event_id)
            for event_id in dict.fromkeys(sender.acknowledged[worker_id])
        ]
        for worker_id in staying
    }


async def _settle(settings: Settings, world: World, sender: Sender, people: People) -> int:
    """Wait until everything has come, or nothing new for a while; how many messages are missing."""
    wanted = {m for ids in (await _expected(settings, world, sender, people)).values() for m in ids}
    total = sum(len(set(ids)) for ids in sender.acknowledged.values())
    deadline = time.monotonic() + 180

    async def done() -> bool:
        came = {item.message_id for item in world.receiver.received}
        stories = await _stories(world.pool)
        return (wanted <= came and stories >= total) or time.monotonic() > deadline

    await until(lambda: again(done), within_s=300, every_s=0.5)
    return len(wanted - {item.message_id for item in world.receiver.received})


async def _stories(pool: Pool) -> int:
    count: int = await pool.fetchval(
        "SELECT count(*) FROM read.story WHERE event_type = 'TrainingProgressed'"
    )
    return count


async def _count(
    hub: FaultyHub,
    settings: Settings,
    world: World,
    sender: Sender,
    people: People,
    missing: int,
) -> Report:
    acknowledged = {e for ids in sender.acknowledged.values() for e in ids}
    rows = await world.pool.fetch(
        "SELECT event_id FROM read.story WHERE event_type = 'TrainingProgressed'"
    )
    stored = {row["event_id"] for row in rows}
    sessions = await world.pool.fetchval("SELECT sum(sessions)::bigint FROM read.training")
    received = world.receiver.received
    ids = {item.message_id for item in received}
    return Report(
        name="thread",
        seed=0,
        seconds=0,
        recovered_after_s=0,
        events=len(acknowledged),
        sharing=len(people.sharing),
        withdrawn=len(people.ended),
        kills=dict(hub.kills),
        crashed_by_themselves=dict(hub.crashes),
        messages=len(received),
        repeated_messages=len(received) - len(ids),
        lost=len(acknowledged - stored),
        doubled=len(rows) - len(stored) + abs(sessions - len(stored)),
        undelivered=missing,
        without_consent=await _without_consent(settings, world, people),
        out_of_order=await _out_of_order(settings, world, sender, people),
        badly_signed=world.receiver.badly_signed,
        unhealthy=[name for name, process in hub.processes.items() if not process.running],
    )


async def _without_consent(settings: Settings, world: World, people: People) -> int:
    """Messages about people who never agreed, or that came after their withdrawal had returned."""
    vault = await Vault.open(settings)
    agreed = {vault.pseudonym(w, "acme"): people.ended.get(w) for w in people.sharing}
    return sum(
        item.subject not in agreed or (agreed[item.subject] or item.at) < item.at
        for item in world.receiver.received
    )


async def _out_of_order(settings: Settings, world: World, sender: Sender, people: People) -> int:
    """People whose messages did not first come in the order of their story."""
    by_subject = world.receiver.by_subject()
    wrong = 0
    for subject, wanted in (await _expected(settings, world, sender, people)).items():
        known = set(wanted)
        came = dict.fromkeys(item.message_id for item in by_subject[subject])
        wrong += [m for m in came if m in known] != [m for m in wanted if m in came]
    return wrong
