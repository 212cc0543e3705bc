"""How a stream worker's process begins and ends."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

import uvloop
from aiokafka.errors import KafkaError

from services.common import log, tracing
from services.common.errors import DependencyDown
from services.common.postgres import AWAY
from services.common.settings import Settings
from services.common.tasks import parts_of

logger = log.get_logger("running")
OBJECTS = 100_000
# More than what is under way and the clean-up of clients take; nothing is delivered meanwhile.
_END_S = 20.0
_AWAY = (DependencyDown, KafkaError, *AWAY)
# M_MMAP_THRESHOLD, M_TRIM_THRESHOLD (bytes) and M_ARENA_MAX of glibc's malloc.h.
_HEAP = {-3: 512 * 1024, -1: 16 * 1024 * 1024, -8: 1}


class Worker(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Ending(ABC):
    """A worker that ends when it is asked to, and when any part of it fails.

    `ending` is set as soon as it does nothing more but end; `failure` is what made it end.
    """

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.failure: Exception | None = None

    def stop(self) -> None:
        self.ending.set()

    async def run(self) -> None:
        """Raises the first error of any part."""
        async with AsyncExitStack() as stack:
            try:
                await self.work(stack)
            except Exception as error:
                self.failure = error
                raise
            finally:
                self.ending.set()  # before the clean-up, which may take its time

    @abstractmethod
    async def work(self, stack: AsyncExitStack) -> None:
        """Until `ending`; what is to be cleaned up goes on the stack."""


class EndsInTime:
    """A worker that ends its process if its own end does not come.

    Whatever fails ends such a worker, and a new process goes on. One that hangs in the clean-up of
    a library would neither work nor make room.
    """

    def __init__(self, worker: Ending, within_s: float = _END_S) -> None:
        self._worker = worker
        self._within_s = within_s

    def stop(self) -> None:
        self._worker.stop()

    async def run(self) -> None:
        """Raises what the worker raises."""
        running = asyncio.create_task(self._worker.run(), name="worker")
        ending = asyncio.create_task(self._worker.ending.wait())
        await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        await asyncio.wait({running}, timeout=self._within_s)
        if not running.done():
            self._tell()
            os._exit(1)
        running.result()

    def _tell(self) -> None:
        """Where it hangs, and what made it end, for nobody else will."""
        where = [str(task.get_coro()) for task in asyncio.all_tasks()]
        failure = self._worker.failure
        away = failure and _away(failure)
        logger.error(
            "did not end by itself",
            within_s=self._within_s,
            why=repr(away or failure),
            tasks=where,
            exc_info=None if away else failure,
        )


def run_worker(name: str, make: Callable[[Settings], Worker], *, objects: int = OBJECTS) -> None:
    """Make the worker from its settings and run it until SIGINT or SIGTERM.

    objects: as `collect_rarely` has it. Raises DependencyDown when Kafka or PostgreSQL is away,
    and whatever else the worker raises.
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
    try:
        await worker.run()
    except (KafkaError, ExceptionGroup, *AWAY) as error:
        away = _away(error)
        if away is None:
            raise
        raise DependencyDown(f"{name} ends, for what it needs went away: {away!r}") from error


def _away(error: Exception) -> BaseException | None:
    """What tells that a server is away, if nothing else went wrong.

    Most parts do several things at once, and fail with a group.
    """
    parts = list(parts_of(error))
    return parts[0] if all(isinstance(part, _AWAY) for part in parts) else None


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
