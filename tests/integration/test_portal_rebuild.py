"""The operator's page of a rebuild: it orders steps, shows how far they are, and lets nobody else."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from services.common.settings import Settings
from services.portal.rebuild import Progress, parse_rate
from tests.conftest import Hub
from tests.integration.test_portal_flow import operator
from tests.integration.test_portal_pages import form_token
from tests.integration.test_projections import publish, session
from tests.processes import HubProcess, until

SERVICES = ("portal",)
PAGES = ["/rebuild", "/rebuild/state", "/rebuild/start", "/rebuild/switch", "/rebuild/drop"]


async def press(hub: Hub, step: str, **fields: str) -> httpx.Response:
    token = form_token(await hub.http.get("/rebuild/start"))
    return await hub.http.post(f"/rebuild/{step}", data={"form_token": token, **fields})


@pytest.mark.parametrize("path", PAGES)
async def test_only_an_operator_sees_it(hub: Hub, path: str) -> None:
    answer = await hub.http.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")

    page = await hub.http.get("/sign-in")
    key = await issue_key(hub.pool, Role.WORKER, str(uuid4()))
    await hub.http.post("/sign-in", data={"code": key, "form_token": form_token(page)})
    assert (await hub.http.get(path)).status_code == 403
    assert (await hub.http.post("/rebuild/start", data={})).status_code == 403
    assert await ordered(hub.pool) == []


async def ordered(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT step FROM projections_work.rebuild_step ORDER BY step_id")
    return [row["step"] for row in rows]


async def test_a_form_from_elsewhere_orders_nothing(hub: Hub) -> None:
    await operator(hub)

    answer = await hub.http.post("/rebuild/start", data={"form_token": "x"})

    assert answer.status_code == 403
    assert await ordered(hub.pool) == []


async def test_a_step_that_waits_is_shown_and_not_ordered_twice(hub: Hub) -> None:
    await operator(hub)
    for _ in range(2):
        answer = await press(hub, "start", rate="500")
        assert answer.headers["location"] == "/rebuild"

    page = await hub.http.get("/rebuild")

    assert await ordered(hub.pool) == ["start"]
    assert "Asked for: Make the tables again." in page.text
    await hub.pool.execute(
        "UPDATE projections_work.rebuild_step SET asked_at = now() - interval '1 minute'"
    )
    assert "throughline work projections" in (await hub.http.get("/rebuild")).text


async def test_a_rate_that_is_none_is_told_and_kept_in_the_field(hub: Hub) -> None:
    await operator(hub)

    answer = await press(hub, "start", rate="fast")

    assert answer.status_code == 422
    assert 'value="fast"' in answer.text
    assert "<title>Error:" in answer.text
    assert await ordered(hub.pool) == []
    assert (await press(hub, "fly")).status_code == 404


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "1000001", "10000000000000", "²", "1e3"])
def test_no_rate(typed: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(typed)
    assert (parse_rate(""), parse_rate("1000000")) == (None, 1_000_000)


def test_all_is_100_percent_and_nothing_else_is() -> None:
    assert Progress(999, 1000, 10.0, 1.0, False).percent == 99
    assert Progress(1000, 1000, 10.0, 1.0, False).percent == 100
    assert Progress(500, 1000, 10.0, 1.0, False).left_s == 50
    assert Progress(500, 1000, 0.0, 1.0, False).left_s is None


async def test_from_start_to_end_by_the_page_alone(
    hub: Hub,
    pool: Pool,
    settings: Settings,
    producer: AIOKafkaProducer,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    await publish(settings, producer, [session(n % 40) for n in range(1_000)])
    work = HubProcess("work", "projections", environment=environment, log=tmp_path / "work.log")
    work.start()
    await operator(hub)
    try:
        assert await shown(hub, r"Read from the log</span><strong>1,000")
        await press(hub, "start")
        assert await shown(hub, r"1,000 of 1,000 records")
        await pool.execute("UPDATE read.training SET sessions = 0 WHERE enrolment_id = 'e-0'")
        await press(hub, "compare")
        assert await shown(hub, "Not equal.")
        state = await hub.http.get("/rebuild/state")
        assert re.search(r"<code>training</code>.*not the same: <code>sessions</code>", state.text)
        await press(hub, "switch")
        assert await shown(hub, "Not done: Use the new tables.")
        assert "Do it all the same." in (await hub.http.get("/rebuild/switch")).text
        await press(hub, "switch", anyway="yes")
        assert await shown(hub, "The new tables are in use")
        assert await pool.fetchval("SELECT min(sessions) FROM read.training") == 25
        assert await shown(hub, r"<strong>100 %")
        await press(hub, "undo")
        assert await shown(hub, "How far the new tables are")
        await press(hub, "drop")
        assert await shown(hub, "Room needed")
    finally:
        work.stop()
    steps = ["start", "compare", "switch", "switch", "undo", "drop"]
    assert await ordered(pool) == steps
    by = await pool.fetchval("SELECT DISTINCT asked_by FROM projections_work.rebuild_step")
    assert by == "hub (page)"


async def shown(hub: Hub, pattern: str) -> bool:
    async def is_there() -> bool:
        state = await hub.http.get("/rebuild/state")
        assert state.status_code == 200
        return re.search(pattern, state.text) is not None

    return await until(is_there)


async def test_it_speaks_spanish(hub: Hub) -> None:
    await operator(hub)

    page = await hub.http.get("/rebuild?lang=es")

    assert "Hacer las tablas de nuevo" in page.text
    assert 'lang="es"' in page.text
