"""HTTP: services as plain ASGI routers, mounted together, with one form of error and limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from asyncpg import CharacterNotInRepertoireError
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common import tracing
from services.common.access import Keys
from services.common.errors import (
    DependencyDown,
    FieldError,
    Overloaded,
    Problem,
    RetryableError,
    unavailable,
)
from services.common.kafka import open_producer
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool, open_pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault

log = get_logger("http")
DEFAULT_BODY_BYTES = 1_000_000
# A token, a trace and a key take a few hundred; browsers' cookies a few thousand.
HEADER_BYTES = 32_768
_START_PATIENCE_S = 60.0
_INSTANT = (
    "Send an instant with its time zone (RFC 3339), such as 2026-03-01T12:00:00Z. "
    "In an address, + is written as %2B."
)


@dataclass(frozen=True, slots=True)
class HttpService:
    """One service: its routes, and what it needs while it runs.

    `lifespan(app)` may put its own things on `app.state.<name>`; shared ones are there already:
    settings, pool, producer, keys, vault, keyring.
    """

    name: str
    router: APIRouter | None = None
    routes: Sequence[BaseRoute] = ()
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
    body_bytes: Mapping[str, int] = field(default_factory=dict)  # path prefix -> limit


def build_app(services: Sequence[HttpService], settings: Settings) -> ASGIApp:
    """One app of any set of services. Raises nothing: what is down is waited for at start."""
    app = FastAPI(
        title="Throughline",
        version="1",
        openapi_url="/api",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(services, settings),
    )
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    for error in (RetryableError, KafkaError, *AWAY):
        app.add_exception_handler(error, _down)
    app.add_exception_handler(CharacterNotInRepertoireError, _no_text)
    app.add_exception_handler(Exception, _bug)
    app.include_router(_health())
    for service in services:
        if service.router is not None:
            app.include_router(service.router)
        app.router.routes.extend(service.routes)
    limits = {k: v for service in services for k, v in service.body_bytes.items()}
    return Traced(BodyLimit(app, limits))


def _lifespan(
    services: Sequence[HttpService], settings: Settings
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.settings = settings
            app.state.pool = await _patiently(stack, lambda: open_pool(settings))
            app.state.producer = await _patiently(stack, lambda: open_producer(settings))
            app.state.keys = Keys(app.state.pool)
            app.state.vault = await Vault.open(settings, app.state.pool)
            app.state.keyring = Keyring(app.state.pool, app.state.vault)
            for service in services:
                if service.lifespan is not None:
                    await stack.enter_async_context(service.lifespan(app))
            yield

    return lifespan


T = TypeVar("T")


async def _patiently(
    stack: AsyncExitStack, opened: Callable[[], AbstractAsyncContextManager[T]]
) -> T:
    """Wait for a dependency that is still starting. Raises DependencyDown after a minute."""
    deadline = asyncio.get_running_loop().time() + _START_PATIENCE_S
    while True:
        try:
            return await stack.enter_async_context(opened())
        except DependencyDown as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("waiting", reason=str(error))
            await asyncio.sleep(1)


def _answer(problem: Problem) -> JSONResponse:
    return JSONResponse(
        problem.body(),
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/problem+json",
    )


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return _answer(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        FieldError(
            ".".join(str(part) for part in item["loc"][1:]) or "body",
            item["msg"],
            _INSTANT if item["type"].startswith(("datetime", "timezone")) else None,
        )
        for item in error.errors()
    ]
    return _answer(Problem(422, "invalid", "Some fields are not as they must be.", errors=errors))


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "not-found", 405: "method-not-allowed", 400: "bad-request"}
    code = codes.get(error.status_code, "http-error")
    return _answer(
        Problem(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
    )


async def _down(_request: Request, error: Exception) -> JSONResponse:
    """Kafka or PostgreSQL is away: nothing was acknowledged, the caller may try again."""
    wait = getattr(error, "retry_after_s", None) or 2
    if isinstance(error, Overloaded):
        detail = f"More waits than the hub will hold. Nothing of this was kept; wait {wait:g} s."
        headers = {"Retry-After": str(int(wait))}
        return _answer(Problem(429, "overloaded", detail, headers=headers))
    log.warning("dependency down", error=repr(error))
    return _answer(
        unavailable("The hub's log or database does not answer now.", retry_after_s=int(wait))
    )


async def _no_text(_request: Request, _error: Exception) -> JSONResponse:
    """PostgreSQL keeps no U+0000, so nothing that is asked for by it can be there."""
    detail = "The address or the body holds the character U+0000. Leave it out."
    return _answer(Problem(400, "bad-request", detail))


async def _bug(_request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    return _answer(Problem(500, "internal", "Something is wrong on our side. Nothing was kept."))


def _health() -> APIRouter:
    router = APIRouter(prefix="/health", tags=["operations"])

    @router.get("/live")
    async def live() -> dict[str, str]:
        """The process runs."""
        return {"status": "live"}

    @router.get("/ready")
    async def ready(request: Request) -> JSONResponse:
        """Kafka and PostgreSQL answer."""
        checks = {
            "postgresql": await _answers(_ask_postgres(request.app.state.pool)),
            "kafka": await _answers(_ask_kafka(request.app.state.producer)),
        }
        good = all(state == "ok" for state in checks.values())
        return JSONResponse(
            {"status": "ready" if good else "not ready", **checks},
            status_code=200 if good else 503,
            headers={} if good else {"Retry-After": "2"},
        )

    return router


async def _answers(question: Coroutine[object, object, object]) -> str:
    try:
        async with asyncio.timeout(3):
            await question
    except (KafkaError, *AWAY) as error:
        return f"down: {type(error).__name__}"
    return "ok"


async def _ask_postgres(pool: Pool) -> None:
    await pool.fetchval("SELECT 1")


async def _ask_kafka(producer: AIOKafkaProducer) -> None:
    await producer.client.fetch_all_metadata()


class BodyLimit:
    """Refuses headers over the limit, and a body over the limit, announced or not, before it is in
    memory.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self.app = app
        self._limits = sorted(limits.items(), key=lambda pair: -len(pair[0]))

    def _limit(self, path: str) -> int:
        return next((n for p, n in self._limits if path.startswith(p)), DEFAULT_BODY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            await _answer(_headers_too_large())(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            await _answer(_too_large(limit))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_large(limit)
            return message

        await self.app(scope, counted, send)


def _headers_too_large() -> Problem:
    detail = f"The headers are over {HEADER_BYTES:,} bytes. Send fewer, or shorter ones."
    return Problem(431, "headers-too-large", detail)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"The body is over {limit:,} bytes. Send it in smaller parts.")


class Traced:
    """A span for each request, continuing the caller's trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value) for name, value in scope["headers"]]
        name = f"{scope['method']} {scope['path'].split('/')[1] or 'page'}"
        context = tracing.context_of(headers)
        with tracing.tracer.start_as_current_span(name, context=context):
            await self.app(scope, receive, send)
