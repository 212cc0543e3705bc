"""Pathways, promises and unnoticed training over HTTP, with the workers behind them running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.common.access import Role
from services.common.codec import Decoded, decode
from services.common.emit import Actor, about_organization, about_worker, publish
from services.common.ids import derived_id
from services.common.kafka import Position
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from services.promises.settings import PromisesSettings
from services.promises.worker import PromisesWorker
from tests.conftest import Hub
from tests.processes import until

SERVICES = ("ingest", "consent", "promises", "portal")
NOW = datetime.now(UTC)
ACME, OTHER, COLLEGE = "acme", "other-co", "river-college"
PATHWAY: dict[str, Any] = {
    "pathway_id": "to-lead",
    "title": "To shift lead",
    "criteria": {
        "all": [
            {"training": "c-101"},
            {"skill": "onet:2.B.1", "attested_by": "supervisor", "times": 1},
        ]
    },
    "outcome": "INTERVIEW",
    "due_in_days": 30,
}


@dataclass
class Region:
    """A hub with its workers running, two employers and one person."""

    hub: Hub
    send: Callable[..., Awaitable[str]]
    ana: UUID
    acme: dict[str, str]
    other: dict[str, str]
    worker: dict[str, str]

    async def post(self, path: str, who: dict[str, str], **body: Any) -> tuple[int, Any]:
        answer = await self.hub.http.post(path, headers=who, json=body)
        return answer.status_code, answer.json()

    async def get(self, path: str, who: dict[str, str], **query: Any) -> tuple[int, Any]:
        """Asked again while `after` is not reached: workers that begin are soon there."""

        async def answered() -> Any:
            answer = await self.hub.http.get(path, headers=who, params=query)
            return None if answer.status_code == 503 else (answer.status_code, answer.json())

        found: tuple[int, Any] = await until(answered)
        return found

    async def good(self, path: str, who: dict[str, str], **body: Any) -> Any:
        status, answer = await self.post(path, who, **body)
        assert status in (201, 202), answer
        return answer

    async def shares(self, *categories: str, purpose: str = "advancement") -> str:
        """Ana agrees; answers the grant's id when it can be read."""
        _, found = await self.get("/v1/consent-wording", self.worker, language="en")
        grant = await self.good(
            "/v1/grants",
            self.worker,
            recipient_id=ACME,
            categories=list(categories),
            purposes=[purpose],
            valid_until=(NOW + timedelta(days=90)).isoformat(),
            wording_version=found["wordings"][0]["version"],
            wording_language="en",
        )
        status, found = await self.get("/v1/grants", self.worker, after=grant["position"])
        assert status == 200, found
        return str(grant["grant_id"])


@pytest.fixture
async def region(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[Region]:
    workers = [
        ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS),
        PromisesWorker(settings, PromisesSettings(look_every=timedelta(milliseconds=50))),
    ]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    ana = uuid4()

    async def send(name: str, at: datetime, source: str, of: UUID = ana, **own: Any) -> str:
        actor = Actor("OPERATOR", "test", source)
        event = about_worker(name, uuid4(), of, actor, at=at, **own)
        return str(await publish(producer, settings, event))

    for employer in (ACME, OTHER):
        own = {"entity_id": employer, "version": 1, "name": employer, "kind": "EMPLOYER"}
        event = about_organization(
            "OrganizationRegistered", uuid4(), employer, Actor("OPERATOR", "t"), at=NOW, **own
        )
        last = str(await publish(producer, settings, event))
    registered = await send("WorkerRegistered", NOW - timedelta(days=99), ACME)
    keys = [await hub.key(Role.EMPLOYER, name) for name in (ACME, OTHER)]
    region = Region(hub, send, ana, *keys, await hub.key(Role.WORKER, str(ana)))
    for position in (last, registered):
        status, found = await region.get("/v1/pathways", region.acme, after=position)
        assert status == 200, found
    yield region
    for worker in workers:
        worker.stop()
    for task in running:
        await task


async def promised(region: Region) -> str:
    """Its id, once the read model has the pathway, whose topic is another one."""
    pathway = await region.good("/v1/pathways", region.acme, **PATHWAY)
    made = await region.good(
        "/v1/promises", region.acme, pathway_id="to-lead", worker_id=str(region.ana)
    )
    status, found = await region.get("/v1/pathways", region.acme, after=pathway["position"])
    assert status == 200, found
    return str(made["promise_id"])


