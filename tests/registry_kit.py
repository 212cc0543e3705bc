"""The registry over real HTTP, in this process, without Kafka or PostgreSQL: it needs neither."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import uvicorn
from fastapi import FastAPI

from services.common.limits import RateLimit
from services.registry.routes import router
from services.registry.subjects import Subjects
from tests.processes import free_port


def registry_app(prefix: str = "workforce.") -> FastAPI:
    app = FastAPI()
    app.state.settings = SimpleNamespace(topic_prefix=prefix)
    app.state.subjects = Subjects(prefix)
    app.state.registry_limit = RateLimit(1e9, 1e9, what="requests")
    app.include_router(router)
    return app


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a loopback port of its own, in a thread; its address."""
    port = free_port()
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="registry")
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
