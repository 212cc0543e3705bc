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
    collect_rarely()
    await worker.run()


def collect_rarely() -> None:
    """Have Python look for garbage seldom, and not among what stands there now.

    That stays to the end: collections that looked at it again and again took a quarter of the time
    of a projections worker. And two batches are hundreds of thousands of small objects, which their
    end lets go of without a collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 20, 20)