async def test_a_promise_that_was_taken_back_is_over_for_both(region: Region) -> None:
    promise_id = await promised(region)
    await region.shares("promise")
    own = {"promise_id": promise_id, "employer_id": ACME, "reason": "POSITION_CLOSED"}
    position = await region.send("PromiseWithdrawn", NOW, ACME, **own)

    for who in (region.worker, region.acme):
        _, found = await region.get("/v1/promises", who, after=position)
        (promise,) = found["promises"]
        assert (promise["state"], promise["withdrawn_at"]) == (
            "withdrawn",
            NOW.isoformat().replace("+00:00", "Z"),
        )
    status, answer = await region.post(
        f"/v1/promises/{promise_id}/answer", region.worker, answer="accept"
    )
    assert (status, answer["type"]) == (409, "/problems/withdrawn")


def named(promise_id: str) -> dict[str, Any]:
    """A promise that came in as an event, under an id of the employer's own."""
    return {
        "promise_id": promise_id,
        "employer_id": ACME,
        "pathway_id": "to-lead",
        "pathway_version": 1,
        "outcome": "INTERVIEW",
        "due_in_days": 30,
        "criteria": ["training:c-101"],
    }


async def test_a_promise_whose_id_has_a_slash_is_answered(region: Region) -> None:
    for promise_id, path in (("acme/lead/1", "acme/lead/1"), ("acme/2", "acme%2F2")):
        position = await region.send("PromiseMade", NOW, ACME, **named(promise_id))
        await region.get("/v1/promises", region.worker, after=position)
        yes = await region.good(f"/v1/promises/{path}/answer", region.worker, answer="accept")
        assert yes["promise_id"] == promise_id
        assert yes["access_request"]["recipient_id"] == ACME


@pytest.mark.parametrize("came", ["by call", "as an event"])
async def test_a_promise_that_was_a_mistake_is_told_as_taken_back(
    region: Region, came: str
) -> None:
    if came == "by call":
        promise_id = await promised(region)
        made = derived_id("PromiseMade", promise_id)
    else:
        promise_id = "p-1"
        position = await region.send("PromiseMade", NOW, ACME, **named(promise_id))
        made = (await event_at(region, position)).event_id
    own = {"voided_event_id": made.bytes, "reason": "MISTAKE"}
    position = await region.send("RecordVoided", NOW + timedelta(hours=1), ACME, **own)
    await both_read(region, position)
    _, found = await region.get("/v1/promises", region.worker)
    assert found["promises"] == []

    path = f"/v1/promises/{promise_id}"
    for what, order in (
        ("answer", {"answer": "accept"}),
        ("dispute", {"reason": "QUESTION", "statement": "Why?"}),
    ):
        status, answer = await region.post(f"{path}/{what}", region.worker, **order)
        assert (status, answer["type"]) == (409, "/problems/voided"), answer
    stranger = await region.hub.key(Role.WORKER, str(uuid4()))
    assert (await region.post(f"{path}/answer", stranger, answer="accept"))[0] == 404


async def test_a_promise_that_was_somebody_elses_is_not_told(region: Region) -> None:
    promise_id = await promised(region)
    own = {
        "voided_event_id": derived_id("PromiseMade", promise_id).bytes,
        "reason": "WRONG_PERSON",
    }
    position = await region.send("RecordVoided", NOW + timedelta(hours=1), ACME, **own)
    await both_read(region, position)

    status, _ = await region.post(
        f"/v1/promises/{promise_id}/answer", region.worker, answer="accept"
    )
    assert status == 404


async def both_read(region: Region, position: str) -> None:
    """Until the read model and the promises worker have what stands at a position."""
    for path in ("/v1/access-requests", "/v1/promises"):
        status, found = await region.get(path, region.worker, after=position)
        assert status == 200, found


async def event_at(region: Region, position: str) -> Decoded:
    await both_read(region, position)
    place = Position.parse(position)
    row = await region.hub.pool.fetchrow(
        "SELECT schema_id, payload FROM read.story"
        " WHERE topic = $1 AND partition = $2 AND log_offset = $3",
        place.topic,
        place.partition,
        place.offset,
    )
    return decode(b"\0" + row["schema_id"].to_bytes(4, "big") + row["payload"])


