"""The relay's command, ended by SIGKILL at the step that `SDK_DIES_AT` names: for tests only.

Steps: before (it claims), claimed, posting (the hub may have it, the answer is not read), posted,
marked (not yet committed), committed, purging (the first of several parts is deleted).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from connectors.sdk.client import AsyncClient
from connectors.sdk.relay import __main__ as command
from connectors.sdk.relay import postgresql, sqlite

DIES_AT = os.environ.get("SDK_DIES_AT", "")


def reach(step: str) -> None:
    if step == DIES_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def mortal_turn(store: Any) -> None:
    plain = store.turn

    @asynccontextmanager
    async def turn(self: Any, most: int) -> AsyncIterator[Any]:
        reach("before")
        async with plain(self, most) as found:
            if found is not None and found.waiting:
                reach("claimed")
            yield found
        if found is not None and found.waiting:
            reach("committed")

    store.turn = turn


def mortal_mark(turn: Any) -> None:
    plain = turn.mark

    async def mark(self: Any, sent: Sequence[Any], aside: Sequence[Any]) -> None:
        await plain(self, sent, aside)
        reach("marked")

    turn.mark = mark


def mortal_purge() -> None:
    postgresql._PURGED_AT_ONCE = sqlite._PURGED_AT_ONCE = 3
    plain_postgres, plain_sqlite = postgresql.PostgresStore.execute, sqlite.SqliteStore._change

    async def execute(self: Any, sql: str, *arguments: Any) -> int:
        found = await plain_postgres(self, sql, *arguments)
        if sql == postgresql._PURGE:
            reach("purging")
        return found

    async def change(self: Any, sql: str, *arguments: Any) -> int:
        found = await plain_sqlite(self, sql, *arguments)
        if sql == sqlite._PURGE:
            reach("purging")
        return found

    postgresql.PostgresStore.execute = execute  # type: ignore[method-assign]
    sqlite.SqliteStore._change = change  # type: ignore[method-assign]


def mortal_post() -> None:
    plain = AsyncClient._post

    async def post(self: AsyncClient, call: Any) -> Any:
        if DIES_AT == "posting":
            on_its_way = asyncio.ensure_future(plain(self, call))
            await asyncio.sleep(0.02)
            reach("posting")
            return await on_its_way
        reply = await plain(self, call)
        reach("posted")
        return reply

    AsyncClient._post = post  # type: ignore[method-assign]


if __name__ == "__main__":
    for store in (postgresql.PostgresStore, sqlite.SqliteStore):
        mortal_turn(store)
    for turn in (postgresql.PostgresTurn, sqlite.SqliteTurn):
        mortal_mark(turn)
    mortal_purge()
    mortal_post()
    sys.exit(command.main(sys.argv[1:]))
