"""Wires the write edge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI

from services.common import agreements_on_file
from services.common.access import Role, issue_key
from services.common.http import HttpService
from services.common.limits import RateLimit
from services.common.postgres import Pool, apply_schema, open_pool
from services.ingest import accounts, agreements, imports, routes, scim, xapi
from services.ingest.account_store import AccountStore
from services.ingest.call_store import CallStore
from services.ingest.calls import Calls
from services.ingest.room import Room
from services.ingest.settings import IngestSettings
from services.ingest.writer import Writer

HUB_OPERATOR = "hub"


async def initialise(pool: Pool) -> None:
    await apply_schema(pool, "services.ingest")
    await imports.initialise(pool)
    await xapi.initialise(pool)
    await scim.initialise(pool)


async def bootstrap_operator(pool: Pool) -> str:
    """Answer the token of a fresh operator key: the first one of a new hub."""
    return await issue_key(pool, Role.OPERATOR, HUB_OPERATOR)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state, own = app.state, IngestSettings()
    state.ingest_settings = own
    state.ingest_limit = RateLimit(own.events_per_second, own.burst_events)
    await agreements_on_file.restore(state.settings, state.pool)
    state.accounts = AccountStore(state.pool, state.vault)
    async with open_pool(state.settings, most=4, working_state=True) as work:
        state.writer = Writer(
            state.settings, state.pool, state.vault, state.keyring, own, work=work
        )
        state.room = Room(own.room_bytes, own.room_bytes // 2)
        state.calls = Calls(CallStore(work), state.vault, own)
        try:
            async with (
                state.calls.cleaning(),
                imports.running(app, state.writer),
                scim.running(app, state.writer),
            ):
                yield
        finally:
            await state.writer.close()


def run() -> None:
    """Read other systems' topics: `throughline work ingest`."""
    from services.ingest.sources import worker

    worker.run()


def service() -> HttpService:
    router = APIRouter()
    for part in (routes, accounts, agreements, imports, xapi, scim):
        router.include_router(part.router)
    limits = {"/v1/events": IngestSettings().body_bytes}
    limits |= imports.body_bytes() | xapi.body_bytes() | scim.body_bytes()
    return HttpService("ingest", router=router, lifespan=lifespan, body_bytes=limits)
