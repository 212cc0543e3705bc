"""The thread under fire: SIGKILL of every process, of Kafka and of PostgreSQL, and a count.

Events go in at a steady rate, by senders that repeat what was not acknowledged, under the same
ids. People start and stop sharing, and are promised something, meanwhile. In the end everything is
counted.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from asyncpg import Record

from services.common.postgres import open_pool
from services.common.settings import Settings
from services.common.vault import Vault
from tests.e2e.receiver import Receiver
from tests.e2e.world import World, found
from tests.faults.hub import FaultyHub
from tests.faults.parties import SAID, WORKERS, Employer, People, Senders, again, rng_of
from tests.faults.report import Report
from tests.processes import until

DESCRIPTION = "SIGKILL of every process, Kafka and PostgreSQL under 300 events/s"


@dataclass(frozen=True, slots=True)
class Kill:
    """What is killed, for how long it stays away, and how long the next one is waited for then."""

    target: str
    away_s: float
    pause_s: float


def deal(rng: random.Random, targets: Sequence[str]) -> Iterator[Kill]:
    """Kills without end, in rounds: each target once in every round, in random order."""
    while True:
        for target in rng.sample(targets, len(targets)):
            yield Kill(target, rng.uniform(0, 2), rng.uniform(0.5, 4))


async def chaos(hub: FaultyHub, world: World, rng: random.Random, until_at: float) -> None:
    """Kill something every few seconds until then, and until everything was killed once."""
    for kill in deal(rng, hub.targets):
        if time.monotonic() > until_at and hub.kills.keys() >= set(hub.targets):
            return
        async with world.between_withdrawals() if kill.target == "delivery" else nullcontext():
            hub.kill(kill.target)
        await hub.bring_back(kill.target, kill.away_s)
        await asyncio.sleep(kill.pause_s)


async def run(seed: int, seconds: float = 180) -> Report:
    """One run; the same seed kills the same things in the same order."""
    with tempfile.TemporaryDirectory(prefix="throughline-faults-") as folder:
        hub, receiver = FaultyHub(Path(folder)), Receiver()
        try:
            settings = await hub.start()
            await receiver.start()
            return await _run(hub, receiver, settings, seed, seconds)
        finally:
            await receiver.stop()
            hub.stop()


async def _run(
    hub: FaultyHub, receiver: Receiver, settings: Settings, seed: int, seconds: float
) -> Report:
    keeper = asyncio.create_task(hub.keep_running())
    async with (
        httpx.AsyncClient(base_url=hub.url, timeout=20) as http,
        open_pool(settings, most=2) as pool,
    ):
        world = World(http, receiver, pool)
        await found(world, WORKERS)
        run = Run(hub, settings, world, seed)
        await run.people.begin()
        await run.employer.begin()
        lasted_s, late_s = await run.storm(seconds)
        quiet_at = time.monotonic()
        await until(hub.ready, within_s=120)
        missing = await run.settle()
        recovered_s = time.monotonic() - quiet_at
        report = await run.count(missing)
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper
    return report.model_copy(
        update={
            "seconds": round(lasted_s, 1),
            "events_per_s": round(report.events / (lasted_s + late_s), 1),
            "recovered_after_s": round(recovered_s, 1),
        }
    )


class Run:
    """The parties of one run, and what they know in the end."""

    def __init__(self, hub: FaultyHub, settings: Settings, world: World, seed: int) -> None:
        self.hub, self.settings, self.world, self.seed = hub, settings, world, seed
        self.senders = Senders(world)
        self.people = People(world, rng_of(seed, "people"))
        self.employer = Employer(world, rng_of(seed, "employer"))

    async def storm(self, seconds: float) -> tuple[float, float]:
        """Everything at once; the seconds it lasted, and those until all that was due was told."""
        began = time.monotonic()
        until_at = began + seconds
        async with asyncio.TaskGroup() as parties:
            parties.create_task(self.senders.run(began))
            parties.create_task(self.people.leave(until_at))
            parties.create_task(self.employer.promise(until_at))
            await chaos(self.hub, self.world, rng_of(self.seed, "chaos"), until_at)
            ended = time.monotonic()
            self.senders.end()
        return ended - began, time.monotonic() - ended

    async def settle(self) -> int:
        """Wait until everything has come, but not for ever; how many messages are missing."""
        expected = (await self._expected()).values()
        wanted = {message_id for ids in expected for message_id in ids}
        said = len(SAID) * len(self.employer.promised)
        deadline = time.monotonic() + 400

        async def done() -> bool:
            came = {item.message_id for item in self.world.receiver.received}
            stories = len(await self._told(["TrainingProgressed"]))
            is_said = len(await self._told(SAID)) >= said
            all_came = wanted <= came and stories >= self.senders.events and is_said
            return all_came or time.monotonic() > deadline

        await until(lambda: again(done), within_s=500, every_s=0.5)
        return len(wanted - {item.message_id for item in self.world.receiver.received})

    async def count(self, missing: int) -> Report:
        acknowledged = {e for ids in self.senders.acknowledged.values() for e in ids}
        rows = await self._told(["TrainingProgressed"])
        stored = {row["event_id"] for row in rows}
        query = "SELECT sum(sessions)::bigint FROM read.training"
        sessions = await self.world.pool.fetchval(query)
        received = self.world.receiver.received
        ids = {item.message_id for item in received}
        return Report(
            name="thread",
            seed=self.seed,
            seconds=0,
            events_per_s=0,
            recovered_after_s=0,
            events=len(acknowledged),
            sharing=len(self.people.sharing),
            withdrawn=len(self.people.ended),
            promised=len(self.employer.promised),
            kills=dict(self.hub.kills),
            crashed_by_themselves=dict(self.hub.crashes),
            messages=len(received),
            repeated_messages=len(received) - len(ids),
            lost=len(acknowledged - stored),
            doubled=len(rows) - len(stored) + abs(sessions - len(stored)),
            promises_not_told_once=await self._promises_not_told_once(),
            undelivered=missing,
            without_consent=await self._without_consent(),
            out_of_order=await self._out_of_order(),
            badly_signed=self.world.receiver.badly_signed,
            unhealthy=[n for n, process in self.hub.processes.items() if not process.running],
        )

    async def _told(self, types: Sequence[str]) -> list[Record]:
        query = "SELECT worker_id, event_type, event_id FROM read.story WHERE event_type = ANY ($1)"
        return await self.world.pool.fetch(query, list(types))

    async def _promises_not_told_once(self) -> int:
        """Of each promise, what is said of it and is not in its worker's story exactly once."""
        told = Counter((row["worker_id"], row["event_type"]) for row in await self._told(SAID))
        wanted = Counter((w, name) for w in self.employer.promised for name in SAID)
        return (told - wanted).total() + (wanted - told).total()

    async def _expected(self) -> dict[str, list[str]]:
        """Message ids in order, by pseudonym, of those who share to the end."""
        vault = await Vault.open(self.settings)
        staying = [w for w in self.people.sharing if w not in self.people.ended]
        return {
            vault.pseudonym(worker_id, "acme"): [
                vault.message_id(self.world.connection_id, event_id)
                for event_id in self.senders.acknowledged[worker_id]
            ]
            for worker_id in staying
        }

    async def _without_consent(self) -> int:
        """Messages about people who never agreed, or that came after a withdrawal had returned."""
        vault, ended = await Vault.open(self.settings), self.people.ended
        agreed = {vault.pseudonym(w, "acme"): ended.get(w) for w in self.people.sharing}
        return sum(
            item.subject not in agreed or (agreed[item.subject] or item.at) < item.at
            for item in self.world.receiver.received
        )

    async def _out_of_order(self) -> int:
        """People whose messages did not first come in the order of their story."""
        by_subject = self.world.receiver.by_subject()
        wrong = 0
        for subject, wanted in (await self._expected()).items():
            known = set(wanted)
            came = dict.fromkeys(item.message_id for item in by_subject[subject])
            wrong += [m for m in came if m in known] != [m for m in wanted if m in came]
        return wrong
