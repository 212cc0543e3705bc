"""Runs the promises worker: `python -m services.promises`; wires the HTTP service."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from fastapi import APIRouter, FastAPI

from services.common import log, tracing
from services.common.clock import utc_now
from services.common.http import HttpService
from services.common.postgres import Pool, apply_schema
from services.common.revocations import restore
from services.common.settings import Settings
from services.promises import routes, trainings
from services.promises.calling import Parts
from services.promises.settings import PromisesSettings
from services.promises.sharing import Sharing
from services.promises.store import PromisesStore
from services.promises.worker import PromisesWorker
from services.promises.writing import Writer


async def initialise(pool: Pool) -> None:
    await apply_schema(pool, "services.promises")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Put lost revocations back, then serve."""
    state = app.state
    await restore(state.settings, state.pool)
    store = PromisesStore(state.pool)
    state.promises = Parts(
        settings=PromisesSettings(),
        store=store,
        writer=Writer(store, state.producer, state.settings),
        sharing=Sharing(state.pool, state.vault, state.producer, state.settings),
        vault=state.vault,
        clock=utc_now,
    )
    yield


def service() -> HttpService:
    router = APIRouter()
    router.include_router(routes.router)
    router.include_router(trainings.router)
    return HttpService("promises", router=router, lifespan=lifespan)


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
