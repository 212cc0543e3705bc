"""Runs the delivery worker: `python -m services.delivery`; wires the HTTP service."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.common import agreements_on_file
from services.common.http import HttpService
from services.common.postgres import Pool, apply_schema
from services.common.running import EndsInTime, run_worker
from services.delivery.routes import router
from services.delivery.settings import DeliverySettings
from services.delivery.worker import DeliveryWorker


async def initialise(pool: Pool) -> None:
    await apply_schema(pool, "services.delivery")


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What may be connected follows from the agreements, which may have to be put back."""
    await agreements_on_file.restore(app.state.settings, app.state.pool)
    yield


def service() -> HttpService:
    return HttpService("delivery", router=router, lifespan=lifespan)


def run() -> None:
    """Work until SIGINT or SIGTERM; what is being sent is finished first."""
    run_worker(
        "delivery", lambda settings: EndsInTime(DeliveryWorker(settings, DeliverySettings()))
    )


if __name__ == "__main__":
    run()
