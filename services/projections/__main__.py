"""Runs the projections worker: `python -m services.projections`.

`python -m services.projections rebuild` makes the tables again, empty, before it.
"""

from __future__ import annotations

import asyncio
import sys

from services.common.postgres import Pool, open_pool
from services.common.running import run_worker
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


def run() -> None:
    """Work until SIGINT or SIGTERM; the batch under way is finished."""
    run_worker(
        "projections",
        lambda settings: ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS),
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["rebuild"]:
        asyncio.run(rebuild())
    else:
        run()