async def test_every_read_answers_the_position_that_it_reflects(region: Region) -> None:
    """One person's on the person's partition, the directory's on its own, many people's on that of
    `after`."""
    await promised(region)
    grant_id = await region.shares("promise")
    own = {"promise_id": "p", "employer_id": ACME, "reason": "OTHER"}
    after = Position.parse(await region.send("PromiseWithdrawn", NOW, ACME, **own))
    place = after.topic, after.partition
    of_one = ("/v1/grants", "/v1/access-requests", "/v1/disclosures", "/v1/promises")
    of_many = (*of_one[:2], "/v1/promises", f"/v1/employers/{ACME}/unnoticed-training")

    for path, who in [
        *((path, region.worker) for path in of_one),
        *((path, region.acme) for path in of_many),
    ]:
        status, found = await region.get(path, who, after=str(after))
        assert status == 200, found
        position = Position.parse(found["position"])
        assert (position.topic, position.partition) == place, path
        assert position >= after, path
        _, found = await region.get(path, who)
        assert (found["position"] is None) == (who is region.acme), path
    for path in ("/v1/pathways", "/v1/pathways/to-lead"):
        _, found = await region.get(path, region.acme)
        assert found["position"].startswith("directory:0:"), path
    _, found = await region.get("/v1/grants", region.worker)
    assert [grant["grant_id"] for grant in found["grants"]] == [grant_id]


async def test_a_pathway_has_versions_and_the_same_again_is_the_same(region: Region) -> None:
    first = await region.good("/v1/pathways", region.acme, **PATHWAY)
    again = await region.good("/v1/pathways", region.acme, **PATHWAY)
    second = await region.good("/v1/pathways", region.acme, **{**PATHWAY, "due_in_days": 14})

    assert (first["version"], again["version"], second["version"]) == (1, 1, 2)
    assert again["position"] == first["position"]
    _, found = await region.get("/v1/pathways/to-lead", region.worker, after=second["position"])
    assert [v["due_in_days"] for v in found["versions"]] == [30, 14]
    assert found["criteria"]["all"][1] == {
        "skill": "onet:2.B.1",
        "attested_by": "SUPERVISOR",
        "times": 1,
    }
    _, listed = await region.get("/v1/pathways", region.worker, employer=ACME)
    assert [p["version"] for p in listed["pathways"]] == [2]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"criteria": {"all": [{"effort": "much"}]}}, "criteria.all.0"),
        ({"criteria": {"all": ["work hard"]}}, "criteria.all.0"),
        ({"criteria": {"all": []}}, "criteria.all"),
        ({"criteria": {"all": [{"training": "c"}, {"training": "c"}]}}, "criteria"),
        ({"criteria": {"all": [{"assessment": "a", "at_least": 80}]}}, "criteria.all.0"),
        ({"outcome": "BONUS"}, "outcome"),
        ({"due_in_days": 0}, "due_in_days"),
    ],
)
async def test_what_cannot_be_measured_is_no_pathway(
    hub: Hub, wrong: dict[str, Any], field: str
) -> None:
    acme = await hub.key(Role.EMPLOYER, ACME)
    answer = await hub.http.post("/v1/pathways", headers=acme, json={**PATHWAY, **wrong})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


async def test_only_an_employer_promises_and_only_its_own(region: Region) -> None:
    await region.good("/v1/pathways", region.acme, **PATHWAY)
    order = {"pathway_id": "to-lead", "worker_id": str(region.ana)}

    assert (await region.post("/v1/promises", region.worker, **order))[0] == 403
    assert (await region.post("/v1/promises", region.other, **order))[0] == 404
    assert (await region.post("/v1/promises", region.acme, **order, version=7))[0] == 404
    unknown = {**order, "worker_id": str(uuid4())}
    assert (await region.post("/v1/promises", region.acme, **unknown))[0] == 404


async def test_the_whole_life_of_a_promise(region: Region) -> None:
    promise_id = await promised(region)
    again = await promised(region)
    assert again == promise_id

    status, refused = await region.post(
        f"/v1/promises/{promise_id}/answer", region.acme, answer="accept"
    )
    assert status == 403, refused
    said_yes = await region.good(
        f"/v1/promises/{promise_id}/answer", region.worker, answer="accept"
    )
    asked = said_yes["access_request"]
    assert (asked["recipient_id"], asked["categories"]) == (ACME, ["promise", "training"])
    status, _ = await region.post(
        f"/v1/promises/{promise_id}/answer", region.worker, answer="decline"
    )
    assert status == 409

    skill = {"attestation_id": "s-1", "skill_id": "onet:2.B.1", "level": "CAN_DO"}
    await region.send("SkillAttested", NOW, ACME, **skill, attested_by="SUPERVISOR")
    await finish(region, "e-1", NOW - timedelta(days=40))
    interview = {"interview_id": "i-1", "employer_id": ACME, "promise_id": promise_id}
    at = datetime.now(UTC) + timedelta(hours=1)  # NOW may be long before the promise
    last = await region.send("InterviewHeld", at, ACME, **interview)

    _, mine = await region.get("/v1/promises", region.worker, after=last)
    (mine,) = mine["promises"]
    assert (mine["state"], mine["title"]) == ("kept", "To shift lead")
    assert [bool(c["met_at"]) for c in mine["criteria"]["all"]] == [True, True]

    async def shown() -> bool:
        row = await region.hub.pool.fetchrow("SELECT * FROM read.promise")
        return bool(row and row["kept_at"] and row["kept_at"] <= row["due_at"])

    await until(shown)
    _, read = await region.get(f"/v1/workers/{region.ana}/promises", region.worker)
    (same,) = read["promises"]
    names = ("promise_id", "title", "state", "made_at", "accepted_at", "due_at")
    assert [same[name] for name in names] == [mine[name] for name in names]
    met = {one["criterion"]: bool(one["met_at"]) for one in same["criteria"]["all"]}
    assert met == {"training:c-101": True, "skill:onet:2.B.1;attested_by=SUPERVISOR;times=1": True}


