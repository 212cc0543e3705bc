"""PostgreSQL's notifications, on a connection of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from services.common.errors import DependencyDown
from services.common.postgres import Pool

Listener = Callable[[str], None]


@asynccontextmanager
async def listening(
    pool: Pool, listeners: Mapping[str, Listener]
) -> AsyncIterator[asyncio.Future[None]]:
    """Call each listener with its channel's payloads.

    The future fails with DependencyDown when the connection is lost: signals may have been missed.
    """
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_loss(_connection: Any) -> None:
        if not lost.done():
            lost.set_exception(DependencyDown("PostgreSQL closed the connection"))

    def heard(listener: Listener) -> Callable[[Any, int, str, Any], None]:
        return lambda _connection, _pid, _channel, payload: listener(str(payload))

    callbacks = {channel: heard(listener) for channel, listener in listeners.items()}
    async with pool.acquire() as connection:
        connection.add_termination_listener(on_loss)
        for channel, callback in callbacks.items():
            await connection.add_listener(channel, callback)
        try:
            yield lost
        finally:
            if not lost.done():  # a connection that was lost listens no more
                lost.cancel()
                connection.remove_termination_listener(on_loss)
                for channel, callback in callbacks.items():
                    await connection.remove_listener(channel, callback)
