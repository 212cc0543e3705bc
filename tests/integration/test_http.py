"""What every HTTP service shares: problems, limits, keys, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from services.common.access import Principal, Role, caller, issue_key
from services.common.errors import FieldError, Problem
from services.common.http import HttpService, build_app
from services.common.postgres import Pool
from services.common.settings import Settings
from tests.processes import until

router = APIRouter()
SERVICE = HttpService("sample", router, body_bytes={"/large": 2_000_000})


class Order(BaseModel):
    size: int


@router.post("/small")
@router.post("/large")
async def take(request: Request) -> int:
    return len(await request.body())


@router.post("/order")
async def order(order: Order) -> int:
    return order.size


@router.get("/me")
async def me(principal: Principal = Depends(caller)) -> str:
    return f"{principal.role}:{principal.subject}"


@router.get("/problem")
async def problem() -> None:
    raise Problem(422, "invalid", "No.", errors=[FieldError("size", "is a word", "send a number")])


@router.get("/away")
async def away() -> None:
    raise asyncpg.CannotConnectNowError("starting up")


@router.get("/bug")
async def bug() -> None:
    raise ZeroDivisionError("secret detail")


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app([SERVICE], settings)
    async with AsyncExitStack() as stack:
        manager = LifespanManager(app, startup_timeout=120, shutdown_timeout=120)
        await stack.enter_async_context(manager)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://hub.test")
        yield await stack.enter_async_context(client)


async def test_a_body_over_the_limit_is_refused_announced_or_not(http: httpx.AsyncClient) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(100_000)

    assert (await http.post("/small", content=bytes(1_000_001))).status_code == 413
    assert (await http.post("/small", content=unannounced())).status_code == 413
    assert (await http.post("/large", content=unannounced())).text == "2000000"


async def test_errors_are_problem_json_that_names_field_and_fix(http: httpx.AsyncClient) -> None:
    answer = await http.get("/problem")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/invalid",
        "title": "Invalid",
        "status": 422,
        "detail": "No.",
        "errors": [{"field": "size", "problem": "is a word", "fix": "send a number"}],
    }


async def test_a_wrong_field_is_named(http: httpx.AsyncClient) -> None:
    answer = await http.post("/order", json={"size": "large"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "size"


async def test_a_missing_page_is_a_problem_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/nothing-here")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_a_dependency_that_is_away_answers_503_with_retry_after(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.get("/away")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_bug_tells_nothing(http: httpx.AsyncClient) -> None:
    answer = await http.get("/bug")
    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer tl_00_00"}]
)
async def test_without_a_good_key_the_answer_is_401(
    http: httpx.AsyncClient, header: dict[str, str]
) -> None:
    answer = await http.get("/me", headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_speaks_for_its_organization(http: httpx.AsyncClient, pool: Pool) -> None:
    token = await issue_key(pool, Role.EMPLOYER, "acme")
    good = await http.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert good.json() == "employer:acme"

    other = await issue_key(pool, Role.EMPLOYER, "other")
    mixed = "_".join([*token.split("_")[:2], other.split("_")[2]])
    bad = await http.get("/me", headers={"Authorization": f"Bearer {mixed}"})
    assert bad.status_code == 401


async def test_health_says_what_answers(http: httpx.AsyncClient) -> None:
    async def ready() -> httpx.Response | None:
        answer = await http.get("/health/ready")
        return answer if answer.is_success else None

    answer = await until(ready)
    assert answer is not None
    assert answer.json() == {"status": "ready", "postgresql": "ok", "kafka": "ok"}
    assert (await http.get("/health/live")).json() == {"status": "live"}
