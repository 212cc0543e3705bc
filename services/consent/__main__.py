"""Wires the consent service."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI

from services.common import agreements_on_file, tasks
from services.common.clock import utc_now
from services.common.http import HttpService
from services.common.postgres import Pool, apply_schema
from services.common.revocations import restore
from services.consent import identity
from services.consent.routes import router
from services.consent.settings import ConsentSettings
from services.consent.store import ConsentStore
from services.consent.withdrawal import Withdrawals


async def initialise(pool: Pool) -> None:
    await apply_schema(pool, "services.consent")
    await apply_schema(pool, "services.consent.identity")


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Put lost revocations back, then serve; withdrawals the log missed are sent on and on."""
    state, own = app.state, ConsentSettings()
    await restore(state.settings, state.pool)
    await agreements_on_file.restore(state.settings, state.pool)
    state.consent_settings = own
    state.consent_store = ConsentStore(state.pool)
    state.withdrawals = Withdrawals(
        state.consent_store, state.producer, state.settings, own, utc_now
    )
    async with (
        tasks.running(state.withdrawals.redrive(), "redrive withdrawals"),
        identity.running(app),
    ):
        yield


def service() -> HttpService:
    whole = APIRouter()
    for part in (router, *identity.ROUTERS):
        whole.include_router(part)
    return HttpService("consent", router=whole, lifespan=lifespan)