async def finish(region: Region, enrolment: str, at: datetime, of: UUID | None = None) -> str:
    own = {"enrolment_id": enrolment, "course_id": "c-101", "provider_id": COLLEGE}
    return await region.send(
        "TrainingCompleted", at, COLLEGE, of or region.ana, **own, result="PASSED"
    )


async def test_an_employer_sees_how_it_goes_only_while_the_person_shares(region: Region) -> None:
    promise_id = await promised(region)
    yes = await region.good(f"/v1/promises/{promise_id}/answer", region.worker, answer="accept")
    after = yes["position"]

    _, unseen = await region.get("/v1/promises", region.acme, after=after)
    (unseen,) = unseen["promises"]
    assert not unseen["shared"]
    assert not {"state", "accepted_at", "due_at", "lapsed_at"} & unseen.keys()
    assert "met_at" not in unseen["criteria"]["all"][0]
    assert str(region.ana) not in str(unseen)

    grant_id = await region.shares("promise")
    _, unseen = await region.get(
        f"/v1/workers/{region.ana}/promises", region.acme, purpose="hiring"
    )
    assert [(one["shared"], "state" in one) for one in unseen["promises"]] == [(False, False)]
    _, seen = await region.get("/v1/promises", region.acme)
    (seen,) = seen["promises"]
    assert (seen["shared"], seen["state"]) == (True, "accepted")
    _, seen = await region.get(f"/v1/workers/{region.ana}/promises", region.acme, after=after)
    (seen,) = seen["promises"]
    assert (seen["shared"], seen["state"]) == (True, "accepted")

    async def logged() -> bool:
        _, found = await region.get("/v1/disclosures", region.worker)
        seen_types = {d["subject_type"] for d in found["disclosures"]}
        return seen_types == {"PromiseMade", "PromiseAccepted"}

    await until(logged)
    await region.hub.http.delete(f"/v1/grants/{grant_id}", headers=region.worker)
    _, after_all = await region.get("/v1/promises", region.acme)
    assert "state" not in after_all["promises"][0]


async def test_another_employer_does_not_find_a_promise(region: Region) -> None:
    promise_id = await promised(region)
    stranger = await region.hub.key(Role.WORKER, str(uuid4()))

    assert (await region.get("/v1/promises", region.other))[1]["promises"] == []
    assert (await region.get(f"/v1/workers/{region.ana}/promises", region.other))[0] == 404
    assert (await region.get(f"/v1/workers/{region.ana}/promises", stranger))[0] == 404
    answer = await region.post(f"/v1/promises/{promise_id}/answer", stranger, answer="accept")
    assert answer[0] == 404


async def test_a_no_is_on_the_log_and_asks_for_nothing(region: Region) -> None:
    promise_id = await promised(region)
    no = await region.good(f"/v1/promises/{promise_id}/answer", region.worker, answer="decline")
    again = await region.good(f"/v1/promises/{promise_id}/answer", region.worker, answer="decline")

    assert no["access_request"] is None
    assert again["position"] == no["position"]
    _, mine = await region.get("/v1/promises", region.worker, after=no["position"])
    assert mine["promises"][0]["state"] == "declined"


async def hire(region: Region, of: UUID, employer: str = ACME) -> str:
    own = {"employment_id": f"j-{of}", "employer_id": employer, "wage_period": "HOUR"}
    return await region.send("EmploymentStarted", NOW - timedelta(days=80), employer, of, **own)


