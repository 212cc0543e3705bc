"""One person, one story: records joined, parted and joined again, and what comes late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.common.clock import utc_now
from services.common.settings import Settings
from services.consent.wording import wordings
from tests.conftest import Hub
from tests.identity_kit import World, projecting

SERVICES = ("ingest", "consent", "delivery")
COLLEGE, AGENCY = "river-college", "hill-agency"


@pytest.fixture
async def world(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[World]:
    async with projecting(settings):
        yield World(hub, settings, producer)


async def joined(world: World) -> tuple[UUID, dict[str, str], UUID, dict[str, UUID]]:
    """Ana signs in with the college's record and takes up the agency's, which was Bo's id so far."""
    ana, key = await world.newcomer(COLLEGE, "c-1")
    bo = await world.register(AGENCY, "a-1")
    sent = {
        "college": await world.send(COLLEGE, "c-1"),
        "agency": await world.send(AGENCY, "a-1"),
        "by_id": await world.send(AGENCY, worker_id=bo["worker_id"]),
    }
    answer = await world.claim(bo["claim_code"], key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["worker_id"] == str(ana)
    await world.ended(answer.json()["move_id"], key)
    await world.all_read()
    return ana, key, UUID(bo["worker_id"]), sent


async def tables_of(world: World, worker_id: UUID) -> dict[str, int]:
    names = ("story", "training", "worker", "identity_link")
    return {
        name: await world.hub.pool.fetchval(
            f"SELECT count(*) FROM read.{name} WHERE worker_id = $1", worker_id
        )
        for name in names
    }


async def test_a_claim_joins_two_records_into_one_story(world: World) -> None:
    ana, _, bo, sent = await joined(world)

    assert set(sent.values()) <= await world.facts(ana)
    assert await world.facts(bo) == set()
    assert (await tables_of(world, ana))["training"] == 3
    assert await tables_of(world, bo) == {
        "story": 1,
        "training": 0,
        "worker": 0,
        "identity_link": 0,
    }
    (named,) = [e for e in await world.story(ana) if e.event_id == sent["agency"]]
    assert await world.opened(named, "source_record_id") == "a-1"
    links = await world.hub.pool.fetch(
        "SELECT organization_id, evidence FROM read.identity_link WHERE worker_id = $1", ana
    )
    assert {(r[0], r[1]) for r in links} == {(COLLEGE, "CLAIM_CODE"), (AGENCY, "CLAIM_CODE")}


async def test_what_is_sent_after_a_merge_and_what_comes_late_is_the_persons(world: World) -> None:
    ana, _, bo, sent = await joined(world)
    late = uuid4()
    await world.late(bo, sent["agency"], late)
    new = {await world.send(AGENCY, "a-1"), await world.send(AGENCY, worker_id=str(bo)), late}
    await world.all_read()

    assert new | set(sent.values()) <= await world.facts(ana)
    assert await world.facts(bo) == set()


async def test_who_says_this_is_not_me_gets_rid_of_the_record_and_no_more(world: World) -> None:
    ana, key, bo, sent = await joined(world)
    listed = (await world.hub.http.get("/v1/links", headers=key)).json()["links"]
    (link,) = [x["link_id"] for x in listed if x["organization_id"] == AGENCY]
    answer = await world.hub.http.delete(f"/v1/links/{link}", headers=key)
    assert answer.status_code == 200, answer.text
    ended = await world.ended(answer.json()["move_id"], key)
    late = uuid4()
    await world.late(ana, sent["agency"], late)
    later = await world.send(AGENCY, "a-1")
    await world.all_read()

    other = await world.hub.pool.fetchval("SELECT into_worker_id FROM read.identity_split LIMIT 1")
    hers, theirs = await world.facts(ana), await world.facts(other)
    assert sent["college"] in hers
    assert {sent["agency"], sent["by_id"], late, later} <= theirs
    assert not hers & theirs
    assert (await tables_of(world, ana))["training"] == 1
    assert (await tables_of(world, other))["training"] == 4
    assert ended["events"] == 3  # a registration, and two enrolments
    by_old_id = await world.send(AGENCY, worker_id=str(bo))
    await world.all_read()
    assert by_old_id in await world.facts(other)
    again = await world.hub.http.delete(f"/v1/links/{link}", headers=key)
    assert again.status_code == 404

    code = (await world.register(AGENCY, "a-1"))["claim_code"]
    back = await world.claim(code, key)
    await world.ended(back.json()["move_id"], key)
    await world.all_read()
    assert hers | theirs | {by_old_id} <= await world.facts(ana)
    assert await world.facts(other) == set()
    assert (await tables_of(world, ana))["training"] == 6


async def test_a_code_of_a_shared_record_needs_a_yes(world: World) -> None:
    ana, key = await world.newcomer(COLLEGE, "c-1")
    await world.hub.pool.execute(
        "INSERT INTO read.organization (organization_id, name) VALUES ('acme', 'Acme')"
    )
    given = await world.hub.http.post("/v1/grants", json=grant_order(), headers=key)
    assert given.status_code == 201, given.text
    bo = await world.register(AGENCY, "a-1")

    asked = await world.claim(bo["claim_code"], key)
    assert asked.status_code == 409
    assert asked.json()["type"] == "/problems/confirm-sharing"
    (seen_by,) = asked.json()["will_be_shared_with"]
    assert (seen_by["recipient_id"], seen_by["categories"]) == ("acme", ["training"])
    assert await world.hub.pool.fetchval("SELECT count(*) FROM consent.identity_move") == 1
    for _ in range(5):  # to be asked is no wrong try
        assert (await world.claim(bo["claim_code"], key)).status_code == 409
    said = await world.claim(bo["claim_code"], key, confirm=True)
    assert (said.status_code, said.json()["worker_id"]) == (200, str(ana))


async def test_a_code_that_is_sent_twice_adds_the_record_once_and_says_so_both_times(
    world: World,
) -> None:
    """A button that is pressed again on a slow phone."""
    ana, key = await world.newcomer(COLLEGE, "c-1")
    _, stranger = await world.newcomer(COLLEGE, "c-2")
    code = (await world.register(AGENCY, "a-1"))["claim_code"]
    answers = await asyncio.gather(*(world.claim(code, key) for _ in range(2)))
    for answer in (*answers, await world.claim(code, key)):
        assert (answer.status_code, answer.json()["worker_id"]) == (200, str(ana)), answer.text
    for who in (stranger, None):
        assert (await world.claim(code, who)).status_code == 404
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert (await world.claim(wrong, key)).status_code == 404
    moves = "SELECT count(*) FROM consent.identity_move WHERE kind = 'merge'"
    assert await world.hub.pool.fetchval(moves) == 1
    long_ago = utc_now() - timedelta(hours=1)
    await world.hub.pool.execute("UPDATE vault.claim SET claimed_at = $1", long_ago)
    assert (await world.claim(code, key)).status_code == 404


def grant_order() -> dict[str, Any]:
    words = next(reversed(wordings().values()))
    return {
        "recipient_id": "acme",
        "categories": ["training"],
        "purposes": ["hiring"],
        "valid_until": (utc_now() + timedelta(days=30)).isoformat(),
        "wording_version": words.version,
        "wording_language": words.language,
    }


async def test_nobody_parts_another_ones_record(world: World) -> None:
    _, key = await world.newcomer(COLLEGE, "c-1")
    _, other = await world.newcomer(AGENCY, "a-1")
    (link,) = (await world.hub.http.get("/v1/links", headers=key)).json()["links"]
    path = f"/v1/links/{link['link_id']}"
    assert (await world.hub.http.delete(path, headers=other)).status_code == 404
    college = await world.organization(COLLEGE)
    assert (await world.hub.http.delete(path, headers=college)).status_code == 403


async def test_two_organisations_never_hold_one_persons_id(world: World) -> None:
    ana, _, bo, _ = await joined(world)

    again = await world.register(AGENCY, "a-1")
    by_record = await world.result(AGENCY, source_record_id="a-1")
    by_id = await world.result(AGENCY, worker_id=str(bo))
    both = await world.result(AGENCY, source_record_id="a-1", worker_id=str(bo))
    guessed = await world.result(AGENCY, source_record_id="a-1", worker_id=str(ana))

    assert again["worker_id"] == str(bo)
    for result in (by_record, by_id, both):
        assert (result["status"], result["worker_id"]) == ("accepted", str(bo)), result
    assert guessed["status"] == "invalid", "it would show that the two are one person"
    told = str([again, by_record, by_id, both, guessed["errors"]])
    assert str(ana) not in told


async def test_who_was_parted_does_not_write_on_by_the_persons_id(world: World) -> None:
    """The college's record was Ana's first, so the college calls her by the id she still has."""
    ana, key, _, _ = await joined(world)
    listed = (await world.hub.http.get("/v1/links", headers=key)).json()["links"]
    (link,) = [x["link_id"] for x in listed if x["organization_id"] == COLLEGE]
    answer = await world.hub.http.delete(f"/v1/links/{link}", headers=key)
    assert answer.status_code == 200, answer.text
    await world.ended(answer.json()["move_id"], key)

    by_id = await world.send(COLLEGE, worker_id=str(ana))
    await world.all_read()

    assert by_id not in await world.facts(ana)
