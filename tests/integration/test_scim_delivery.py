"""The real way out: consented events reach a real SCIM server and a webhook, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from scim2_server.utils import load_default_service_provider_config

from services.common.settings import Settings
from services.common.vault import Keyring, Place, Vault
from tests.integration.delivery_kit import (
    Inbox,
    Parties,
    came,
    delivering,
    matched,
    projecting,
    settled,
)
from tests.processes import free_port, until

SERVICES = ("consent", "delivery")
TOKEN = "hr-system-lets-us-in"
WAGE = {"wage_amount": None, "wage_currency": None, "wage_period": "HOUR"}
JOB = {"employment_id": "j-1", "employer_id": "acme"}
PLAIN = ("patch", "filter", "etag", "bulk")


class HrServer:
    """A `scim2-server` process."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self._http = http

    async def users(self) -> list[dict[str, Any]]:
        answer = await self._http.get(f"{self.url}/Users")
        found: list[dict[str, Any]] = answer.json().get("Resources", [])
        return found

    async def has(self, **expected: object) -> bool:
        """Whether there is one user, and it is as expected."""
        users = await self.users()
        return len(users) == 1 and {n: users[0].get(n) for n in expected} == expected


@asynccontextmanager
async def hr_server(folder: Path, *without: str) -> AsyncIterator[HrServer]:
    config = load_default_service_provider_config().model_dump()
    for name in without:
        config[name]["supported"] = False
    path, port = folder / "config.json", free_port()
    path.write_text(json.dumps(config))
    command = [Path(sys.executable).parent / "scim2-server", "--port", str(port)]
    command += ["--bearer-token", TOKEN, "--service-provider-config", path]
    url = f"http://127.0.0.1:{port}/v2"
    with (folder / "scim2-server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        own = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(headers=own, timeout=60) as http:

            async def answers() -> bool:
                assert process.poll() is None, (folder / "scim2-server.log").read_text()
                try:
                    return (await http.get(f"{url}/ServiceProviderConfig")).is_success
                except httpx.HTTPError:
                    return False

            await until(answers)
            yield HrServer(url, http)
    finally:
        process.terminate()
        process.wait(60)


def sealing(parties: Parties, worker_id: UUID, **plain: str) -> Callable[..., Any]:
    """Makes the sealed fields of an event."""

    async def make(event_id: UUID) -> dict[str, bytes]:
        pair = (worker_id, "identity")
        key = (await Keyring(parties.hub.pool, parties.vault).for_sealing([pair]))[pair]
        return {
            name: key.seal(Place("stories", event_id, worker_id, name), text.encode())
            for name, text in plain.items()
        }

    return make


async def renamed(parties: Parties, worker_id: UUID, name: str, email: str) -> None:
    from services.common.ids import new_id

    event_id = new_id()
    made = await sealing(parties, worker_id, display_name=name, contact_email=email)(event_id)
    await parties.story(worker_id, "ContactChanged", event_id=event_id, sealed=lambda _: made)


@pytest.mark.parametrize("without", [(), PLAIN], ids=["all features", "no PATCH, filter, ETag"])
async def test_hired_promoted_renamed_gone(
    parties: Parties, settings: Settings, acme: Inbox, tmp_path: Path, without: tuple[str, ...]
) -> None:
    async with hr_server(tmp_path, *without) as hr:
        key = await parties.organization("acme")
        both = {"categories": ["employment", "identity"]}
        hook = await parties.connect(key, acme.url, **both)
        await parties.connect(key, hr.url, connector="scim", token=TOKEN, **both)
        ana, token = await parties.worker()
        subject = parties.subject(ana, "acme")
        async with projecting(settings), delivering(settings):
            await parties.grant(token, "acme", categories=["employment", "identity"])
            job = JOB | WAGE | {"occupation": "51-4121.00", "job_level": 1}
            event_id, _ = await parties.story(ana, "EmploymentStarted", **job)
            await until(lambda: hr.has(active=True, title="51-4121.00", userName=subject))
            await parties.story(ana, "Promoted", **JOB, occupation="51-1011.00", job_level=2)
            await until(lambda: hr.has(title="51-1011.00", externalId=subject))
            await renamed(parties, ana, "Ana Diaz", "ana@example.org")
            await until(lambda: hr.has(displayName="Ana Diaz", active=True))
            await parties.story(ana, "EmploymentEnded", **JOB, reason="QUIT")
            await until(lambda: hr.has(active=False, displayName="Ana Diaz"))
            await until(lambda: came(acme, 4))
            await until(lambda: settled(parties.hub.pool))
        assert [m.body["type"].rpartition(".")[2] for m in acme.messages] == [
            "EmploymentStarted",
            "Promoted",
            "ContactChanged",
            "EmploymentEnded",
        ]
        assert acme.messages[0].id == parties.message(hook, event_id)
        shown = json.dumps(await hr.users())
        assert all(inside not in shown for inside in (str(ana), ana.hex, str(event_id)))


async def test_without_a_grant_for_it_no_job_and_no_name_gets_there(
    parties: Parties, settings: Settings, tmp_path: Path
) -> None:
    async with hr_server(tmp_path) as hr:
        key = await parties.organization("acme")
        both = {"categories": ["employment", "identity"]}
        await parties.connect(key, hr.url, connector="scim", token=TOKEN, **both)
        ana, token = await parties.worker()
        ben, _ = await parties.worker()
        async with projecting(settings), delivering(settings):
            grant = await parties.grant(token, "acme", categories=["employment"])
            await renamed(parties, ana, "Ana Diaz", "ana@example.org")
            job = JOB | WAGE | {"occupation": None, "job_level": None}
            await parties.story(ben, "EmploymentStarted", **job)
            await parties.story(ana, "EmploymentStarted", **job)
            await until(lambda: hr.has(active=True, externalId=parties.subject(ana, "acme")))
            await parties.withdraw(token, grant)
            _, last = await parties.story(ana, "EmploymentEnded", **JOB, reason="QUIT")
            await until(lambda: matched(parties.hub.pool, last))
            await until(lambda: settled(parties.hub.pool))
        [user] = await hr.users()
        assert user["active"] is True
        assert "displayName" not in user
        assert "emails" not in user


async def test_the_receivers_token_is_sealed_and_never_shown(
    parties: Parties, settings: Settings
) -> None:
    key = await parties.organization("acme")
    made = await parties.connect(key, "http://hr.example/v2", connector="scim", token=TOKEN)
    listed = await parties.hub.http.get("/v1/connections", headers=key)
    assert TOKEN not in json.dumps(made) + listed.text
    [row] = await parties.hub.pool.fetch("SELECT * FROM vault.connection_secret")
    assert TOKEN.encode() not in row["sealed"] + row["sealed_token"]
    name = f"{made['connection_id']}/token"
    opened = (await Vault.open(settings)).open_secret(name, row["sealed_token"])
    assert opened.decode() == TOKEN
    kept = await parties.hub.pool.fetch("SELECT c::text FROM delivery.connection c")
    assert TOKEN not in str(kept)


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"connector": "scim"}, "token"),
        ({"connector": "scim", "token": "two words"}, "token"),
        ({"connector": "scim", "token": "x", "url": "ldap://hr"}, "url"),
        ({"connector": "webhook", "token": "x"}, "token"),
        ({"connector": "ldap", "token": "x"}, "connector"),
    ],
)
async def test_a_connection_that_cannot_work_is_refused(
    parties: Parties, order: dict[str, Any], field: str
) -> None:
    key = await parties.organization("acme")
    body = {"url": "https://hr.example/v2", "categories": ["employment"], "purpose": "advancement"}
    answer = await parties.hub.http.post("/v1/connections", json=body | order, headers=key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert "two words" not in answer.text


async def test_the_refusal_of_an_address_names_both_that_are_taken(parties: Parties) -> None:
    key = await parties.organization("acme")
    body = {"connector": "webhook", "categories": ["employment"], "purpose": "advancement"}

    async def connect(scheme: str) -> httpx.Response:
        order = {**body, "url": f"{scheme}://hr.example/hook"}
        return await parties.hub.http.post("/v1/connections", json=order, headers=key)

    refused = await connect("ldap")
    [error] = refused.json()["errors"]
    assert refused.status_code == 422
    for taken in ("https", "http"):
        assert (await connect(taken)).status_code == 201
        assert f"{taken} " in error["problem"]
        assert f"{taken} " in error["fix"]
