"""How a stream worker's process begins and ends."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
from collections.abc import Callable
from typing import Protocol

import uvloop

from services.common import log, tracing
from services.common.settings import Settings

OBJECTS = 100_000
# M_MMAP_THRESHOLD, M_TRIM_THRESHOLD (bytes) and M_ARENA_MAX of glibc's malloc.h.
_HEAP = {-3: 512 * 1024, -1: 16 * 1024 * 1024, -8: 1}


class Worker(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


def run_worker(name: str, make: Callable[[Settings], Worker], *, objects: int = OBJECTS) -> None:
    """Make the worker from its settings and run it until SIGINT or SIGTERM.

    objects: as `collect_rarely` has it.
    """
    give_memory_back()
    uvloop.run(_work(name, make, objects))


async def _work(name: str, make: Callable[[Settings], Worker], objects: int) -> None:
    settings = Settings()
    log.configure(settings.log_level)
    tracing.configure(settings, name)
    worker = make(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    collect_rarely(objects)
    await worker.run()


def give_memory_back() -> None:
    """Have the C library return what is freed, and keep one heap for all threads.

    By itself glibc raises the size from which a block of memory stands alone each time a larger one
    is freed. The buffers of batches, of some megabytes, then lie among small objects, and what they
    leave behind is never whole again: a projections worker took 50 MB more. Other C libraries have
    no such setting, and stay as they are. Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _HEAP.items():
            mallopt(parameter, value)


def collect_rarely(objects: int = OBJECTS) -> None:
    """Have Python look for garbage seldom, and not among what stands there now.

    That stays to the end: collections that looked at it again and again took a quarter of the time
    of a projections worker.

    objects: how many new ones start a collection. What a batch is made of should be fewer, for its
    end lets go of it without one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(objects, 20, 20)
