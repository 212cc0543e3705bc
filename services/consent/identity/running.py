"""Keeps moves going and stragglers forwarded, in one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from uuid import UUID

from aiokafka.errors import KafkaError
from asyncpg import UndefinedTableError

from services.common.errors import RetryableError
from services.common.locks import Lock
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.consent.identity.following import Follower
from services.consent.identity.handlers import Move
from services.consent.identity.moving import Mover
from services.consent.identity.store import IdentityStore

log = get_logger("identity")
# What goes away by itself, a read model that is being made again included.
_PASSES = (KafkaError, RetryableError, UndefinedTableError, *AWAY)
_LOOK_S = 0.05  # while a caller waits for the end of a move


class IdentityRunner:
    def __init__(
        self, store: IdentityStore, mover: Mover, follower: Follower, every: timedelta
    ) -> None:
        self._store = store
        self._mover = mover
        self._follower = follower
        self._every_s = every.total_seconds()
        self._due = asyncio.Event()
        self._callers = 0  # who wait for a move to end

    def wake(self) -> None:
        """A move has begun."""
        self._due.set()

    async def run(self) -> None:
        """Work for ever; what fails is tried again."""
        while True:
            self._due.clear()
            wait_s = self._every_s
            try:
                if await self.step() and self._callers:
                    wait_s = _LOOK_S
            except _PASSES as error:
                log.warning("identity waits", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._due.wait()

    async def step(self) -> bool:
        """One round; true when there is more to do than to wait for others' work."""
        async with self._store.alone(Lock.RUN_MOVES) as mine:
            if not mine:
                return False
            open_moves = await self._store.open_moves()
            for move in open_moves:
                await self._mover.advance(move)
            return await self._follower.follow() or bool(open_moves)

    async def until_ended(self, move_id: UUID, within_s: float) -> Move | None:
        """The move once it has ended, or as it is after `within_s`."""
        self._callers += 1
        self.wake()
        deadline = asyncio.get_running_loop().time() + within_s
        try:
            while True:
                move = await self._store.move(move_id)
                if move is None or move.ended_at or asyncio.get_running_loop().time() > deadline:
                    return move
                await asyncio.sleep(_LOOK_S)
        finally:
            self._callers -= 1
