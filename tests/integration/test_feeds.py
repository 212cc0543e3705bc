"""A release over HTTP: complete windows only, once and for good, small numbers held back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.common.access import Role
from services.common.postgres import Pool
from tests.conftest import Hub

SERVICES = ("feeds",)


async def people(pool: Pool, course: str, *, exiters: int, employed: int) -> None:
    """Rows of the read model: people who left the course in May 2024, some with a job in Q4."""
    left, hired = datetime(2024, 5, 20, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)
    for number in range(exiters):
        worker_id = uuid4()
        await pool.execute(
            "INSERT INTO read.training (worker_id, enrolment_id, course_id, enrolled_at)"
            " VALUES ($1, $2, $3, $4)",
            worker_id,
            f"{course}-{number}",
            course,
            left,
        )
        if number < employed:
            await pool.execute(
                "INSERT INTO read.employment (worker_id, employment_id, started_at)"
                " VALUES ($1, 'e', $2)",
                worker_id,
                hired,
            )


@pytest.fixture
async def released(hub: Hub) -> dict[str, Any]:
    await people(hub.pool, "welding", exiters=40, employed=31 - 1)
    await people(hub.pool, "roofing", exiters=9, employed=5)
    await people(hub.pool, "care", exiters=30, employed=25)
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
    as_csv = await hub.http.get(path, params={"format": "csv"})
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert len(as_csv.text.splitlines()) == 4
    assert "5" not in "".join(line.split(",")[-1] for line in as_csv.text.splitlines()[1:3])


async def test_a_window_is_released_once(hub: Hub, released: dict[str, Any]) -> None:
    await people(hub.pool, "welding", exiters=1, employed=1)
    operator = await hub.key(Role.OPERATOR, "hub")
    path = "/v1/feeds/employment-q2/releases"

    again = await hub.http.post(path, json={"window": "PY2023"}, headers=operator)

    assert again.status_code == 409
    listed = (await hub.http.get("/v1/feeds")).json()
    assert [release["window"] for release in listed[0]["releases"]] == ["PY2023"]


@pytest.mark.parametrize("window", ["PY2999", "last year", "PY2025"])
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
