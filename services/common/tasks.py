"""Tasks in the background: begun with what they serve, and truly over when that ends."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

from services.common.log import get_logger

log = get_logger("tasks")
# Long enough for a clean-up; what has swallowed a cancellation goes on no longer than this.
_AGAIN_S = 3.0


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """`work` goes on while this is open. Raises at the end what `work` had ended with by itself."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    try:
        yield
    finally:
        await end(task)
    if not task.cancelled():
        task.result()


def _tell(task: asyncio.Task[None]) -> None:
    """Say at once that it has failed: to the end, which may be far, nobody else would."""
    if not task.cancelled() and (error := task.exception()):
        # Where, and not in its words: libraries repeat what is in an event.
        parts = list(parts_of(error))
        where = [line for part in parts for line in traceback.format_tb(part.__traceback__)]
        names = ", ".join(type(part).__name__ for part in parts)
        log.error("does not go on", task=task.get_name(), error=names, where=where)


def parts_of(error: BaseException) -> Iterator[BaseException]:
    """What a group is made of; any other error is one."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from parts_of(part)
    else:
        yield error


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended. What they end with stays with them.

    Once is not enough: aiokafka, when it is closed, cancels tasks of its own, waits for them and
    suppresses what comes, a cancellation from outside included (`Fetcher.close`,
    `AIOKafkaClient.close`); `asyncio.wait_for` loses some before Python 3.12.
    """
    while under_way := [task for task in tasks if not task.done()]:
        for task in under_way:
            task.cancel()
        await asyncio.wait(under_way, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