async def unnoticed(region: Region, **query: Any) -> Any:
    status, found = await region.get(
        f"/v1/employers/{ACME}/unnoticed-training", region.acme, **query
    )
    assert status == 200, found
    return found


async def test_unnoticed_training_shows_only_what_present_employees_share(region: Region) -> None:
    stranger = uuid4()
    await hire(region, region.ana)
    await hire(region, stranger)
    await finish(region, "e-of-a-stranger", NOW - timedelta(days=70), of=stranger)
    await finish(region, "e-new", NOW - timedelta(days=3))
    await finish(region, "e-old", NOW - timedelta(days=50))
    await finish(region, "e-before", NOW - timedelta(days=400))
    last = await region.send(
        "TrainingCompleted",
        NOW,
        COLLEGE,
        enrolment_id="e-failed",
        course_id="c-1",
        provider_id=COLLEGE,
        result="FAILED",
    )
    assert (await unnoticed(region, after=last))["trainings"] == []

    grant_id = await region.shares("training")
    found = (await unnoticed(region))["trainings"]
    assert [(t["enrolment_id"], t["age_days"]) for t in found] == [
        ("e-before", 80),  # since the hire
        ("e-old", 50),
        ("e-new", 3),
    ]
    assert found[0]["waits_since"] > found[0]["completed_at"]
    assert str(region.ana) not in str(found)

    first = await unnoticed(region, limit=1)
    second = await unnoticed(region, limit=1, before=first["next"])
    third = await unnoticed(region, limit=1, before=second["next"])
    pages = (first, second, third)
    assert [p["trainings"][0]["enrolment_id"] for p in pages] == ["e-before", "e-old", "e-new"]
    assert third["next"] is None

    await region.hub.http.delete(f"/v1/grants/{grant_id}", headers=region.worker)
    assert (await unnoticed(region))["trainings"] == []
    order = {"worker_id": str(region.ana), "enrolment_id": "e-old"}
    assert (await region.post("/v1/trainings/acknowledge", region.acme, **order))[0] == 404


async def test_unnoticed_training_is_of_present_employees_and_for_their_employer(
    region: Region,
) -> None:
    last = await finish(region, "e-1", NOW - timedelta(days=5))
    await region.shares("training")
    assert (await unnoticed(region, after=last))["trainings"] == []  # not employed here

    await hire(region, region.ana)
    own = {"employment_id": f"j-{region.ana}", "employer_id": ACME, "reason": "QUIT"}
    gone = await region.send("EmploymentEnded", NOW - timedelta(days=1), ACME, **own)
    assert (await unnoticed(region, after=gone))["trainings"] == []  # and not any more

    assert (await region.get(f"/v1/employers/{ACME}/unnoticed-training", region.other))[0] == 404
    assert (await region.get(f"/v1/employers/{ACME}/unnoticed-training", region.worker))[0] == 403


async def test_training_that_was_acknowledged_is_in_the_story_and_off_the_list(
    region: Region,
) -> None:
    await hire(region, region.ana)
    last = await finish(region, "e-1", NOW - timedelta(days=5))
    order: dict[str, Any] = {"worker_id": str(region.ana), "enrolment_id": "e-1"}
    assert (await region.get("/v1/pathways", region.acme, after=last))[0] == 200
    assert (await region.post("/v1/trainings/acknowledge", region.acme, **order))[0] == 404

    await region.shares("training", purpose="training_support")
    (row,) = (await unnoticed(region))["trainings"]
    order = {"subject": row["subject"], "enrolment_id": "e-1"}
    done = await region.good("/v1/trainings/acknowledge", region.acme, **order)
    again = await region.good("/v1/trainings/acknowledge", region.acme, **order)

    assert again["position"] == done["position"]
    assert (await unnoticed(region, after=done["position"]))["trainings"] == []
    payload = await region.hub.pool.fetchrow(
        "SELECT schema_id, payload FROM read.story WHERE event_type = 'TrainingAcknowledged'"
    )
    seen = decode(b"\0" + payload["schema_id"].to_bytes(4, "big") + payload["payload"])
    assert (seen.worker_id, seen.fields["employer_id"]) == (region.ana, ACME)
    wrong = {**order, "enrolment_id": "e-2"}
    assert (await region.post("/v1/trainings/acknowledge", region.acme, **wrong))[0] == 404


async def test_a_place_that_was_tampered_with_is_refused(region: Region) -> None:
    for place in ("nonsense", "AAAA" * 20):
        status, answer = await region.get("/v1/promises", region.acme, before=place)
        assert (status, answer["errors"][0]["field"]) == (422, "before")
