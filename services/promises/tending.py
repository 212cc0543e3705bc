"""Tends the partitions this process owns: what waits is sent, and deadlines pass."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.common.agent import Agent
from services.common.clock import Clock
from services.promises.following import Follower
from services.promises.stream_store import StreamStore


@dataclass(slots=True)
class _Watch:
    """What one assignment of partitions waits for, as offsets that the position must pass."""

    generation: int = -1
    caught_up_at: dict[int, int] = field(default_factory=dict)
    deadlines: dict[int, tuple[datetime, int]] = field(default_factory=dict)


class Tender:
    """Only the owner of a partition does anything for it, and only with the log read to its end.

    A process that lost its partitions without noticing does no harm: the log was read, whoever
    did it, and the transaction finds what another has done.
    """

    def __init__(
        self, follower: Follower, store: StreamStore, clock: Clock, look_every: timedelta
    ) -> None:
        self._follower = follower
        self._store = store
        self._clock = clock
        self._look_every = look_every.total_seconds()
        self._due = asyncio.Event()
        self._watch = _Watch()

    def wake(self) -> None:
        """Look now: something was taken in."""
        self._due.set()

    async def run(self, agent: Agent) -> None:
        """Tend for ever. Raises KafkaError, PostgresError."""
        while True:
            self._due.clear()
            if await self.look(agent):
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_every):
                    await self._due.wait()

    async def look(self, agent: Agent) -> int:
        """One look at everything owned; answers how much there was to do."""
        owned = agent.owned()
        if agent.generation != self._watch.generation:
            self._watch = _Watch(agent.generation)
        watch = self._watch
        if new := owned - watch.caught_up_at.keys():
            watch.caught_up_at.update(await agent.ends(new))
        positions = await self._store.positions()
        ready = {p for p in owned if positions[p] >= watch.caught_up_at[p]}
        if not ready:
            return 0
        done = await self._follower.publish(ready)
        now = self._clock()
        if fresh := await self._store.waiting(ready - watch.deadlines.keys(), now):
            ends = await agent.ends(fresh)
            watch.deadlines.update({p: (now, ends[p]) for p in fresh})
        for partition, (until, end) in list(watch.deadlines.items()):
            if partition in owned and positions[partition] >= end:
                done += await self._follower.pass_deadlines(partition, until, end)
                del watch.deadlines[partition]
        return done
