"""Whom an organisation asks, and promises something to, once records were joined and parted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.common.access import Role
from services.common.clock import utc_now
from services.common.codec import decode
from services.common.emit import Actor, publish
from services.common.settings import Settings
from services.consent import routes
from services.consent.handlers import Asked
from services.consent.wording import wordings
from tests.conftest import Hub
from tests.identity_kit import World, projecting
from tests.ingest_kit import on_the_log

SERVICES = ("ingest", "consent", "promises", "portal")
COLLEGE, ACME = "river-college", "acme"
PATHWAY = {
    "pathway_id": "to-lead",
    "title": "To shift lead",
    "criteria": {"all": [{"training": "c-101"}]},
    "outcome": "INTERVIEW",
    "due_in_days": 30,
}


@pytest.fixture
async def world(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[World]:
    async with projecting(settings):
        world = World(hub, settings, producer)
        world.keys[ACME] = await hub.key(Role.EMPLOYER, ACME)
        await hub.pool.execute(
            "INSERT INTO read.organization (organization_id, name) VALUES ('acme', 'Acme')"
        )
        yield await world.ready()


def expires_in(days: int) -> str:
    return (utc_now() + timedelta(days=days)).isoformat()


async def ask(world: World, expected: int = 202, **about: Any) -> dict[str, Any]:
    order = {
        "categories": ["training"],
        "purposes": ["hiring"],
        "expires_at": expires_in(days=7),
        **about,
    }
    answer = await world.hub.http.post(
        "/v1/access-requests", json=order, headers=await world.organization(ACME)
    )
    assert answer.status_code == expected, answer.text
    return order | answer.json()


def grant_order(**more: Any) -> dict[str, Any]:
    words = next(reversed(wordings().values()))
    return {
        "recipient_id": ACME,
        "categories": ["training"],
        "purposes": ["hiring"],
        "valid_until": (utc_now() + timedelta(days=30)).isoformat(),
        "wording_version": words.version,
        "wording_language": words.language,
        **more,
    }


async def promise(world: World, **about: Any) -> UUID:
    """Whose story a promise is written to."""
    key = await world.organization(ACME)
    made = await world.hub.http.post("/v1/pathways", json=PATHWAY, headers=key)
    assert made.status_code == 202, made.text
    order = {"pathway_id": "to-lead", **about}
    answer = await world.hub.http.post("/v1/promises", json=order, headers=key)
    assert answer.status_code == 202, answer.text
    promise_id = answer.json()["promise_id"]
    events = [decode(record.value) for record in await on_the_log(world.settings)]
    [found] = [e for e in events if e.fields.get("promise_id") == promise_id]
    return found.worker_id


async def requests(world: World, who: dict[str, str]) -> list[tuple[str, str]]:
    """Ids of requests with their states, as they are shown."""
    answer = await world.hub.http.get("/v1/access-requests", headers=who)
    assert answer.status_code == 200, answer.text
    return [(one["request_id"], one["state"]) for one in answer.json()["requests"]]


async def joined(world: World, code: str, key: dict[str, str]) -> None:
    answer = await world.claim(code, key)
    assert answer.status_code == 200, answer.text
    await world.ended(answer.json()["move_id"], key)
    await world.all_read()


async def parted(world: World, source: str, key: dict[str, str]) -> None:
    """The person says "this is not me" of an organisation's record."""
    listed = (await world.hub.http.get("/v1/links", headers=key)).json()["links"]
    [link] = [one["link_id"] for one in listed if one["organization_id"] == source]
    answer = await world.hub.http.delete(f"/v1/links/{link}", headers=key)
    assert answer.status_code == 200, answer.text
    await world.ended(answer.json()["move_id"], key)
    await world.all_read()


async def test_a_request_is_there_once_after_a_merge_and_one_answer_settles_it(
    world: World,
) -> None:
    _, key = await world.newcomer(COLLEGE, "c-1")
    acme = await world.organization(ACME)
    bo = await world.register(ACME, "a-1")
    yes, no = [await ask(world, source_record_id="a-1") for _ in range(2)]
    await joined(world, bo["claim_code"], key)
    both = {(one["request_id"], "open") for one in (yes, no)}
    assert set(await requests(world, acme)) == set(await requests(world, key)) == both
    assert len(await requests(world, acme)) == 2
    same = {name: yes[name] for name in ("request_id", "categories", "purposes", "expires_at")}
    again = await ask(world, source_record_id="a-1", **same)
    assert again["position"] == yes["position"]

    order = grant_order(request_id=yes["request_id"])
    given = await world.hub.http.post("/v1/grants", json=order, headers=key)
    assert given.status_code == 201, given.text
    declined = await world.hub.http.post(
        f"/v1/access-requests/{no['request_id']}/decline", headers=key
    )
    assert declined.status_code == 202, declined.text
    await world.all_read()
    settled = [(no["request_id"], "declined"), (yes["request_id"], "granted")]
    assert await requests(world, acme) == await requests(world, key) == settled


