"""Statements over HTTP: real ones, ADL's templates, and everything a sender may get wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.common.access import Role
from services.common.settings import Settings
from tests.conftest import Hub
from tests.integration.imports_kit import Headers, on_the_log

SERVICES = ("ingest",)
DATA = Path(__file__).parents[1] / "data"
TCCC = DATA / "xapi" / "datasim-tccc" / "statements.json"
FOLDERS = {"1.0.3": DATA / "adl" / "v1_0_3", "2.0.0": DATA / "adl" / "v2_0"}
# Templates that may not be taken, and the place that is wrong in them.
INVALID = {
    "activities/interaction_type_invalid_iri": "object.definition.interactionType",
    "activities/interaction_type_invalid_object": "object.definition.interactionType",
    "activities/interaction_type_invalid_string": "object.definition.interactionType",
    "activities/no_id": "object.id",
    "activities/numeric_name": "object.definition.name",
    "activities/string_description": "object.definition.description",
    "activities/string_name": "object.definition.name",
    "agents/account_no_name": "actor.account.name",
    "contexts/invalid_activity": "context.contextActivities.consequences",
    "groups/anonymous_no_member": "actor.member",
    "statements/context": "context",
    "statements/context_sans_objectType": "context",
    "statements/no_actor": "actor",
    "statements/no_object": "object",
    "statements/no_verb": "verb",
    "statements/object_statementref_no_id": "object.id",
    "statements/object_substatement": "object.actor",
    "statements/voiding": "verb.id",
    "substatements/activity_definition_description_invalid": (
        "object.object.definition.description.en-something-AU"
    ),
    "substatements/context": "object.context",
    "substatements/context_invalid_language_map": "object.context.language",
    "substatements/group": "object.object.member",
    "substatements/no_object": "object.object",
    "substatements/no_verb": "object.verb",
    "substatements/verb": "object.verb",
    "verbs/no_id": "verb.id",
    "verbs/voided": "verb.id",
}
# Where a fragment goes, and the template that has room for it.
PLACES = {
    "activities": ("object", "statements/no_object"),
    "agents": ("actor", "statements/no_actor"),
    "groups": ("actor", "statements/no_actor"),
    "contexts": ("context", "statements/context"),
    "substatements": ("object", "statements/no_object"),
    "verbs": ("verb", "statements/no_verb"),
}


def names(version: str) -> list[str]:
    folder = FOLDERS[version]
    found = (p.relative_to(folder).with_suffix("").as_posix() for p in folder.glob("*/*.json"))
    return sorted(name for name in found if name != "statements/multiple_actor")


def load(version: str, name: str) -> Any:
    return json.loads((FOLDERS[version] / f"{name}.json").read_text())


def built(version: str, name: str) -> dict[str, Any]:
    """A whole statement: the template itself, or one with the fragment in its place."""
    kind = name.partition("/")[0]
    if kind == "statements":
        statement = load(version, name)
    else:
        place, around = PLACES[kind]
        statement = {**load(version, around), place: load(version, name)}
    return {**statement, "timestamp": "2024-05-18T05:32:34.804Z"}


async def sender(hub: Hub, version: str = "1.0.3") -> Headers:
    key = await hub.key(Role.PROVIDER, "college")
    return {**key, "X-Experience-API-Version": version}


def statement(**parts: Any) -> dict[str, Any]:
    return {**built("1.0.3", "activities/no_definition"), "id": str(uuid4()), **parts}


async def post(hub: Hub, body: Any, headers: Headers) -> httpx.Response:
    return await hub.http.post("/xapi/statements", json=body, headers=headers)


async def test_every_statement_of_a_real_course_is_on_the_log(hub: Hub, settings: Settings) -> None:
    headers = await sender(hub)
    statements = json.loads(TCCC.read_text())
    assert len(statements) == 1_369

    answers = [await post(hub, statements[n : n + 500], headers) for n in range(0, 1_369, 500)]

    assert [answer.status_code for answer in answers] == [200] * 3
    ids = [statement_id for answer in answers for statement_id in answer.json()]
    assert ids == [s["id"] for s in statements]
    events = [e for e in await on_the_log(settings, "stories") if e.name != "WorkerRegistered"]
    assert len({e.event_id for e in events}) == len(events) == 1_369
    assert len({e.worker_id for e in events}) == len({s["actor"]["mbox"] for s in statements})
    verbs = Counter(s["verb"]["id"].rpartition("/")[2] for s in statements)
    assert Counter(e.fields["verb"] for e in events) == verbs
    assert not any("@" in str(e.fields["enrolment_id"]) for e in events)
    again = await post(hub, statements[:500], headers)
    assert (again.status_code, again.json()) == (200, ids[:500])
    after = [e for e in await on_the_log(settings, "stories") if e.name != "WorkerRegistered"]
    assert len({e.event_id for e in after}) == 1_369


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_of_adl_s_templates_the_valid_are_taken_and_the_invalid_refused(
    hub: Hub, settings: Settings, version: str
) -> None:
    headers = await sender(hub, version)
    taken = []
    for name in names(version):
        body = built(version, name)
        answer = await post(hub, body, headers)
        assert answer.headers["x-experience-api-version"] == version
        if name in INVALID:
            assert answer.status_code == 400, name
            fields = [error["field"] for error in answer.json()["errors"]]
            assert f"statements[0].{INVALID[name]}" in fields, (name, answer.text)
        else:
            assert answer.status_code == 200, (name, answer.text)
            taken += answer.json()

    events = [e for e in await on_the_log(settings, "stories") if e.name != "WorkerRegistered"]
    # anonymous_two_member is about two people
    assert len(events) == len(taken) + 1
    assert len(taken) == len(names(version)) - len(INVALID)


async def test_a_property_that_stands_twice_is_refused(hub: Hub) -> None:
    headers = {**await sender(hub), "Content-Type": "application/json"}
    body = (FOLDERS["1.0.3"] / "statements" / "multiple_actor.json").read_bytes()

    answer = await hub.http.post("/xapi/statements", content=body, headers=headers)

    assert answer.status_code == 400
    assert "'actor' stands twice" in answer.text


async def test_a_batch_is_taken_whole_or_not_at_all(hub: Hub, settings: Settings) -> None:
    headers = await sender(hub)
    good, bad = statement(), statement(actor={"name": "nobody"})
    late = statement(timestamp="2999-01-01T00:00:00Z")
    conflicting = statement()
    assert (await post(hub, conflicting, headers)).status_code == 200
    changed = {**conflicting, "timestamp": "2024-05-18T05:32:35Z"}

    answers = [await post(hub, [good, other], headers) for other in (bad, late, good, changed)]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 409]
    assert answers[0].json()["errors"][0]["field"] == "statements[1].actor"
    assert answers[1].json()["errors"][0]["field"] == "statements[1]: occurred_at"
    assert answers[2].json()["errors"][0]["field"] == "statements[1].id"
    assert conflicting["id"] in answers[3].json()["detail"]
    events = [e for e in await on_the_log(settings, "stories") if e.name != "WorkerRegistered"]
    assert len(events) == 1
    assert (await post(hub, good, headers)).status_code == 200


async def test_a_statement_without_id_or_time_gets_both_and_a_repeat_is_the_same(
    hub: Hub, settings: Settings
) -> None:
    headers = await sender(hub)
    plain = built("1.0.3", "activities/no_definition")
    del plain["timestamp"]

    first = await post(hub, plain, headers)
    named = {**plain, "id": str(uuid4())}
    twice = [await post(hub, named, headers) for _ in range(2)]

    assert UUID(first.json()[0])
    assert [answer.status_code for answer in twice] == [200, 200]
    events = [e for e in await on_the_log(settings, "stories") if e.name != "WorkerRegistered"]
    assert len(events) == 2


async def test_put_takes_one_statement_under_its_id(hub: Hub) -> None:
    headers = await sender(hub)
    made = statement()

    async def put(statement_id: str, body: Any) -> httpx.Response:
        return await hub.http.put(
            "/xapi/statements", params={"statementId": statement_id}, json=body, headers=headers
        )

    answers = [
        await put(made["id"], {k: v for k, v in made.items() if k != "id"}),
        await put(made["id"], made),
        await put(made["id"], {**made, "timestamp": "2024-01-01T00:00:00Z"}),
        await put(str(uuid4()), made),
        await put("7", made),
        await put(made["id"], [made]),
    ]

    assert [answer.status_code for answer in answers] == [204, 204, 409, 400, 400, 400]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"X-Experience-API-Version": ""}, 400, "X-Experience-API-Version"),
        ({"X-Experience-API-Version": "0.95"}, 400, "1.0.3"),
        ({"Content-Type": "multipart/mixed; boundary=x"}, 400, "fileUrl"),
        ({"Content-Type": "text/plain"}, 400, "application/json"),
        ({"Authorization": "Bearer tl_no_good"}, 401, "key"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_version_on_the_answer(
    hub: Hub, change: Headers, status: int, says: str
) -> None:
    headers = {**await sender(hub), "Content-Type": "application/json", **change}

    answer = await hub.http.post("/xapi/statements", json=statement(), headers=headers)

    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert answer.headers["x-experience-api-version"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"7", 400),
        (b'{"id": NaN}', 400),
        (rb'{"\ud800": null}', 400),  # half a character
        (b"[" * 100_000, 400),
        (b'"\xff"', 400),
        (b" " * 5_000_001, 413),
        (b"[" + b",".join([b"{}"] * 1_001) + b"]", 400),
    ],
)
async def test_a_body_that_is_no_statement_is_refused(hub: Hub, body: bytes, status: int) -> None:
    headers = {**await sender(hub), "Content-Type": "application/json"}

    answer = await hub.http.post("/xapi/statements", content=body, headers=headers)

    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_only_who_trains_people_may_post_and_each_speaks_for_itself(
    hub: Hub, settings: Settings
) -> None:
    made = statement(verb={"id": "http://adlnet.gov/expapi/verbs/registered"})
    version = {"X-Experience-API-Version": "1.0.3"}
    employer = {**await hub.key(Role.EMPLOYER, "mill"), **version}
    first = {**await hub.key(Role.PROVIDER, "college"), **version}
    second = {**await hub.key(Role.PROVIDER, "another"), **version}

    answers = [await post(hub, made, headers) for headers in (employer, first, second)]

    assert [answer.status_code for answer in answers] == [403, 200, 200]
    events = [e for e in await on_the_log(settings, "stories") if e.name == "TrainingEnrolled"]
    assert {e.fields["provider_id"] for e in events} == {"college", "another"}


async def test_about_names_the_versions(hub: Hub) -> None:
    answer = await hub.http.get("/xapi/about")

    assert answer.json() == {"version": ["2.0.0", "1.0.3"]}
    assert answer.headers["x-experience-api-version"] == "2.0.0"
