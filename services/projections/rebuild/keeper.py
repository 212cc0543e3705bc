"""In each projections process: takes the steps that operators ordered, and keeps a builder running.

The builder is a process of its own, so that it takes nothing from the one that keeps up with the
log. It runs while tables of this release's declaration stand beside those in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable

import asyncpg

from services.common.errors import DependencyDown, ThroughlineError
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool, open_pool
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from services.projections.rebuild import work
from services.projections.rebuild.builder import fed
from services.projections.rebuild.steps import Rebuild
from services.projections.rebuild.work import Schemas, Step, StepRefused
from services.projections.settings import ProjectionsSettings
from services.projections.sql import fingerprint

_LOOK_S = 1.0
_BUILDER = (sys.executable, "-m", "services.projections.rebuild")
log = get_logger("rebuild")


class Keeper:
    """Looks once a second; PostgreSQL being away is waited out."""

    def __init__(self, settings: Settings, own: ProjectionsSettings) -> None:
        self._settings = settings
        self._own = own
        self._schemas = Schemas(own.read_schema)
        self._mine = fingerprint(PROJECTIONS)
        self._stop = asyncio.Event()
        self._builder: asyncio.subprocess.Process | None = None

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(DependencyDown, *AWAY):
                    async with open_pool(self._settings, most=3) as pool:
                        steps = self._repeat(lambda p=pool: self._take_step(p))  # type: ignore[misc]
                        builder = self._repeat(lambda p=pool: self._keep_builder(p))  # type: ignore[misc]
                        await asyncio.gather(steps, builder)
                await self._pause()
        finally:
            await self._end_builder()

    async def _repeat(self, look: Callable[[], Awaitable[None]]) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                await look()
                said = ""
            except (asyncpg.PostgresError, ThroughlineError, *AWAY) as error:
                why = str(error) or repr(error)
                if why != said:
                    log.warning("looking again", why=why)
                said = why
            await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _LOOK_S)

    async def _take_step(self, pool: Pool) -> None:
        changed = await work.made_from(pool, self._schemas.live) != self._mine
        while step := await work.take_step(pool, first=changed):
            with contextlib.suppress(StepRefused):
                await take(pool, Rebuild(pool, self._schemas.live), step)

    async def _keep_builder(self, pool: Pool) -> None:
        """Start the builder when there is work for it; it ends by itself when there is none."""
        if self._builder is not None and self._builder.returncode is not None:
            log.info("builder ended", code=self._builder.returncode)
            self._builder = None
        if self._builder is None and await fed(pool, self._schemas, self._mine):
            self._builder = await asyncio.create_subprocess_exec(
                *_BUILDER, stdin=asyncio.subprocess.PIPE
            )
            log.info("builder started", pid=self._builder.pid)

    async def _end_builder(self) -> None:
        if self._builder is not None and self._builder.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._builder.terminate()
            try:
                await asyncio.wait_for(self._builder.wait(), 3)
            except TimeoutError:
                self._builder.kill()
                await self._builder.wait()


async def take(pool: Pool, rebuild: Rebuild, step: Step) -> str:
    """Take a step and write down what came of it, which it returns. Raises StepRefused."""
    log.info("step", step=step.step, by=step.asked_by)
    try:
        told = await rebuild.take(step)
    except StepRefused as error:
        await work.end_step(pool, step, "refused", error.code, str(error))
        raise
    except (ThroughlineError, asyncpg.PostgresError) as error:
        await work.end_step(pool, step, "failed", None, str(error) or repr(error))
        raise
    await work.end_step(pool, step, "done", None, told)
    return told
