"""Runs the promises worker: `python -m services.promises`; wires the HTTP service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from services.common import agreements_on_file
from services.common.clock import utc_now
from services.common.http import HttpService
from services.common.postgres import Pool, apply_schema
from services.common.revocations import restore
from services.common.running import EndsInTime, run_worker
from services.promises import disputes, routes, trainings
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
    await agreements_on_file.restore(state.settings, state.pool)
    store = PromisesStore(state.pool)
    state.promises = Parts(
        settings=PromisesSettings(),
        pool=state.pool,
        store=store,
        writer=Writer(store, state.producer, state.settings),
        sharing=Sharing(state.pool, state.vault, state.producer, state.settings),
        vault=state.vault,
        keyring=state.keyring,
        clock=utc_now,
    )
    yield


def service() -> HttpService:
    router = APIRouter()
    router.include_router(routes.router)
    router.include_router(disputes.router)
    router.include_router(trainings.router)
    return HttpService("promises", router=router, lifespan=lifespan)


def run() -> None:
    """Work until SIGINT or SIGTERM."""
    run_worker(
        "promises", lambda settings: EndsInTime(PromisesWorker(settings, PromisesSettings()))
    )


if __name__ == "__main__":
    run()
