"""An employer's system keeps its people over SCIM: their story follows, and only theirs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from services.common.access import Role
from services.common.errors import DependencyDown
from services.common.settings import Settings
from services.common.vault import Keyring, Place, Vault
from services.ingest.scim.outbox import Outbox
from services.ingest.writer import Writer
from tests.conftest import Hub
from tests.integration.imports_kit import on_the_log

SERVICES = ("ingest",)
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ANA = {
    "schemas": [USER],
    "userName": "ana.diaz@example.com",
    "externalId": "e-17",
    "displayName": "Ana Diaz",
    "title": "51-4121.00",
    "active": True,
}
BEN = {"schemas": [USER], "userName": "ben@example.com", "displayName": "Ben Ode"}


class Hr:
    """One employer's system."""

    def __init__(self, hub: Hub, settings: Settings, key: dict[str, str]) -> None:
        self.hub, self.settings, self.key = hub, settings, key

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = self.key | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.hub.http.request(method, f"/scim/v2{path}", json=body, headers=sent)

    async def create(self, user: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask("POST", "/Users", user)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def patch(self, scim_id: str, *operations: dict[str, Any]) -> httpx.Response:
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return await self.ask("PATCH", f"/Users/{scim_id}", body)

    async def story(self) -> list[dict[str, Any]]:
        found = await on_the_log(self.settings, "stories")
        return [{"type": event.name, **event.fields} for event in found]

    async def told(self) -> list[tuple[str, str | None, str | None]]:
        """Type, employment and occupation of every event, in order."""
        return [
            (e["type"], e.get("employment_id"), e.get("occupation")) for e in await self.story()
        ]


@pytest.fixture
async def hr(hub: Hub, settings: Settings) -> Hr:
    return Hr(hub, settings, await hub.key(Role.EMPLOYER, "acme"))


async def test_hired_changed_gone_back_and_deleted(hr: Hr) -> None:
    ana = (await hr.create(ANA))["id"]
    await hr.patch(ana, {"op": "replace", "path": "title", "value": "51-1011.00"})
    await hr.patch(ana, {"op": "replace", "path": "displayName", "value": "Ana D."})
    await hr.patch(ana, {"op": "replace", "path": "active", "value": False})
    await hr.patch(ana, {"op": "replace", "path": "title", "value": "51-4121.00"})
    await hr.patch(ana, {"op": "replace", "path": "active", "value": True})
    assert (await hr.ask("DELETE", f"/Users/{ana}")).status_code == 204
    assert (await hr.ask("GET", f"/Users/{ana}")).status_code == 404
    assert await hr.told() == [
        ("WorkerRegistered", None, None),
        ("EmploymentStarted", ana, "51-4121.00"),
        ("RoleChanged", ana, "51-1011.00"),
        ("EmploymentEnded", ana, None),
        ("EmploymentStarted", f"{ana}-2", "51-4121.00"),
        ("EmploymentEnded", f"{ana}-2", None),
    ]
    events = await hr.story()
    assert len({event["worker_id"] for event in events}) == 1
    assert {event["source"] for event in events} == {"acme"}
    assert {e["employer_id"] for e in events if "employer_id" in e} == {"acme"}
    assert not await hr.hub.pool.fetchval("SELECT count(*) FROM vault.scim_event")


async def test_the_name_is_sealed_and_the_number_is_the_employers_own(hr: Hr) -> None:
    """The same person as by `POST /v1/workers` with that number."""
    await hr.create(ANA)
    order = {"source_record_id": "e-17", "display_name": "Ana Diaz"}
    known = await hr.hub.http.post("/v1/workers", json=order, headers=hr.key)
    assert known.status_code == 200, known.text
    registered, started = await hr.story()
    worker_id = UUID(known.json()["worker_id"])
    assert UUID(bytes=registered["worker_id"]) == UUID(bytes=started["worker_id"]) == worker_id
    keyring = Keyring(hr.hub.pool, await Vault.open(hr.settings))
    event_id = UUID(bytes=registered["event_id"])
    place = Place("stories", event_id, worker_id, "display_name")
    assert (await keyring.open_all({place: registered["display_name"]}))[place] == "Ana Diaz"


async def test_a_name_after_the_first_event_is_said_to_be_too_late(hr: Hr) -> None:
    started = {"type": "EmploymentStarted", "source_record_id": "e-17", "employer_id": "acme"}
    started |= {"employment_id": "j-1", "occurred_at": "2026-01-05T09:00:00Z"}
    started |= {"wage_period": "UNKNOWN"}
    answer = await hr.hub.http.post("/v1/events", json=started, headers=hr.key)
    assert answer.status_code == 202, answer.text

    with capture_logs() as logs:
        await hr.create(ANA)

    assert [log["fields"] for log in logs if log["event"] == "said too late"] == [["display_name"]]
    assert [e["type"] for e in await hr.story()].count("WorkerRegistered") == 1


async def test_no_plain_text_is_stored(hr: Hr) -> None:
    # Nothing so short that random bytes, or their digits, may spell it.
    plain = {"displayName": "Anabel Diaz", "externalId": "clock-17"}
    await hr.create(ANA | plain | {"title": "Chief Welder", "password": "s3cret-Pass"})
    tables = ("vault.scim_user", "vault.scim_event", "vault.source_record", "vault.worker")
    rows = [str(await hr.hub.pool.fetch(f"SELECT t::text FROM {name} t")) for name in tables]
    log = str(await hr.story())
    for text in ("Anabel", "Diaz", "clock-17", "Chief", "s3cret", "ana.diaz"):
        assert text not in "".join(rows) + log
        assert text.encode().hex() not in "".join(rows)
    [found] = (await hr.ask("GET", "/Users")).json()["Resources"]
    assert (found["displayName"], found["title"]) == ("Anabel Diaz", "Chief Welder")
    assert "s3cret" not in str(found)
    [_, started] = await hr.story()
    assert started["occupation"] is None
    [row] = await hr.hub.pool.fetch("SELECT id, worker_id, sealed FROM vault.scim_user")
    place = Place("scim", row["id"], row["worker_id"], "user")
    opened = await Keyring(hr.hub.pool, await Vault.open(hr.settings)).open_all(
        {place: row["sealed"]}
    )
    assert "Anabel Diaz" in str(opened[place])
    assert "s3cret" not in str(opened[place])


async def test_who_is_not_active_is_registered_and_not_hired(hr: Hr) -> None:
    ben = (await hr.create(BEN | {"active": False}))["id"]
    assert await hr.told() == [("WorkerRegistered", None, None)]
    await hr.ask("PUT", f"/Users/{ben}", BEN | {"active": True})
    assert (await hr.told())[1:] == [("EmploymentStarted", ben, None)]


async def test_what_the_log_can_not_hold_is_refused_or_left_out(hr: Hr) -> None:
    for wrong in ({"externalId": "e\x01"}, {"externalId": "e" * 201}, {"userName": " "}):
        answer = await hr.ask("POST", "/Users", BEN | wrong)
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    await hr.create(BEN | {"displayName": "B\x01en", "externalId": "e" * 200})
    assert [t for t, _, _ in await hr.told()] == ["WorkerRegistered", "EmploymentStarted"]
    assert not await hr.hub.pool.fetchval("SELECT count(*) FROM vault.scim_event")


async def test_who_came_from_here_is_no_second_person(hr: Hr) -> None:
    """A system that gets our updates and sends its people sends these back, too."""
    ours = (await Vault.open(hr.settings)).pseudonym(UUID(int=1), "acme")
    for name in ("userName", "externalId"):
        answer = await hr.ask("POST", "/Users", BEN | {name: ours})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert await hr.told() == []


async def test_names_are_taken_once(hr: Hr) -> None:
    await hr.create(ANA)
    for other in ({"userName": "ANA.Diaz@example.com"}, {"externalId": "e-17"}):
        answer = await hr.ask("POST", "/Users", BEN | other)
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
        assert answer.json()["schemas"] == [ERROR]
    ben = (await hr.create(BEN))["id"]
    answer = await hr.patch(ben, {"op": "replace", "path": "userName", "value": ANA["userName"]})
    assert answer.status_code == 409
    assert len(await hr.told()) == 4


async def test_another_organisation_sees_nothing(hr: Hr) -> None:
    ana = (await hr.create(ANA))["id"]
    bravo = Hr(hr.hub, hr.settings, await hr.hub.key(Role.EMPLOYER, "bravo"))
    assert (await bravo.ask("GET", "/Users")).json()["totalResults"] == 0
    for method, body in (("GET", None), ("PUT", ANA), ("DELETE", None)):
        assert (await bravo.ask(method, f"/Users/{ana}", body)).status_code == 404
    gone = {"op": "replace", "path": "active", "value": False}
    assert (await bravo.patch(ana, gone)).status_code == 404
    await bravo.create(ANA)  # the same names are free there, for another person
    workers = {event["worker_id"] for event in await hr.story()}
    assert len(workers) == 2
    assert (await hr.ask("GET", f"/Users/{ana}")).json()["active"] is True


async def test_only_an_employers_key_and_errors_in_scims_form(hr: Hr) -> None:
    provider = Hr(hr.hub, hr.settings, await hr.hub.key(Role.PROVIDER, "college"))
    nobody = Hr(hr.hub, hr.settings, {})
    big = BEN | {"nickName": "x" * 1_100_000}
    answers = {
        403: await provider.ask("POST", "/Users", ANA),
        401: await nobody.ask("GET", "/Users"),
        404: await hr.ask("GET", "/Users/no-such"),
        413: await hr.ask("POST", "/Users", big),
        400: await hr.ask("POST", "/Users", {"schemas": [USER]}),
        405: await hr.ask("DELETE", "/Users"),
    }
    for status, answer in answers.items():
        body = answer.json()
        assert (answer.status_code, body["status"], body["schemas"]) == (
            status,
            str(status),
            [ERROR],
        )
        assert answer.headers["content-type"].startswith("application/scim+json")
    assert answers[401].headers["www-authenticate"].startswith("Bearer")
    assert (await nobody.ask("GET", "/ServiceProviderConfig")).json()["patch"] == {
        "supported": True
    }
    assert await hr.told() == []


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "Replace", "path": "active", "value": "False"}, {"active": False}),
        ({"op": "replace", "value": {"active": False}}, {"active": False}),
        ({"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "m-1"}, {"manager": "m-1"}),
        ({"op": "add", "value": {f"{ENTERPRISE}:manager": "m-1"}}, {"manager": "m-1"}),
        ({"op": "add", "value": {ENTERPRISE: {"manager": "m-1"}}}, {"manager": "m-1"}),
        ({"op": "replace", "value": {"name.familyName": "Diaz"}}, {"familyName": "Diaz"}),
        ({"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "7"}, {"department": "7"}),
    ],
    ids=str,
)
async def test_dialects_are_understood(
    hr: Hr, operation: dict[str, Any], expected: dict[str, Any]
) -> None:
    ana = (await hr.create(ANA))["id"]
    answer = await hr.patch(ana, operation)
    assert answer.status_code == 200, answer.text
    user = (await hr.ask("GET", f"/Users/{ana}")).json()
    enterprise = user.get(ENTERPRISE, {})
    flat = {**user, **user.get("name", {}), **enterprise}
    flat["manager"] = enterprise.get("manager", {}).get("value")
    assert {name: flat[name] for name in expected} == expected
    if "active" in expected:
        assert (await hr.told())[-1] == ("EmploymentEnded", ana, None)


async def test_found_by_name_by_any_attribute_sorted_and_paged(hr: Hr) -> None:
    ids = {
        name: (await hr.create({"schemas": [USER], "userName": name, "title": name[0]}))["id"]
        for name in ("cid", "abe", "bea")
    }

    async def found(**query: str) -> tuple[int, list[str]]:
        params = "&".join(f"{name}={value}" for name, value in query.items())
        body = (await hr.ask("GET", f"/Users?{params}")).json()
        return body["totalResults"], [user["userName"] for user in body.get("Resources", [])]

    assert await found(filter='userName eq "ABE"') == (1, ["abe"])
    assert await found(filter=f'id eq "{ids["bea"]}"') == (1, ["bea"])
    assert await found(filter='title eq "c" or userName sw "b"', sortBy="userName") == (
        2,
        ["bea", "cid"],
    )
    assert await found(sortBy="userName", sortOrder="descending", count="2") == (3, ["cid", "bea"])
    assert await found(startIndex="2", count="1") == (3, ["abe"])
    assert await found(startIndex="9" * 30) == (3, [])
    assert (await found(startIndex="2", count="9" * 30))[0] == 3
    assert await found(count="0") == (3, [])
    assert await found(filter='externalId eq "none"') == (0, [])


async def test_a_stale_version_is_refused_and_tells_nothing(hr: Hr) -> None:
    made = await hr.create(ANA)
    path, stale = f"/Users/{made['id']}", made["meta"]["version"]
    await hr.patch(made["id"], {"op": "replace", "path": "title", "value": "x"})
    before = await hr.told()
    for method, body in (("PUT", ANA | {"active": False}), ("DELETE", None)):
        assert (await hr.ask(method, path, body, if_match=stale)).status_code == 412
    assert await hr.told() == before


async def test_changes_at_the_same_time_never_tell_one_end_twice(hr: Hr) -> None:
    ana = (await hr.create(ANA))["id"]
    gone = {"op": "replace", "path": "active", "value": False}
    answers = await asyncio.gather(*(hr.patch(ana, gone) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 412}
    assert [t for t, _, _ in await hr.told()].count("EmploymentEnded") == 1


async def test_changes_at_the_same_time_are_not_lost(hr: Hr) -> None:
    """Each is stored and told, or answered 412."""
    made = await hr.create(ANA)
    answers = await asyncio.gather(
        *(
            hr.patch(made["id"], {"op": "replace", "path": "title", "value": f"Desk {number}"})
            for number in range(8)
        )
    )
    done = [answer.status_code for answer in answers].count(200)
    assert done >= 1
    user = (await hr.ask("GET", f"/Users/{made['id']}")).json()
    assert user["meta"]["version"] == f'W/"{1 + done}"'
    assert [t for t, _, _ in await hr.told()].count("RoleChanged") == done


async def test_a_crash_between_storing_and_telling_loses_and_doubles_nothing(
    hr: Hr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before the event was on the log, and after it, before that was remembered."""
    whole = Writer.write

    async def away(*_: Any) -> Any:
        raise DependencyDown("the log is away")

    async def forgets(*args: Any) -> Any:
        await whole(*args)
        raise DependencyDown("gone before the answer")

    monkeypatch.setattr(Writer, "write", away)
    ana = (await hr.create(ANA))["id"]
    monkeypatch.setattr(Writer, "write", forgets)
    await hr.patch(ana, {"op": "replace", "path": "active", "value": False})
    assert await hr.hub.pool.fetchval("SELECT count(*) FROM vault.scim_event") == 2
    monkeypatch.setattr(Writer, "write", whole)
    vault = await Vault.open(hr.settings)
    keyring = Keyring(hr.hub.pool, vault)
    writer = Writer(hr.settings, hr.hub.pool, vault, keyring)
    try:
        await Outbox(hr.hub.pool, keyring, writer).drain(timedelta(0))
    finally:
        await writer.close()
    assert await hr.told() == [
        ("WorkerRegistered", None, None),
        ("EmploymentStarted", ana, "51-4121.00"),
        ("EmploymentEnded", ana, None),
    ]
    assert not await hr.hub.pool.fetchval("SELECT count(*) FROM vault.scim_event")


async def test_an_erased_person_is_not_there_any_more(hr: Hr) -> None:
    ana = (await hr.create(ANA))["id"]
    await hr.hub.pool.execute("DELETE FROM vault.worker_key")
    assert (await hr.ask("GET", f"/Users/{ana}")).status_code == 404
    assert (await hr.ask("GET", "/Users?filter=title pr")).json()["totalResults"] == 0
