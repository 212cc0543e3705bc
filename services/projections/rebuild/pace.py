"""How fast a rebuild goes: no faster than it was told to, and behind the workers in use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from services.common.errors import ThroughlineError
from services.common.postgres import Pool
from services.projections.intake import Partition
from services.projections.reader import LogReader
from services.projections.rebuild import work
from services.projections.rebuild.work import Schemas
from services.projections.settings import ProjectionsSettings

_POSITIONS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM {schema}.stream_position"
_LOOK_S = 0.25  # how often Kafka is asked where the log ends, and a paused rebuild looks again
_GIVE_WAY_S = 0.05


class Finished(ThroughlineError):
    """The tables that were to be filled are no longer those that stand beside."""


class Throttle:
    """At most `rate` records a second, and never more than a second's worth at once."""

    def __init__(self, now: float) -> None:
        self._saved = 0.0
        self._at = now

    def allows(self, rate: float, now: float) -> int:
        """How many records may be fetched now; 0 until there are a few."""
        self._saved = min(self._saved + (now - self._at) * rate, max(1.0, rate))
        self._at = now
        return int(self._saved) if self._saved >= max(1.0, rate / 10) else 0

    def took(self, records: int) -> None:
        self._saved -= records


class GivingWay:
    """Whether to wait for the workers of the tables in use.

    While they are behind and move, it is their turn; but not for longer than `longest_s` at a time,
    so that a log that never rests can't hold a rebuild up for ever. Who doesn't move is not there.
    """

    def __init__(self, most_behind: int, longest_s: float) -> None:
        self._most_behind = most_behind
        self._longest_s = longest_s
        self._position = -1
        self._moved_at = self._since = float("-inf")

    def must_wait(self, position: int, end: int, now: float) -> bool:
        """position, end: records that they have passed, and that there are."""
        if position != self._position:
            self._position, self._moved_at = position, now
        works = now - self._moved_at < 1.0
        if not works or end - position <= self._most_behind:
            self._since = now
            return False
        if now - self._since < self._longest_s:
            return True
        self._since = now
        return False


class RebuildPace:
    """The pace of one builder. It tells how far the tables are, once a second."""

    def __init__(
        self,
        pool: Pool,
        schemas: Schemas,
        beside: str,
        own: ProjectionsSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._schemas = schemas
        self._beside = beside
        self._batch_events = own.batch_events
        self._clock = clock
        self._sleep = sleep
        self._throttle = Throttle(clock())
        longest_s = own.rebuild_gives_way_for.total_seconds()
        self._giving_way = GivingWay(own.rebuild_gives_way_at, longest_s)
        self._ends: Mapping[Partition, int] = {}
        self._looked_at = self._told_at = float("-inf")

    async def most(self, reader: LogReader) -> int:
        """Wait for our turn. Raises Finished when these tables no longer stand beside."""
        while not reader.moved:
            row = await work.row(self._pool)
            if row is None or row.beside(self._schemas) != self._beside:
                raise Finished(f"{self._beside} is not to be filled any more")
            await self._look(reader)
            if row.is_paused:
                await self._sleep(_LOOK_S)
            elif await self._must_wait():
                await self._sleep(_GIVE_WAY_S)
            elif row.rate is None:
                return self._batch_events
            elif allowed := self._throttle.allows(row.rate * reader.share(), self._clock()):
                return min(allowed, self._batch_events)
            else:
                await self._sleep(_GIVE_WAY_S)
        return 1

    def took(self, records: int) -> None:
        self._throttle.took(records)

    async def _look(self, reader: LogReader) -> None:
        now = self._clock()
        if now - self._looked_at >= _LOOK_S:
            self._ends, self._looked_at = await reader.ends(), now
        if now - self._told_at >= 1.0:
            self._told_at = now
            passed = await self._passed(self._beside)
            await work.tell(self._pool, passed, max(passed, self._end()))

    async def _must_wait(self) -> bool:
        passed = await self._passed(self._schemas.live)
        return self._giving_way.must_wait(passed, self._end(), self._clock())

    async def _passed(self, schema: str) -> int:
        found: int = await self._pool.fetchval(_POSITIONS.format(schema=schema))
        return found

    def _end(self) -> int:
        return sum(self._ends.values())
