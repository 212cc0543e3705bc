"""The portal's pages without a browser: log-ins, forms, headers, and what stays closed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from services.common.access import Principal, Role, issue_key
from services.common.clock import utc_now
from services.common.http import build_app
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.portal.__main__ import service
from services.portal.sessions import Sessions
from services.portal.store import ReadStore
from tests.browser import people
from tests.browser.people import Log
from tests.conftest import Hub
from tests.integration.test_portal_story import read

SERVICES = ("consent", "portal")
PUBLIC = ["/", "/cohorts", "/outcomes", "/events", "/events/Promoted", "/help", "/sign-in", "/demo"]
PERSONAL = ["/me", "/me/promises", "/me/sharing", "/me/join", "/me/join?done=yes"]


@pytest.fixture
async def rosa(settings: Settings, pool: Pool, producer: AIOKafkaProducer) -> UUID:
    log = Log(settings, producer, Keyring(pool, await Vault.open(settings)))
    await log.directory()
    worker_id = await log.register("Rosa <Marín>", at=people.ago(1100))
    await log.add(*people.rosa(worker_id))
    await log.add(people.grant(worker_id, uuid4(), at=people.ago(60)))
    await read(log, pool, settings)
    return worker_id


def form_token(answer: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', answer.text)
    assert found is not None
    return found[1]


async def sign_in(hub: Hub, worker_id: UUID, **more: str) -> httpx.Response:
    page = await hub.http.get("/sign-in")
    key = await issue_key(hub.pool, Role.WORKER, str(worker_id))
    form = {"code": key, "form_token": form_token(page), **more}
    return await hub.http.post("/sign-in", data=form)


@pytest.mark.parametrize("path", [*PUBLIC, *PERSONAL, "/me?before=00", "/sign-in?out=1"])
async def test_every_page_forbids_what_it_does_not_need(hub: Hub, rosa: UUID, path: str) -> None:
    await sign_in(hub, rosa)

    answer = await hub.http.get(path)

    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.parametrize(
    "path", [*PERSONAL, "/me/sharing/aeec3fd7-f353-4f5c-9b6d-09a1969b8a33/stop"]
)
async def test_a_record_needs_a_log_in(hub: Hub, path: str) -> None:
    hub.http.cookies.set("tl_login", "made-up")

    answer = await hub.http.get(path)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in"


async def test_the_log_in_cookie_is_closed_to_scripts_and_other_sites(hub: Hub, rosa: UUID) -> None:
    answer = await sign_in(hub, rosa)

    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("tl_login="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age" not in cookie


async def test_a_log_in_is_remembered_for_30_days_only_when_ticked(hub: Hub, rosa: UUID) -> None:
    answer = await sign_in(hub, rosa, remember="yes")

    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("tl_login="))
    assert f"Max-Age={30 * 24 * 3600}" in cookie
    lasts = "SELECT expires_at - created_at FROM portal_work.login"
    assert abs(await hub.pool.fetchval(lasts) - timedelta(days=30)) < timedelta(minutes=1)


async def test_only_hashes_and_sealed_keys_are_stored(hub: Hub, rosa: UUID) -> None:
    await sign_in(hub, rosa)

    row = await hub.pool.fetchrow("SELECT * FROM portal_work.login")
    token = hub.http.cookies["tl_login"]
    assert len(token) >= 43  # 256 bits
    assert token.encode() not in b"".join(v for v in row.values() if isinstance(v, bytes))
    assert not re.search(rb"tl_[0-9a-f]{16}_", row["sealed_key"])


@pytest.mark.parametrize(
    "path",
    [
        "/sign-in",
        "/sign-out",
        "/demo",
        "/demo/courses",
        "stop",
        "/me/promises",
        "/me/requests/r-1",
        "/me/join",
    ],
)
async def test_a_form_of_another_site_changes_nothing(hub: Hub, rosa: UUID, path: str) -> None:
    await sign_in(hub, rosa)
    grant_id = await hub.pool.fetchval("SELECT grant_id FROM read.access_grant")
    path = f"/me/sharing/{grant_id}/stop" if path == "stop" else path

    for token in ({}, {"form_token": "0" * 64}):
        answer = await hub.http.post(path, data={"worker_id": str(rosa), "code": "x", **token})
        assert answer.status_code == 403

    assert (await hub.http.get("/me")).status_code == 200
    assert await hub.pool.fetchval("SELECT count(*) FROM consent.revocation") == 0


async def test_the_keys_of_others_do_not_sign_in(hub: Hub) -> None:
    page = await hub.http.get("/sign-in")
    agency = await issue_key(hub.pool, Role.AGENCY, "state-labor-office")
    for code in (agency, "tl_0_0", ""):
        form = {"code": code, "form_token": form_token(page)}
        answer = await hub.http.post("/sign-in", data=form)
        assert answer.status_code == 422
        assert "<title>Error:" in answer.text
        assert f'value="{code}"' in answer.text
        assert 'href="#code"' in answer.text
    assert "tl_login" not in hub.http.cookies


async def test_a_code_of_who_is_signed_in_opens_no_second_record(hub: Hub, rosa: UUID) -> None:
    await sign_in(hub, rosa)
    assert (await hub.http.get("/sign-in")).headers["location"] == "/me/join"
    page = await hub.http.get("/me/join")
    log_in = hub.http.cookies["tl_login"]

    form = {"code": "7K2M-9QXD-04VT-H8RA", "form_token": form_token(page)}
    asked = await hub.http.post("/sign-in", data=form)

    assert (asked.status_code, hub.http.cookies["tl_login"]) == (200, log_in)
    assert 'action="/me/join"' in asked.text
    for shown in (page, asked):  # a phone may be another one's, who did not sign out
        assert "This is the record of Rosa &lt;Marín&gt;." in shown.text
    assert f'value="{form["code"]}"' in asked.text
    keys = "SELECT count(DISTINCT subject) FROM vault.access_key WHERE role = 'worker'"
    assert await hub.pool.fetchval(keys) == 1


async def test_signing_out_ends_the_log_in_and_its_key(hub: Hub, rosa: UUID) -> None:
    await sign_in(hub, rosa)
    cookie = hub.http.cookies["tl_login"]
    page = await hub.http.get("/me")

    await hub.http.post("/sign-out", data={"form_token": form_token(page)})

    assert "tl_login" not in hub.http.cookies
    hub.http.cookies.set("tl_login", cookie)
    assert (await hub.http.get("/me")).status_code == 303
    live = "SELECT count(*) FROM vault.access_key WHERE subject = $1 AND revoked_at IS NULL"
    assert await hub.pool.fetchval(live, str(rosa)) == 1  # the one that was typed in


async def test_a_log_in_that_has_run_out_is_over(hub: Hub, rosa: UUID, settings: Settings) -> None:
    sessions = Sessions(hub.pool, await Vault.open(settings))
    who = Principal(Role.WORKER, str(rosa), "")
    token = await sessions.start(who, timedelta(minutes=5), now=utc_now())

    assert await sessions.find(token, now=utc_now()) is not None
    later = utc_now() + timedelta(minutes=5)
    assert await sessions.find(token, now=later) is None
    await sessions.start(who, timedelta(minutes=5), now=later)
    assert await hub.pool.fetchval("SELECT count(*) FROM portal_work.login") == 1


async def test_somebody_elses_grant_is_not_there(hub: Hub, rosa: UUID) -> None:
    await sign_in(hub, uuid4())
    grant_id = await hub.pool.fetchval("SELECT grant_id FROM read.access_grant")

    page = await hub.http.get(f"/me/sharing/{grant_id}/stop")

    assert page.status_code == 404
    assert "There is nothing here" in page.text


async def test_text_from_outside_is_escaped(hub: Hub, rosa: UUID) -> None:
    page = await hub.http.get("/demo")

    assert "Rosa &lt;Marín&gt;" in page.text
    assert "<Marín>" not in page.text


async def test_the_demo_signs_in_only_those_it_lists(hub: Hub, rosa: UUID) -> None:
    token = form_token(await hub.http.get("/demo"))

    stranger = await hub.http.post("/demo", data={"worker_id": str(uuid4()), "form_token": token})
    employer = await hub.http.post("/demo", data={"employer": "made-up", "form_token": token})
    known = await hub.http.post("/demo", data={"worker_id": str(rosa), "form_token": token})

    assert stranger.status_code == employer.status_code == 404
    assert known.headers["location"] == "/me"
    assert "Forklift safety" in (await hub.http.get("/me")).text


async def test_without_the_demo_setting_there_is_no_demo_log_in(settings: Settings) -> None:
    from asgi_lifespan import LifespanManager

    app = build_app([service()], settings.model_copy(update={"demo": False}))
    async with LifespanManager(app, startup_timeout=120, shutdown_timeout=120):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub.test") as http:
            for path in ("/demo", "/demo?as=rosa", "/demo/courses"):
                assert (await http.get(path)).status_code == 404
            page = await http.get("/sign-in?lang=qps")
            assert "/demo" not in page.text
            assert 'lang="en"' in page.text
            form = {"worker_id": str(uuid4()), "form_token": form_token(page)}
            for path in ("/demo", "/demo/courses"):
                assert (await http.post(path, data=form)).status_code == 404


@pytest.mark.parametrize(
    ("path", "method", "sentence"),
    [
        ("/me", "story", "We can&#39;t load older parts now. Nothing is lost."),
        ("/me/sharing", "seen", "We can&#39;t load this page now. Nothing is lost."),
        ("/cohorts", "cohorts", "We can&#39;t load this page now. Nothing is lost."),
    ],
)
async def test_when_the_database_is_away_the_page_says_so(
    hub: Hub, rosa: UUID, monkeypatch: pytest.MonkeyPatch, path: str, method: str, sentence: str
) -> None:
    async def refuse(*_: object) -> Any:
        raise ConnectionRefusedError

    await sign_in(hub, rosa)
    monkeypatch.setattr(ReadStore, method, refuse)

    answer = await hub.http.get(path)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert sentence in answer.text
    assert f'href="{path}"' in answer.text


async def test_a_new_person_sees_empty_pages_with_a_next_step(hub: Hub) -> None:
    await sign_in(hub, uuid4())

    assert "Your story starts here. When you finish a course" in (await hub.http.get("/me")).text
    sharing = (await hub.http.get("/me/sharing")).text
    assert "Only you see your record." in sharing
    assert "No one has seen your record." in sharing
    promises = (await hub.http.get("/me/promises")).text
    assert "No one has made you a promise here." in promises


async def test_an_employer_signs_in_to_its_team_and_nowhere_else(hub: Hub, rosa: UUID) -> None:
    page = await hub.http.get("/sign-in")
    code = await issue_key(hub.pool, Role.EMPLOYER, "acme-foods")
    answer = await hub.http.post("/sign-in", data={"code": code, "form_token": form_token(page)})
    assert answer.headers["location"] == "/team"

    assert (await hub.http.get("/team")).status_code == 200
    assert (await hub.http.get("/team/acme-foods")).headers["location"] == "/team"
    assert (await hub.http.get("/team/harbor-logistics")).status_code == 404
    for path in ("/me", "/me/sharing", "/flow"):
        assert (await hub.http.get(path)).status_code == 403
    hub.http.cookies.clear()
    await sign_in(hub, rosa)
    assert (await hub.http.get("/team")).status_code == 403
    assert (await hub.http.post("/team", data={"form_token": "x"})).status_code == 403


async def test_parked_parts_are_told(hub: Hub, rosa: UUID) -> None:
    await hub.pool.execute(
        "INSERT INTO read.parked (topic, partition, log_offset, worker_id, reason, headers)"
        " VALUES ('stories', 0, 999999, $1, 'does not decode', '{}')",
        rosa,
    )
    await sign_in(hub, rosa)

    assert "Some of your record is not shown yet." in (await hub.http.get("/me")).text


async def test_static_files_keep_and_pages_name_their_version(hub: Hub) -> None:
    page = (await hub.http.get("/")).text
    address = re.search(r"/static/app\.css\?v=[0-9a-f]{12}", page)
    assert address is not None

    sheet = await hub.http.get(address[0])

    assert "immutable" in sheet.headers["cache-control"]
    assert sheet.headers["content-encoding"] == "gzip"
    assert "--paper" in sheet.text
    for name in ("nothing.css", "..%2Fsettings.py"):
        assert (await hub.http.get(f"/static/{name}")).status_code == 404


async def test_the_language_is_kept_and_named(hub: Hub) -> None:
    spanish = await hub.http.get("/help?lang=es")
    assert '<html lang="es">' in spanish.text
    assert "¿Quién lo puede ver?" in spanish.text

    assert '<html lang="es">' in (await hub.http.get("/help")).text
    assert '<html lang="en">' in (await hub.http.get("/help?lang=en")).text
