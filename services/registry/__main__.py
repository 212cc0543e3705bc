"""Wiring of the registry."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI

from services.common.http import HttpService
from services.common.limits import RateLimit
from services.registry import documents, routes
from services.registry.settings import RegistrySettings
from services.registry.subjects import Subjects


def service() -> HttpService:
    router = APIRouter()
    router.include_router(routes.router)
    router.include_router(documents.router)
    return HttpService("registry", router, lifespan=lifespan)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state, own = app.state, RegistrySettings()
    state.subjects = Subjects(state.settings.topic_prefix)
    state.documents = documents.made(state.settings)
    state.registry_limit = RateLimit(own.requests_per_second, own.burst_requests, what="requests")
    yield
