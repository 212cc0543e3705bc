"""Which fault befalls whom, and when: one after the other from a shuffled deck, side by side."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.cutting import Wire
from tests.faults.projections_hub import LONGEST_WRITE_S, SESSION_S, ProjectionsHub

_SLOW_S = 0.05
_MOST_AT_ONCE = 6  # faults under way, or waiting for one before them
# What no storm is without, however short: it begins with these, in random order.
ALWAYS = (
    *("worker killed", "worker frozen", "kafka cut off", "postgresql cut off"),
    *("kafka killed", "kafka restarted", "postgresql killed", "postgresql restarted at once"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls whom, what its details are drawn from, and when the next one is dealt."""

    kind: str
    target: str
    rng: random.Random
    pause_s: float


def deal(rng: random.Random, workers: Sequence[str]) -> Iterator[Fault]:
    """Faults without end. Each draws from a source of its own: they run side by side."""
    whole = [*_OF_WORKERS, "worker killed", "worker frozen", *_OF_SERVERS]
    rest = list(whole)
    for kind in ALWAYS:
        rest.remove(kind)
    deck = [*rng.sample(ALWAYS, len(ALWAYS)), *rng.sample(rest, len(rest))]
    while True:
        for kind in deck:
            target = _OF_SERVERS.get(kind) or rng.choice(workers)
            yield Fault(kind, target, random.Random(rng.random()), rng.uniform(0.5, 3))
        deck = rng.sample(whole, len(whole))


class Storm:
    """Faults by seed. A worker or a server has one at a time; the next one waits."""

    def __init__(self, hub: ProjectionsHub, rng: random.Random) -> None:
        self._hub = hub
        self._rng = rng
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def blow(self, is_over: Callable[[], bool]) -> None:
        """Go on until told, then wait until every fault is over. What goes wrong is raised."""
        async with asyncio.TaskGroup() as faults:
            for fault in deal(self._rng, sorted(self._hub.workers)):
                await self._room.acquire()
                if is_over():
                    return
                faults.create_task(self._in_turn(fault, is_over))
                await asyncio.sleep(fault.pause_s)

    async def _in_turn(self, fault: Fault, is_over: Callable[[], bool]) -> None:
        try:
            async with self._turns[fault.target]:
                if not is_over():
                    self._hub.befell[fault.kind] += 1
                    await self._befall(fault)
        finally:
            self._room.release()

    async def _befall(self, fault: Fault) -> None:
        if fault.kind in _OF_WORKERS:
            await _OF_WORKERS[fault.kind](self._hub, fault.target, fault.rng)
        else:
            await self._restart(fault.kind, fault.rng.uniform(0, 3))

    async def _restart(self, kind: str, away_s: float) -> None:
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
