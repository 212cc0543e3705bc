"""Organisations and their keys, workers and their claim codes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.common.access import Keys, Role, key_id_of
from services.common.access_keys import revoke_keys
from services.common.clock import utc_now
from services.common.codec import decode
from services.common.settings import Settings
from services.common.vault import Vault
from services.consent.identity.claims import Claims
from services.consent.identity.store import IdentityStore
from services.ingest.__main__ import bootstrap_operator
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, enrolled, on_the_log

SERVICES = ("ingest", "consent")
ACME = {"organization_id": "acme", "name": "Acme GmbH & Söhne", "kind": "EMPLOYER"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def operator(hub: Hub) -> dict[str, str]:
    return bearer(await bootstrap_operator(hub.pool))


@pytest.fixture
async def provider(hub: Hub) -> dict[str, str]:
    return await hub.key(Role.PROVIDER, SOURCE)


async def register(hub: Hub, key: dict[str, str], **order: Any) -> httpx.Response:
    return await hub.http.post("/v1/workers", json=order, headers=key)


async def claim(hub: Hub, code: Any) -> httpx.Response:
    return await hub.http.post("/v1/claims", json={"code": code})


async def test_an_organisation_gets_its_first_key_once(
    hub: Hub, settings: Settings, operator: dict[str, str]
) -> None:
    made = await hub.http.post("/v1/organizations", json=ACME, headers=operator)
    again = await hub.http.post("/v1/organizations", json=ACME, headers=operator)
    other = {**ACME, "name": "Acme Ltd"}
    changed = await hub.http.post("/v1/organizations", json=other, headers=operator)

    assert [made.status_code, again.status_code, changed.status_code] == [201, 200, 409]
    assert made.headers["cache-control"] == "no-store"
    assert "key" not in again.json()
    assert again.json()["position"] == made.json()["position"]
    principal = await Keys(hub.pool).principal(made.json()["key"])
    assert principal is not None
    assert (principal.role, principal.subject) == (Role.EMPLOYER, "acme")
    (record,) = await on_the_log(settings, "directory")
    event = decode(record.value)
    assert (event.name, event.fields["name"]) == ("OrganizationRegistered", ACME["name"])
    assert (event.fields["entity_id"], event.fields["version"]) == ("acme", 1)


async def test_a_key_lost_on_the_way_is_answered_when_the_order_is_repeated(
    hub: Hub, operator: dict[str, str]
) -> None:
    """The event is on the log, and the process died before it made the key."""
    await hub.http.post("/v1/organizations", json=ACME, headers=operator)
    await hub.pool.execute("DELETE FROM vault.access_key WHERE subject = 'acme'")
    again = await hub.http.post("/v1/organizations", json=ACME, headers=operator)
    assert again.status_code == 201
    assert again.json()["key"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "UNKNOWN"}, "kind"),
        ({"kind": "BAKERY"}, "kind"),
        ({"organization_id": "throughline"}, "organization_id"),
        ({"name": None}, "name"),
        ({"name": "a\u0007b"}, "name"),
        ({"version": 2}, "version"),
    ],
)
async def test_an_organisation_that_can_not_be_is_refused(
    hub: Hub, operator: dict[str, str], change: dict[str, Any], field: str
) -> None:
    answer = await hub.http.post("/v1/organizations", json=ACME | change, headers=operator)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_only_operators_register_organisations(hub: Hub, provider: dict[str, str]) -> None:
    answer = await hub.http.post("/v1/organizations", json=ACME, headers=provider)
    assert answer.status_code == 403
    assert (await hub.http.post("/v1/organizations", json=ACME)).status_code == 401


async def test_further_keys_are_for_operators_and_the_organisation_itself(
    hub: Hub, operator: dict[str, str], provider: dict[str, str]
) -> None:
    made = await hub.http.post("/v1/organizations", json=ACME, headers=operator)
    own = bearer(made.json()["key"])
    path = "/v1/organizations/acme/keys"
    for key, status in ((operator, 201), (own, 201), (provider, 404)):
        answer = await hub.http.post(path, headers=key)
        assert answer.status_code == status
        if status == 201:
            principal = await Keys(hub.pool).principal(answer.json()["key"])
            assert principal is not None
            assert (principal.role, principal.subject) == (Role.EMPLOYER, "acme")
    missing = await hub.http.post("/v1/organizations/nobody/keys", headers=operator)
    assert missing.status_code == 404


async def test_a_worker_is_known_as_soon_as_it_is_registered(
    hub: Hub, settings: Settings, provider: dict[str, str]
) -> None:
    made = await register(hub, provider, display_name="Ana López", language="es")
    assert made.status_code == 201
    worker_id = made.json()["worker_id"]
    item = enrolled(worker_id=worker_id, source_record_id=None)
    posted = await hub.http.post("/v1/events", json=item, headers=provider)
    assert posted.status_code == 202
    first, second = await on_the_log(settings)
    assert str(decode(first.value).worker_id) == str(decode(second.value).worker_id) == worker_id
    assert decode(first.value).fields["language"] == "es"
    assert "López".encode() not in first.value


async def test_a_known_number_answers_the_same_worker_with_a_fresh_code(
    hub: Hub, provider: dict[str, str]
) -> None:
    posted = await hub.http.post("/v1/events", json=enrolled(), headers=provider)
    one = await register(hub, provider, source_record_id="r-1")
    two = await register(hub, provider, source_record_id="r-1", display_name="Ana")

    assert (one.status_code, two.status_code) == (200, 200)
    assert {one.json()["worker_id"], two.json()["worker_id"]} == {posted.json()["worker_id"]}
    assert (await claim(hub, one.json()["claim_code"])).status_code == 404, "replaced"
    assert (await claim(hub, two.json()["claim_code"])).status_code == 200
    after = await register(hub, provider, source_record_id="r-1")
    assert after.json()["claim_code"] is None, "the record has its person"


async def test_a_name_after_the_first_event_is_told_as_not_taken(
    hub: Hub, settings: Settings, provider: dict[str, str]
) -> None:
    await hub.http.post("/v1/events", json=enrolled(), headers=provider)
    named = {"display_name": "Ana López", "contact_email": "ana@example.org"}

    late = await register(hub, provider, source_record_id="r-1", **named)
    silent = await register(hub, provider, source_record_id="r-1")
    first = await register(hub, provider, source_record_id="r-2", **named)

    assert late.status_code == 200
    assert [w["field"] for w in late.json()["warnings"]] == ["contact_email", "display_name"]
    assert "is not taken" in late.json()["warnings"][0]["problem"]
    assert "before the first event" in late.json()["warnings"][0]["fix"]
    assert "warnings" not in silent.json() | first.json()
    on_file = [decode(record.value) for record in await on_the_log(settings)]
    names = [e.fields["display_name"] for e in on_file if e.name == "WorkerRegistered"]
    assert sum(name is not None for name in names) == 1


async def test_a_code_gives_the_worker_a_token_once(hub: Hub, provider: dict[str, str]) -> None:
    made = (await register(hub, provider, source_record_id="r-1")).json()
    code = made["claim_code"]
    assert len(code.replace("-", "")) * 5 >= 50
    spoken = code.lower().replace("0", "O").replace("1", "l").replace("-", " ")

    answers = await asyncio.gather(*(claim(hub, spoken) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 404, 404]
    (good,) = (answer for answer in answers if answer.status_code == 200)
    assert good.json()["worker_id"] == made["worker_id"]
    principal = await Keys(hub.pool).principal(good.json()["token"])
    assert principal is not None
    assert str(principal.worker_id) == made["worker_id"]
    rows = await hub.pool.fetch("SELECT * FROM vault.claim")
    assert code.replace("-", "").encode() not in str(rows).encode()


async def test_a_token_lost_on_its_way_is_answered_again_to_the_same_call(
    hub: Hub, provider: dict[str, str]
) -> None:
    made = (await register(hub, provider, source_record_id="r-1")).json()
    order = {"code": made["claim_code"]}

    async def call(name: str) -> httpx.Response:
        headers = {"Idempotency-Key": f'"{name}"'}
        return await hub.http.post("/v1/claims", json=order, headers=headers)

    answers = await asyncio.gather(*(call("mine") for _ in range(3)))

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.json()["worker_id"] for answer in answers} == {made["worker_id"]}
    tokens = {answer.json()["token"] for answer in answers}
    good = [token for token in tokens if await Keys(hub.pool).principal(token)]
    assert (len(tokens), len(good)) == (3, 1), "each ended the one before"
    assert (await call("another")).status_code == 404
    assert (await claim(hub, made["claim_code"])).status_code == 404
    assert (await call("no\x7f")).status_code == 400

    await hub.pool.execute("UPDATE vault.claim SET claimed_at = claimed_at - interval '10 minutes'")
    assert (await call("mine")).status_code == 404, "too late"
    assert await Keys(hub.pool).principal(good[0]), "nothing ended it"


async def test_who_only_asks_again_takes_nothing_up(hub: Hub, provider: dict[str, str]) -> None:
    code = (await register(hub, provider)).json()["claim_code"]
    same = {"Idempotency-Key": '"mine"'}
    once_more = {"code": code, "again": True}
    assert (await hub.http.post("/v1/claims", json=once_more, headers=same)).status_code == 404
    first = await hub.http.post("/v1/claims", json={"code": code}, headers=same)
    again = await hub.http.post("/v1/claims", json=once_more, headers=same)
    assert [first.status_code, again.status_code] == [200, 200]
    assert first.json()["worker_id"] == again.json()["worker_id"]
    for answer in (first, again):
        assert await Keys(hub.pool).principal(answer.json()["token"]), "both are good"
    assert (await hub.http.post("/v1/claims", json=once_more)).status_code == 404


async def test_a_token_that_was_revoked_is_not_answered_again(
    hub: Hub, provider: dict[str, str]
) -> None:
    order = {"code": (await register(hub, provider)).json()["claim_code"]}
    same = {"Idempotency-Key": '"mine"'}
    token = (await hub.http.post("/v1/claims", json=order, headers=same)).json()["token"]
    await revoke_keys(hub.pool, [key_id_of(token)])
    assert (await hub.http.post("/v1/claims", json=order, headers=same)).status_code == 404


async def test_a_code_bears_five_tries(hub: Hub, provider: dict[str, str]) -> None:
    code = (await register(hub, provider)).json()["claim_code"]
    last = "0" if code[-1] != "0" else "2"
    for _ in range(5):
        assert (await claim(hub, code[:-1] + last)).status_code == 404
    assert (await claim(hub, code)).status_code == 404


async def test_the_fifth_try_still_counts(hub: Hub, provider: dict[str, str]) -> None:
    code = (await register(hub, provider)).json()["claim_code"]
    last = "0" if code[-1] != "0" else "2"
    for _ in range(4):
        assert (await claim(hub, code[:-1] + last)).status_code == 404
    assert (await claim(hub, code)).status_code == 200


async def test_a_code_ends_after_two_weeks(
    hub: Hub, settings: Settings, provider: dict[str, str]
) -> None:
    before, two_weeks = utc_now(), timedelta(days=14)
    code = (await register(hub, provider)).json()["claim_code"]
    vault = await Vault.open(settings)
    claims = Claims(hub.pool, vault, IdentityStore(hub.pool))
    assert await claims.held(code, utc_now() + two_weeks + timedelta(seconds=1), 5) is None
    assert await claims.held(code, before + two_weeks - timedelta(seconds=1), 5) is not None


@pytest.mark.parametrize("code", ["", "x", None, 7, "0000-0000-0000-0000", "Ω" * 16, "0" * 5000])
async def test_what_is_no_code_is_answered_alike(hub: Hub, code: Any) -> None:
    answer = await claim(hub, code)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/no-such-code")


async def test_workers_register_nobody(hub: Hub, provider: dict[str, str]) -> None:
    worker_id = (await register(hub, provider)).json()["worker_id"]
    worker = await hub.key(Role.WORKER, worker_id)
    assert (await register(hub, worker)).status_code == 403


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"worker_id": "x"}, "worker_id"),
        ({"language": "Spanish"}, "language"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": 7}, "display_name"),
    ],
)
async def test_a_worker_that_can_not_be_is_refused(
    hub: Hub, provider: dict[str, str], order: dict[str, Any], field: str
) -> None:
    answer = await register(hub, provider, **order)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_a_key_over_its_rate_is_told_when_to_come_again(
    hub: Hub, provider: dict[str, str]
) -> None:
    from services.common.limits import RateLimit

    app = hub.http._transport.app  # type: ignore[attr-defined]
    while not hasattr(app, "state"):
        app = app.app
    app.state.ingest_limit = RateLimit(per_second=0.01, burst=2)
    other = await hub.key(Role.PROVIDER, SOURCE)
    batch = {"events": [enrolled()] * 2}
    answers = [
        await hub.http.post("/v1/events", json=batch, headers=key) for key in (provider,) * 2
    ]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert 100 <= int(answers[1].headers["retry-after"]) <= 200
    assert (await hub.http.post("/v1/events", json=batch, headers=other)).status_code == 202
