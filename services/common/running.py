"""How a stream worker's process begins and ends."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from typing import Protocol

import uvloop

from services.common import log, tracing
from services.common.settings import Settings


class Worker(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


def run_worker(name: str, make: Callable[[Settings], Worker]) -> None:
    """Make the worker from its settings and run it until SIGINT or SIGTERM."""
    uvloop.run(_work(name, make))


async def _work(name: str, make: Callable[[Settings], Worker]) -> None:
    settings = Settings()
    log.configure(settings.log_level)
    tracing.configure(settings, name)
    worker = make(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    # What stands there at the start stays to the end: collections need not look at it again and
    # again (they took a quarter of the time of a projections worker).
    gc.collect()
    gc.freeze()
    # A batch is tens of thousands of small objects that its end lets go of without a collection.
    gc.set_threshold(100_000, 20, 20)
    await worker.run()
