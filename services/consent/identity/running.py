"""Keeps moves going and stragglers forwarded, in one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from uuid import UUID

from aiokafka.errors import KafkaError
from asyncpg import UndefinedTableError

from services.common.errors import DependencyDown, ThroughlineError
from services.common.locks import Lock
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.consent.identity.following import Follower
from services.consent.identity.handlers import Move
from services.consent.identity.moving import Mover
from services.consent.identity.store import IdentityStore

log = get_logger("identity")
# What goes away by itself, a read model that is being made again included.
_PASSES = (KafkaError, DependencyDown, UndefinedTableError, *AWAY)
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
            except Exception as error:  # noqa: BLE001 - tried again, and told, not given up for good
                log.error("identity does not go on", error=_in_words(error))
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
                await self._advance(move)
            return await self._follower.follow() or bool(open_moves)

    async def _advance(self, move: Move) -> None:
        """A story that can't be written again, whatever is wrong with it, holds up its own alone.

        Raises what goes away by itself, for that holds up all.
        """
        try:
            await self._mover.advance(move)
        except _PASSES:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            log.error("a move does not go on", move_id=str(move.move_id), error=_in_words(error))

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


def _in_words(error: Exception) -> str:
    """What libraries say may repeat what is in an event; what we say does not."""
    return repr(error) if isinstance(error, ThroughlineError) else type(error).__name__
