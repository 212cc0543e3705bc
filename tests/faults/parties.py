"""Who keeps a hub busy while parts of it are killed: senders, people who share and stop, and an
employer who promises. Each repeats a call until it works, under the same ids.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from tests.e2e.world import World, share, withdraw

WORKERS, RATE, BATCH = 60, 300, 50
SENDERS = 4  # as many calls at a time: one that waits holds up no other's people
PROMISED = 12
START = datetime(2026, 1, 5, tzinfo=UTC)
AGAIN = (httpx.HTTPError, AssertionError)
# What is said of a promise that is accepted and whose training is finished.
SAID = ("PromiseMade", "PromiseAccepted", "CriterionMet", "PromiseDue")
PATHWAY: dict[str, Any] = {
    "pathway_id": "to-lead",
    "title": "To shift lead",
    "criteria": {"all": [{"training": "forklift"}]},
    "outcome": "INTERVIEW",
    "due_in_days": 30,
}


def rng_of(seed: int, name: str) -> random.Random:
    """What one party draws, whatever the others draw meanwhile."""
    return random.Random(f"{seed} {name}")


async def again(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat a call until it works: what every sender is told to do on 503."""
    while True:
        try:
            return await call()
        except AGAIN:
            await asyncio.sleep(0.2)


class Senders:
    """Post numbered steps at a rate, each for people of its own, in their order.

    What an outage held up is made up for: batches are due by the clock, whenever the last one got
    through.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged: dict[UUID, list[UUID]] = {w: [] for w in world.workers}
        self._until_at = float("inf")

    @property
    def events(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    async def run(self, began: float) -> None:
        """Send all that is due from then until `end`, however late it gets through."""
        await asyncio.gather(*(self._one(number, began) for number in range(SENDERS)))

    def end(self) -> None:
        self._until_at = time.monotonic()

    async def _one(self, number: int, began: float) -> None:
        mine = range(number, WORKERS, SENDERS)
        due, step = began + number * BATCH / RATE, 0
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if due > self._until_at:
                return
            steps = range(step, step + BATCH)
            await self._send([_progress(self.world, mine[n % len(mine)], n) for n in steps])
            due, step = due + SENDERS * BATCH / RATE, step + BATCH

    async def _send(self, events: list[dict[str, Any]]) -> None:
        results = await again(lambda: _post_events(self.world, events))
        for event, result in zip(events, results, strict=True):
            self.acknowledged[UUID(event["worker_id"])].append(UUID(result["event_id"]))


def _progress(world: World, number: int, step: int) -> dict[str, Any]:
    return _about(world.workers[number], "TrainingProgressed", f"{number}-{step}") | {
        "occurred_at": (START + timedelta(minutes=step)).isoformat(),
        "verb": "answered",
    }


def _about(worker_id: UUID, kind: str, number: str) -> dict[str, Any]:
    return {
        "type": kind,
        "worker_id": str(worker_id),
        "source_event_id": number,
        "occurred_at": START.isoformat(),
        "enrolment_id": "e-1",
        "course_id": "forklift",
    }


async def _post_events(world: World, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    body = await world.post("/v1/events", world.provider, {"events": events})
    results: list[dict[str, Any]] = body["results"]
    assert all(one["status"] in {"accepted", "duplicate"} for one in results), results
    return results


class People:
    """Workers who begin to share, and some who stop."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self.sharing = list(world.workers[: WORKERS // 2])
        leaving = rng.sample(range(len(self.sharing)), len(self.sharing) // 4)
        self._plan = [(self.sharing[number], rng.uniform(0, 2)) for number in leaving]
        self.ended: dict[UUID, float] = {}

    async def begin(self) -> None:
        for worker_id in self.sharing:
            await share(self._world, worker_id)

    async def leave(self, until_at: float) -> None:
        """One after the other stops, at random moments; a quarter of those who share."""
        for left, (worker_id, share_of_span) in zip(
            range(len(self._plan), 0, -1), self._plan, strict=True
        ):
            span = max(0.0, until_at - time.monotonic()) / (left + 1)
            await asyncio.sleep(share_of_span * span)
            self.ended[worker_id] = await again(lambda w=worker_id: withdraw(self._world, w))  # type: ignore[misc]


class Employer:
    """Promises a pathway to people who share nothing; they say yes and finish the training."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self.promised = world.workers[-PROMISED:]
        self._waits = [rng.uniform(0, 2) for _ in self.promised]

    async def begin(self) -> None:
        await self._world.post("/v1/pathways", self._world.employer, PATHWAY)

    async def promise(self, until_at: float) -> None:
        for at, (worker_id, wait) in enumerate(zip(self.promised, self._waits, strict=True)):
            span = max(0.0, until_at - time.monotonic()) / (PROMISED - at + 1)
            await asyncio.sleep(wait * span)
            await again(lambda w=worker_id: self._tell(w))  # type: ignore[misc]

    async def _tell(self, worker_id: UUID) -> None:
        """Every call of it may be made again, also after one that worked."""
        world = self._world
        order = {"pathway_id": PATHWAY["pathway_id"], "worker_id": str(worker_id)}
        made = await world.post("/v1/promises", world.employer, order)
        path = f"/v1/promises/{made['promise_id']}/answer"
        await world.post(path, world.tokens[worker_id], {"answer": "accept"})
        done = _about(worker_id, "TrainingCompleted", f"done-{worker_id}") | {
            "provider_id": "river-college",
            "result": "PASSED",
        }
        await _post_events(world, [done])
