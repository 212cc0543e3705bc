"""Runs the promises worker: `python -m services.promises`; wires the HTTP service."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from services.common import log, tracing
from services.common.postgres import Pool, apply_schema
from services.common.settings import Settings
from services.promises.settings import PromisesSettings
from services.promises.worker import PromisesWorker


async def initialise(pool: Pool) -> None:
    await apply_schema(pool, "services.promises")


async def main() -> None:
    settings = Settings()
    log.configure(settings.log_level)
    tracing.configure(settings, "promises")
    worker = PromisesWorker(settings, PromisesSettings())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.run()


def run() -> None:
    """Work until SIGINT or SIGTERM."""
    uvloop.run(main())


if __name__ == "__main__":
    run()
