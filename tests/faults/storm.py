"""Which fault befalls whom, and when: one after the other from a shuffled deck, side by side."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping

from tests.faults.cutting import Wire
from tests.faults.projections_hub import LONGEST_WRITE_S, SESSION_S, ProjectionsHub

_SLOW_S = 0.05


class Storm:
    """Draws faults by seed. A worker or a server has one at a time."""

    def __init__(self, hub: ProjectionsHub, rng: random.Random) -> None:
        self._hub = hub
        self._rng = rng
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deck: list[str] = []

    async def blow(self, is_over: Callable[[], bool]) -> None:
        """Go on until told, then wait until every fault is over."""
        try:
            while not is_over():
                self._draw()
                await asyncio.sleep(self._rng.uniform(0.5, 3))
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _draw(self) -> None:
        if not self._deck:
            self._deck = [*_OF_WORKERS, "worker killed", "worker frozen", *_OF_SERVERS]
            self._rng.shuffle(self._deck)
        kind = self._deck.pop()
        target = _OF_SERVERS.get(kind) or self._rng.choice(sorted(self._hub.workers))
        if target in self._busy:
            self._deck.insert(0, kind)
            return
        self._busy.add(target)
        self._hub.befell[kind] += 1
        task = asyncio.create_task(self._befall(kind, target))
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        """A fault that went wrong stays, and is raised in the end."""
        if not task.cancelled() and task.exception() is None:
            self._tasks.discard(task)

    async def _befall(self, kind: str, target: str) -> None:
        try:
            if kind in _OF_WORKERS:
                await _OF_WORKERS[kind](self._hub, target, self._rng)
            else:
                await self._restart(kind)
        finally:
            self._busy.discard(target)

    async def _restart(self, kind: str) -> None:
        away_s = self._rng.uniform(0, 3)
        if kind == "kafka killed":
            await self._hub.restart_kafka(signal.SIGKILL, away_s)
        elif kind == "kafka restarted":
            await self._hub.restart_kafka(signal.SIGTERM, away_s)
        elif kind == "postgresql killed":
            await self._hub.restart_postgres(signal.SIGKILL, away_s)
        else:
            await self._hub.restart_postgres(signal.SIGQUIT, away_s)


_Befall = Callable[[ProjectionsHub, str, random.Random], Awaitable[None]]


def _wire(which: str, how: str, longest_s: float) -> _Befall:
    """Trouble on the wire between a worker and Kafka or PostgreSQL."""

    async def befall(hub: ProjectionsHub, name: str, rng: random.Random) -> None:
        wire: Wire = {"kafka": hub.to_kafka, "postgresql": hub.to_postgres}[which][name]
        does: Mapping[str, Callable[[], None]] = {
            "cut": wire.cut,
            "reset": wire.reset,
            "stalled": wire.stall,
            "slow": lambda: setattr(wire, "delay_s", _SLOW_S),
        }
        await hub.trouble(wire, does[how], rng.uniform(0.5, longest_s))

    return befall


async def _kill(hub: ProjectionsHub, name: str, rng: random.Random) -> None:
    """Mostly back before anybody misses it, sometimes not."""
    await hub.kill(name, rng.choice([0, 0.5, 1, SESSION_S + 2]))


async def _freeze(hub: ProjectionsHub, name: str, rng: random.Random) -> None:
    """In the middle of a write, if it can be: a slow wire makes that likely."""
    wire = hub.to_postgres[name]
    wire.delay_s = _SLOW_S
    await asyncio.sleep(rng.uniform(0.3, 1))
    await hub.freeze(name, SESSION_S + rng.uniform(2, 5))
    wire.mend()


async def _leave(hub: ProjectionsHub, name: str, rng: random.Random) -> None:
    await hub.leave(name, rng.uniform(0, SESSION_S + 3))


_OF_WORKERS: Mapping[str, _Befall] = {
    "worker killed": _kill,
    "worker frozen": _freeze,
    "worker removed and added": _leave,
    "kafka cut off": _wire("kafka", "cut", SESSION_S + 3),
    "kafka connections reset": _wire("kafka", "reset", 1),
    "kafka stalled": _wire("kafka", "stalled", SESSION_S + 3),
    "postgresql cut off": _wire("postgresql", "cut", SESSION_S + 3),
    "postgresql connections reset": _wire("postgresql", "reset", 1),
    "postgresql stalled": _wire("postgresql", "stalled", LONGEST_WRITE_S + 3),
    "postgresql slow": _wire("postgresql", "slow", 5),
}
_OF_SERVERS: Mapping[str, str] = {
    "kafka killed": "kafka",
    "kafka restarted": "kafka",
    "postgresql killed": "postgresql",
    "postgresql restarted at once": "postgresql",
}