async def test_a_request_goes_along_with_a_record_that_is_not_the_persons(world: World) -> None:
    _, key = await world.newcomer(COLLEGE, "c-1")
    bo = await world.register(ACME, "a-1")
    await joined(world, bo["claim_code"], key)
    asked = await ask(world, source_record_id="a-1")
    await world.all_read()
    await parted(world, ACME, key)

    assert await requests(world, key) == []
    assert await requests(world, await world.organization(ACME)) == [(asked["request_id"], "open")]
    decline = f"/v1/access-requests/{asked['request_id']}/decline"
    assert (await world.hub.http.post(decline, headers=key)).status_code == 404
    same = {name: asked[name] for name in ("request_id", "categories", "purposes", "expires_at")}
    again = await ask(world, source_record_id="a-1", **same)
    assert again["position"] == asked["position"]


async def test_a_request_that_is_tried_again_goes_to_whose_the_record_is_by_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log was away at the first try, and the person said "this is not me" meanwhile."""
    _, key = await world.newcomer(ACME, "a-1")
    with monkeypatch.context() as away:
        away.setattr(routes, "publish", AsyncMock(side_effect=KafkaError))
        named = {"request_id": str(uuid4()), "expires_at": expires_in(days=7)}
        await ask(world, 503, source_record_id="a-1", **named)
    await parted(world, ACME, key)
    again = await ask(world, source_record_id="a-1", **named)
    await world.all_read()
    assert await requests(world, key) == []
    assert await requests(world, await world.organization(ACME)) == [(again["request_id"], "open")]
    assert (await ask(world, source_record_id="a-1", **named))["position"] == again["position"]
    code = (await world.register(ACME, "a-1"))["claim_code"]
    theirs = {"Authorization": f"Bearer {(await world.claim(code)).json()['token']}"}
    assert await requests(world, theirs) == [(again["request_id"], "open")]


async def test_a_no_is_that_of_one_person(world: World) -> None:
    """Of two requests of one id, of which one came by a promise."""
    ana, key = await world.newcomer(COLLEGE, "c-1")
    bo, theirs = await world.newcomer(ACME, "a-1")
    asked = await ask(world, worker_id=str(bo))
    now, request_id = utc_now(), asked["request_id"]
    other = Asked(request_id, ana, ACME, ("training",), ("hiring",), now, now + timedelta(days=3))
    await publish(world.producer, world.settings, other.event(Actor("EMPLOYER", "promise", ACME)))
    await world.all_read()
    decline = f"/v1/access-requests/{request_id}/decline"
    assert (await world.hub.http.post(decline, headers=key)).status_code == 202
    assert await requests(world, theirs) == [(request_id, "open")]


async def test_an_id_that_was_merged_stands_for_the_person(world: World) -> None:
    ana, key = await world.newcomer(COLLEGE, "c-1")
    bo = await world.register(ACME, "a-1")
    await joined(world, bo["claim_code"], key)

    asked = await ask(world, worker_id=bo["worker_id"])
    assert await requests(world, key) == [(asked["request_id"], "open")]
    assert await promise(world, worker_id=bo["worker_id"]) == ana


async def test_an_id_does_not_lead_to_who_said_this_is_not_me(world: World) -> None:
    """Acme's record was Ana's first, so Acme calls its person by the id that she still has."""
    ana, key = await world.newcomer(ACME, "a-1")
    await parted(world, ACME, key)

    asked = await ask(world, worker_id=str(ana))
    assert await requests(world, key) == []
    other = await world.worker_of(ACME, "a-1")
    assert await promise(world, worker_id=str(ana)) == other != ana
    code = (await world.register(ACME, "a-1"))["claim_code"]
    answer = await world.claim(code)
    assert answer.json()["worker_id"] == str(other)
    theirs = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert await requests(world, theirs) == [(asked["request_id"], "open")]


async def test_a_read_by_an_id_is_not_of_who_said_this_is_not_me(world: World) -> None:
    """Not even when who said no shares the own record with the same employer."""
    ana, key = await world.newcomer(ACME, "a-1")
    given = await world.hub.http.post("/v1/grants", json=grant_order(), headers=key)
    assert given.status_code == 201, given.text
    await world.all_read()
    acme = await world.organization(ACME)
    path = f"/v1/workers/{ana}/standing"
    assert (await world.hub.http.get(path, headers=acme)).status_code == 200
    await parted(world, ACME, key)
    assert (await world.hub.http.get(path, headers=acme)).status_code == 404
    assert (await world.hub.http.get(path, headers=key)).status_code == 200


async def test_an_id_of_nobody_is_told(world: World) -> None:
    for about in ({"worker_id": str(UUID(int=7))}, {"source_record_id": "a-7"}):
        assert (await ask(world, 404, **about))["detail"] == "There is no such worker."
