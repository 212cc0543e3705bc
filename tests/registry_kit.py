"""The registry over real HTTP, in this process, without Kafka or PostgreSQL: it needs neither."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from schemas.catalog import event_types
from services.common.limits import RateLimit
from services.common.settings import Settings
from services.registry import documents, routes
from services.registry.subjects import Subjects
from tests.events_kit import events_of

QUIET = hypothesis_settings(
    max_examples=1,
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@cache
def one_of(name: str) -> Mapping[str, Any]:
    """An event of a type, the same one each time."""
    made: list[Mapping[str, Any]] = []

    @QUIET
    @given(events_of(event_types()[name]))
    def keep(event: Mapping[str, Any]) -> None:
        made.append(event)

    keep()
    return made[0]


def registry_app(prefix: str = "workforce.") -> FastAPI:
    app = FastAPI()
    app.state.settings = Settings.model_construct(
        topic_prefix=prefix, public_url="https://hub.example.org/"
    )
    app.state.subjects = Subjects(prefix)
    app.state.documents = documents.made(app.state.settings)
    app.state.registry_limit = RateLimit(1e9, 1e9, what="requests")
    app.include_router(routes.router)
    app.include_router(documents.router)
    return app


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a loopback port of its own, in a thread; its address."""
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="registry")
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
