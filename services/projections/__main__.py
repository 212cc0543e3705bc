"""Wires the projections: the worker, `python -m services.projections`, and its HTTP routes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from services.common.log import get_logger
from services.common.postgres import Pool, apply_schema
from services.common.running import run_worker
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from services.projections.rebuild.keeper import Keeper
from services.projections.settings import OBJECTS_OF_BATCHES, ProjectionsSettings
from services.projections.store import ReadModelChanged, create
from services.projections.worker import ProjectionsWorker

if TYPE_CHECKING:  # a worker has no use for it, and would keep it in memory
    from services.common.http import HttpService

log = get_logger("projections")


async def initialise(pool: Pool) -> None:
    """Create the tables of the read model where they are missing.

    Those of another declaration stay as they are, for they are read; a rebuild replaces them.
    """
    await apply_schema(pool, "services.projections")
    try:
        await create(pool, ProjectionsSettings().read_schema, PROJECTIONS)
    except ReadModelChanged as error:
        log.warning("the read model is to be rebuilt", why=str(error))


class Projections:
    """What one process does: it keeps up with the log, and keeps a rebuild going."""

    def __init__(self, settings: Settings) -> None:
        own = ProjectionsSettings()
        self._worker = ProjectionsWorker(settings, own, PROJECTIONS)
        self._keeper = Keeper(settings, own)

    def stop(self) -> None:
        self._worker.stop()
        self._keeper.stop()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._worker.run())
            tasks.create_task(self._keeper.run())


def service() -> HttpService:
    """What operators ask over HTTP; the worker runs elsewhere."""
    from services.common.http import HttpService
    from services.projections.routes import router

    return HttpService("projections", router)


def run() -> None:
    """Work until SIGINT or SIGTERM; the batch under way is finished."""
    run_worker("projections", Projections, objects=OBJECTS_OF_BATCHES)


if __name__ == "__main__":
    run()
