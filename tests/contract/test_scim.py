"""The SCIM connector against scim2-server's own core, with its features on and off."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from aiohttp import ClientSession, web
from scim2_models import SCIMException, ScimProvider, ServiceProviderConfig
from scim2_server.handler import ScimHandler
from scim2_server.memory import InMemoryStorage
from scim2_server.requests import ScimRequest
from scim2_server.service import ScimService
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

from connectors.base import Connector, DestinationDown, Receipt, UpdateRejected
from connectors.scim import ScimConfig, ScimConnector
from connectors.testing import OTHER, UPDATE, ConnectorContract, Handler, listening, permitted
from schemas.catalog import event_types
from services.common.consent import Disclosure

SECRET = bytes(range(100, 132))
TOKEN = "t0ken-of-the-receiver"


def disclosure(name: str, **fields: object) -> Disclosure:
    return replace(UPDATE, event_type=name, fields=fields)


ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
JOB = {"employment_id": "j-1", "employer_id": "acme"}
ELSEWHERE = {"employment_id": "job-of-somebody-else", "employer_id": "acme"}
HIRED = disclosure("EmploymentStarted", **JOB, occupation="51-4121.00")
PROMOTED = disclosure("Promoted", **JOB, occupation="51-1011.00", job_level=3)
LEFT = disclosure("EmploymentEnded", **JOB, reason="QUIT")
NAMED = disclosure("ContactChanged", display_name="Ana Diaz", contact_email="ana@example.org")
PLAIN = ("patch", "filter", "etag", "bulk", "sort")


@cache
def provider_without(*features: str) -> ScimProvider:
    """What a provider offers, without users. Its models take a quarter of a second to make."""
    config = load_default_service_provider_config().model_dump()
    for name in features:
        config[name]["supported"] = False
    return ScimProvider.from_discovery(
        load_default_schemas().values(),
        load_default_resource_types().values(),
        config=ServiceProviderConfig.model_validate(config),
    )


class HrSystem:
    """An employer's system: a SCIM service provider in memory, called by HTTP."""

    def __init__(self, *without: str) -> None:
        provider = provider_without(*without)
        self.storage = InMemoryStorage()
        self.service = ScimService(provider)
        self.handler = ScimHandler(self.service, self.storage)
        self.methods: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        asked = ScimRequest(
            request.method,
            "http://hr.test/scim/v2",
            request.path.removeprefix("/scim/v2"),
            dict(request.query),
            dict(request.headers),
            await request.read(),
        )
        self.methods.append(request.method)
        self.headers.append({k.lower(): v for k, v in request.headers.items()})
        if asked.header("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        try:
            found = self.handler.handle(asked)
        except SCIMException as error:
            found = self.service.error_response(error)
        body = None if found.body is None else json.dumps(found.body).encode()
        return web.Response(status=int(found.status), body=body, headers=found.headers)

    @property
    def users(self) -> list[dict[str, Any]]:
        return [resource.model_dump() for resource in self.storage.resources]

    @property
    def writes(self) -> list[str]:
        return [method for method in self.methods if method != "GET"]


class TestScim(ConnectorContract):
    update = HIRED
    other = replace(OTHER, event_type="EmploymentStarted", fields=ELSEWHERE)

    def connect(self, url: str, http: ClientSession) -> Connector:
        return ScimConnector(ScimConfig(url=f"{url}scim/v2", token=TOKEN), SECRET, http)

    def system(self) -> tuple[Handler, Callable[[], object]]:
        """Its users, and what was written: an employer sees each write in its own history."""
        hr = HrSystem()
        return hr, lambda: (hr.users, hr.writes)

    async def tell(self, handler: Handler, update: Disclosure = HIRED) -> Receipt:
        """One update to a receiver that does as `handler` does."""
        async with listening(handler) as url, self.session() as http:
            with permitted():
                return await self.connect(url, http).deliver(update)

    async def story(self, hr: HrSystem, *updates: Any) -> list[int | None]:
        return [(await self.tell(hr, update)).http_status for update in updates]

    @pytest.mark.parametrize("without", [(), ("patch",), ("filter",), PLAIN], ids=str)
    async def test_hired_promoted_renamed_gone_and_back(self, without: tuple[str, ...]) -> None:
        hr = HrSystem(*without)
        steps: list[tuple[Any, dict[str, Any]]] = [
            (HIRED, {"active": True, "title": "51-4121.00"}),
            (PROMOTED, {"active": True, "title": "51-1011.00"}),
            (NAMED, {"displayName": "Ana Diaz", "title": "51-1011.00"}),
            (LEFT, {"active": False, "displayName": "Ana Diaz"}),
            (HIRED, {"active": True, "title": "51-4121.00"}),
        ]
        for update, expected in steps:
            [status] = await self.story(hr, update)
            assert status in (200, 201, 204)
            [user] = hr.users
            assert {name: user[name] for name in expected} == expected
        assert user["userName"] == user["externalId"] == HIRED.subject
        assert user[ENTERPRISE] == {"employeeNumber": "j-1"}
        assert [(e["value"], e["type"]) for e in user["emails"]] == [("ana@example.org", "home")]
        assert set(hr.writes) == {"POST", "PUT" if "patch" in without else "PATCH"}

    async def test_what_is_so_already_is_not_written_again(self) -> None:
        hr = HrSystem()
        assert await self.story(hr, HIRED, HIRED, PROMOTED, PROMOTED) == [201, None, 204, None]
        assert hr.writes == ["POST", "PATCH"]

    async def test_jobs_elsewhere_and_other_events_are_accepted_without_a_request(self) -> None:
        hr = HrSystem()
        elsewhere = disclosure("EmploymentStarted", employment_id="j-9", employer_id="bravo")
        training = disclosure("TrainingCompleted", course_id="c-1")
        assert await self.story(hr, elsewhere, training) == [None, None]
        assert hr.methods == []

    async def test_a_name_known_before_the_job_waits_on_an_inactive_user(self) -> None:
        hr = HrSystem()
        await self.story(hr, NAMED)
        assert (hr.users[0]["active"], hr.users[0]["displayName"]) == (False, "Ana Diaz")
        await self.story(hr, HIRED)
        assert [(u["active"], u["displayName"]) for u in hr.users] == [(True, "Ana Diaz")]

    async def test_without_the_identity_category_no_name_is_sent(self) -> None:
        hr = HrSystem()
        assert await self.story(hr, disclosure("ContactChanged")) == [None]
        assert hr.methods == []

    async def test_the_end_of_an_earlier_job_leaves_the_current_one(self) -> None:
        hr = HrSystem()
        second = disclosure("EmploymentStarted", employment_id="j-2", employer_id="acme")
        await self.story(hr, HIRED, second, LEFT)
        assert (hr.users[0]["active"], hr.users[0][ENTERPRISE]["employeeNumber"]) == (True, "j-2")
        await self.story(hr, disclosure("EmploymentEnded", **(JOB | {"employment_id": "j-2"})))
        assert hr.users[0]["active"] is False

    async def test_who_is_not_there_needs_no_leaving(self) -> None:
        hr = HrSystem()
        assert await self.story(hr, LEFT, PROMOTED) == [None, None]
        assert (hr.users, hr.writes) == ([], [])

    async def test_the_employers_own_name_for_the_user_stays(self) -> None:
        """HR renames the log-in and adds its address; we find the user by externalId."""
        hr = HrSystem("patch")
        await self.story(hr, HIRED)
        kind = hr.service.get_resource_type("User")
        own = {"userName": "ana.diaz", "emails": [{"value": "ana@example.com", "type": "work"}]}
        hr.storage.update(kind, hr.service.get_model(kind).model_validate(hr.users[0] | own))
        await self.story(hr, NAMED, LEFT)
        [after] = hr.users
        assert (after["userName"], after["active"]) == ("ana.diaz", False)
        assert [e["value"] for e in after["emails"]] == ["ana@example.com", "ana@example.org"]

    async def test_what_else_the_system_keeps_comes_back_as_it_was(self) -> None:
        """A PUT of a user with things no model of ours takes: inner addresses, own attributes."""
        bodies = []
        odd = {"emails": [{"value": "ana@corp.local"}], "badge": 7, "urn:x:Own": {"locker": "12"}}

        async def own(request: web.Request) -> web.Response:
            if request.method == "PUT":
                bodies.append(await request.json())
                return web.json_response({})
            user = {"id": "u 1/2", "externalId": HIRED.subject, "active": True, **odd}
            return web.json_response({"totalResults": 1, "Resources": [user]})

        assert (await self.tell(own, LEFT)).http_status == 200
        [body] = bodies
        assert body == {"id": "u 1/2", "externalId": HIRED.subject, "active": False, **odd}

    async def test_a_user_made_meanwhile_is_updated(self) -> None:
        """Another writer is faster: 409 on create leads to a second look."""
        hr = HrSystem()

        async def racing(request: web.Request) -> web.Response:
            if request.method == "POST" and not hr.users:
                body = {"userName": HIRED.subject, "active": False, "schemas": []}
                model = hr.service.get_model(hr.service.get_resource_type("User"))
                user = model(user_name=body["userName"], active=False)
                hr.storage.create(hr.service.get_resource_type("User"), user)
            return await hr(request)

        receipt = await self.tell(racing)
        assert receipt.http_status == 204
        assert [user["active"] for user in hr.users] == [True]
        assert hr.writes == ["POST", "PATCH"]

    async def test_a_user_changed_meanwhile_is_looked_at_again(self) -> None:
        hr = HrSystem("patch")
        await self.story(hr, HIRED)
        raced = False

        async def racing(request: web.Request) -> web.Response:
            nonlocal raced
            if request.method == "PUT" and not raced:
                raced = True
                user = hr.storage.resources[0].model_copy(deep=True)
                user.nick_name = "Anita"
                hr.storage.update(hr.service.get_resource_type("User"), user)
            return await hr(request)

        await self.tell(racing, LEFT)
        assert (hr.users[0]["active"], hr.users[0]["nickName"]) == (False, "Anita")
        assert hr.writes == ["POST", "PUT", "PUT"]
        assert all(h["if-match"] for m, h in zip(hr.methods, hr.headers, strict=True) if m == "PUT")

    async def test_a_system_that_announces_patch_and_has_none(self) -> None:
        hr = HrSystem()
        await self.story(hr, HIRED)

        async def no_patch(request: web.Request) -> web.Response:
            return web.Response(status=501) if request.method == "PATCH" else await hr(request)

        receipt = await self.tell(no_patch, LEFT)
        assert receipt.http_status == 200
        assert hr.users[0]["active"] is False

    async def test_a_token_that_ran_out_can_be_renewed_in_time(self) -> None:
        for status in (401, 403):
            error = await self.failure(status)
            assert isinstance(error, DestinationDown)

    async def test_a_name_that_is_taken_by_somebody_we_may_not_see(self) -> None:
        hr = HrSystem()

        async def taken(request: web.Request) -> web.Response:
            return web.Response(status=409) if request.method == "POST" else await hr(request)

        with pytest.raises(UpdateRejected, match="http_409"):
            await self.tell(taken)

    async def test_a_page_in_place_of_scim_is_refused(self) -> None:
        async def page(_request: web.Request) -> web.Response:
            return web.Response(text="<html>")

        with pytest.raises(UpdateRejected, match="not_scim"):
            await self.tell(page)

    async def test_a_very_long_answer_is_not_read(self) -> None:
        async def endless(_request: web.Request) -> web.Response:
            return web.Response(body=b" " * 3_000_000)

        with pytest.raises(UpdateRejected, match="answer_too_long"):
            await self.tell(endless)

    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    async def test_what_the_receiver_will_never_take_is_final(self, status: int) -> None:
        error = await self.failure(status)
        assert isinstance(error, UpdateRejected)
        assert TOKEN not in str(error) + repr(error)

    async def test_our_own_secret_is_not_sent(self) -> None:
        _, made = await self.attempt(200)
        sent = b"".join(request.body + str(request.headers).encode() for request in made.requests)
        assert TOKEN.encode() in sent
        for form in (SECRET, SECRET.hex().encode(), base64.b64encode(SECRET)):
            assert form not in sent

    @pytest.mark.parametrize("name", sorted(event_types()))
    async def test_any_event_type_is_sent_or_accepted(self, name: str) -> None:
        await self.tell(HrSystem(), disclosure(name))

    @pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ü"])
    def test_a_token_that_is_no_header_value_is_refused(self, token: str) -> None:
        with pytest.raises(ValueError, match="token"):
            ScimConfig(url="https://hr.test/scim", token=token)

    def test_the_token_is_not_shown(self) -> None:
        assert TOKEN not in repr(ScimConfig(url="https://hr.test/scim", token=TOKEN))
