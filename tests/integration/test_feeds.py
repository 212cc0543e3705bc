"""A release over HTTP: complete windows only, once and for good, small numbers held back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.common.access import Role
from services.common.clock import utc_now
from services.common.postgres import Connection, Pool
from tests.conftest import Hub
from tests.feeds_kit import Read, people, positions, read
from tests.processes import until

__all__ = ["positions", "read"]  # fixtures of the kit
SERVICES = ("feeds",)


@pytest.fixture
async def released(hub: Hub, read: Read) -> dict[str, Any]:
    await read(
        [
            *people("welding", exiters=40, employed=30),
            *people("roofing", exiters=9, employed=5),
            *people("care", exiters=30, employed=25),
        ]
    )
    operator = await hub.key(Role.OPERATOR, "hub")
    path = "/v1/feeds/employment-q2/releases"
    answer = await hub.http.post(path, json={"window": "PY2023"}, headers=operator)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_release_shows_what_may_be_shown(hub: Hub, released: dict[str, Any]) -> None:
    path = f"/v1/feeds/employment-q2/releases/{released['release']}"
    body = (await hub.http.get(path)).json()

    shown = {row["programme_id"]: (row["status"], row["percent"]) for row in body["rows"]}
    assert shown == {
        "care": ("suppressed", None),
        "roofing": ("suppressed", None),
        "welding": ("ok", 75),
    }
    assert body["window"] == {
        "id": "PY2023",
        "exits_from": "2023-07-01",
        "exits_before": "2024-07-01",
    }
    assert body["minimum"] == 10
    assert body["as_of"]
    assert "exit" in body["definition"]


async def test_years_released_at_once_each_get_a_number(hub: Hub, pool: Pool) -> None:
    """Each is stopped between its number and its rows until the other has come as far as it can."""
    operator = await hub.key(Role.OPERATOR, "hub")
    path = "/v1/feeds/employment-q2/releases"
    years = [{"window": "PY2022"}, {"window": "PY2023"}]

    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE feeds.cell IN SHARE MODE")
            calls = [
                asyncio.create_task(hub.http.post(path, json=year, headers=operator))
                for year in years
            ]
            await until(lambda: both_wait(connection))
        answers = await asyncio.gather(*calls)

    assert [answer.status_code for answer in answers] == [201, 201]
    assert {answer.json()["release"] for answer in answers} == {1, 2}


async def both_wait(connection: Connection) -> bool:
    waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND (database IS NULL OR database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    return bool(await connection.fetchval(waiting) == 2)


async def test_a_window_is_released_once(hub: Hub, released: dict[str, Any], read: Read) -> None:
    await read(people("welding", exiters=1, employed=1))
    operator = await hub.key(Role.OPERATOR, "hub")
    path = "/v1/feeds/employment-q2/releases"

    again = await hub.http.post(path, json={"window": "PY2023"}, headers=operator)

    assert again.status_code == 409
    listed = (await hub.http.get("/v1/feeds")).json()
    assert [release["window"] for release in listed[0]["releases"]] == ["PY2023"]


@pytest.mark.parametrize(
    "window",
    # Its name is without the year, which may turn while processes collect the same tests.
    ["PY2999", "last year", pytest.param(f"PY{utc_now().year}", id="this year")],
)
async def test_a_window_that_is_not_complete_is_refused(hub: Hub, window: str) -> None:
    operator = await hub.key(Role.OPERATOR, "hub")
    path = "/v1/feeds/employment-q2/releases"
    answer = await hub.http.post(path, json={"window": window}, headers=operator)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "window"


@pytest.mark.parametrize("role", [Role.EMPLOYER, Role.PROVIDER, Role.AGENCY, Role.WORKER])
async def test_only_an_operator_publishes(hub: Hub, role: Role) -> None:
    subject = str(uuid4()) if role is Role.WORKER else "acme"
    key = await hub.key(role, subject)
    path = "/v1/feeds/employment-q2/releases"
    answer = await hub.http.post(path, json={"window": "PY2023"}, headers=key)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path", ["none/releases/1", "employment-q2/releases/7", "employment-q2/releases/99999999999"]
)
async def test_what_is_not_there_answers_404(hub: Hub, path: str) -> None:
    assert (await hub.http.get(f"/v1/feeds/{path}")).status_code == 404
