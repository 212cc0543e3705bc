"""Wiring of the registry."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.common.http import HttpService
from services.common.limits import RateLimit
from services.registry.routes import router
from services.registry.settings import RegistrySettings
from services.registry.subjects import Subjects


def service() -> HttpService:
    return HttpService("registry", router, lifespan=lifespan)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state, own = app.state, RegistrySettings()
    state.subjects = Subjects(state.settings.topic_prefix)
    state.registry_limit = RateLimit(own.requests_per_second, own.burst_requests, what="requests")
    yield
