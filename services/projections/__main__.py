"""Runs the projections worker: `python -m services.projections`.

`python -m services.projections rebuild` makes the tables again, empty, before it.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from services.common import log, tracing
from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.store import create, drop
from services.projections.worker import ProjectionsWorker


async def initialise(pool: Pool) -> None:
    """Create the tables of the read model where they are missing. Raises ReadModelChanged."""
    await create(pool, ProjectionsSettings().read_schema, PROJECTIONS)


async def rebuild() -> None:
    """Drop the tables and their positions; running workers fill them again from the log."""
    async with open_pool(Settings(), most=1) as pool:
        await drop(pool, ProjectionsSettings().read_schema)
        await initialise(pool)


async def main() -> None:
    settings = Settings()
    log.configure(settings.log_level)
    tracing.configure(settings, "projections")
    worker = ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.run()


def run() -> None:
    """Work until SIGINT or SIGTERM; the batch under way is finished."""
    uvloop.run(main())


if __name__ == "__main__":
    if sys.argv[1:] == ["rebuild"]:
        asyncio.run(rebuild())
    else:
        run()
