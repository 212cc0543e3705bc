"""The work of identity goes on, whatever is wrong with one person's story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from services.common.errors import DependencyDown, UnknownSchema
from services.consent.identity.following import Follower
from services.consent.identity.handlers import Move
from services.consent.identity.moving import Mover
from services.consent.identity.running import IdentityRunner
from services.consent.identity.store import IdentityStore
from tests.unit.test_identity import move


class Work:
    """Store, mover and follower in one: two open moves, of which the first fails."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.moves = [move("merge", 1), move("merge", 2)]
        self.done: list[UUID] = []
        self.followed = 0

    @asynccontextmanager
    async def alone(self, _number: int) -> AsyncIterator[bool]:
        yield True

    async def open_moves(self) -> list[Move]:
        return self.moves

    async def advance(self, of: Move) -> bool:
        if of is self.moves[0]:
            raise self.failure
        self.done.append(of.move_id)
        return True

    async def follow(self) -> bool:
        self.followed += 1
        return False

    def runner(self) -> IdentityRunner:
        me = cast(Any, self)
        store, mover, follower = cast(IdentityStore, me), cast(Mover, me), cast(Follower, me)
        return IdentityRunner(store, mover, follower, timedelta(seconds=1))


@pytest.mark.parametrize("failure", [ValueError("damaged"), UnknownSchema("of a later release", 9)])
async def test_a_move_that_fails_holds_up_nobody_elses(failure: Exception) -> None:
    work = Work(failure)
    assert await work.runner().step()
    assert (work.done, work.followed) == ([work.moves[1].move_id], 1)


async def test_an_outage_is_waited_out_as_a_whole() -> None:
    work = Work(DependencyDown("the log is away"))
    with pytest.raises(DependencyDown):
        await work.runner().step()
    assert not work.done
