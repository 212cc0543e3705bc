"""Runs the projections worker: `python -m services.projections`."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from services.common import log, tracing
from services.common.postgres import Pool, apply_sql
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.sql import schema_ddl
from services.projections.worker import ProjectionsWorker


async def initialise(pool: Pool) -> None:
    """Create the tables of the read model where they are missing."""
    await apply_sql(pool, schema_ddl(ProjectionsSettings().read_schema, PROJECTIONS))


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
    run()
