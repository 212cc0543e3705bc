"""The registry answers Confluent's API from the catalogue, and nothing can be written to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas.catalog import event_types, versions
from services.common.limits import RateLimit
from services.registry.answers import MEDIA_TYPE
from tests.registry_kit import registry_app

SUBJECT = "throughline.promise.PromiseMade"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(registry_app("region."))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client


async def refusal(answer: httpx.Response) -> tuple[int, int]:
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["message"]
    return answer.status_code, answer.json()["error_code"]


async def test_every_version_is_found_by_its_id_and_under_its_subject(
    http: httpx.AsyncClient,
) -> None:
    names = (await http.get("/subjects")).json()
    assert sorted(names) == sorted(e.full_name for e in event_types().values())
    for schema_id, event_type in versions().items():
        answer = await http.get(f"/schemas/ids/{schema_id}")
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert json.loads(answer.json()["schema"]) == event_type.schema
        place = f"/subjects/{event_type.full_name}/versions/{event_type.version}"
        found = (await http.get(place)).json()
        assert (found["id"], found["version"]) == (schema_id, event_type.version)
        assert found["subject"] == event_type.full_name
        assert (await http.get(f"{place}/schema")).json() == event_type.schema
        assert (await http.get(f"/schemas/ids/{schema_id}/schema")).json() == event_type.schema
        assert (await http.get(f"/schemas/ids/{schema_id}/versions")).json() == [
            {"subject": event_type.full_name, "version": event_type.version}
        ]


async def test_versions_are_listed_and_latest_is_the_newest(http: httpx.AsyncClient) -> None:
    listed = (await http.get(f"/subjects/{SUBJECT}/versions")).json()
    assert listed == [1, 2]
    latest = (await http.get(f"/subjects/{SUBJECT}/versions/latest")).json()
    assert latest["version"] == 2
    assert latest == (await http.get(f"/subjects/{SUBJECT}/versions/-1")).json()
    assert (await http.get(f"/subjects/{SUBJECT}/versions/2/referencedby")).json() == []
    every = (await http.get("/schemas", params={"subjectPrefix": SUBJECT})).json()
    assert [one["version"] for one in every] == [1, 2]
    newest = (await http.get("/schemas?latestOnly=true")).json()
    assert len(newest) == len(event_types())


async def test_a_subject_may_be_named_with_its_topic(http: httpx.AsyncClient) -> None:
    name = f"region.stories-{SUBJECT}"
    found = (await http.get(f"/subjects/{name}/versions/1")).json()
    assert (found["subject"], found["version"]) == (name, 1)
    other_region = f"/subjects/workforce.stories-{SUBJECT}/versions"
    assert await refusal(await http.get(other_region)) == (404, 40401)
    assert await refusal(await http.get("/subjects/region.stories-value/versions")) == (404, 40401)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/subjects/no.Such/versions", 40401),
        ("/subjects/no.Such/versions/1", 40401),
        ("/config/no.Such", 40401),
        ("/mode/no.Such", 40401),
        (f"/subjects/{SUBJECT}/versions/99", 40402),
        ("/schemas/ids/4000000000", 40403),
        (f"/subjects/{SUBJECT}/versions/0", 42202),
        (f"/subjects/{SUBJECT}/versions/newest", 42202),
        (f"/subjects/{SUBJECT}/versions/99999999999999999999", 42202),
        (f"/subjects/{SUBJECT}/versions/２", 42202),
        ("/schemas/ids/one", 422),
        ("/schemas/ids/4294967296", 422),
    ],
)
async def test_what_is_not_there_has_confluents_code(
    http: httpx.AsyncClient, path: str, code: int
) -> None:
    answer = await http.get(path)
    assert await refusal(answer) == (int(str(code)[:3]), code)
    assert answer.headers["cache-control"] == "no-store"


def _reworded(schema: Any) -> str:
    """The same schema as another tool would write it: no docs, no annotations, other spacing."""
    drop = {"doc", "category", "sealed", "plain", "pattern", "minimum", "maximum", "topic"}
    namespace = schema.get("namespace", "")

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: plain(v) for k, v in node.items() if k not in drop}
        return [plain(part) for part in node] if isinstance(node, list) else node

    named = {**plain(schema), "name": f"{namespace}.{schema['name']}"}
    named.pop("namespace", None)
    return json.dumps(named, indent=3, sort_keys=True)


async def test_a_schema_is_looked_up_by_what_it_says(http: httpx.AsyncClient) -> None:
    for schema_id, event_type in versions().items():
        for text in (json.dumps(event_type.schema), _reworded(event_type.schema)):
            asked = {"schema": text, "schemaType": "AVRO"}
            answer = await http.post(f"/subjects/{event_type.full_name}", json=asked)
            assert answer.status_code == 200, answer.text
            assert answer.json()["id"] == schema_id
            assert answer.json()["version"] == event_type.version


async def test_a_serialiser_that_registers_gets_the_id_of_a_committed_schema(
    http: httpx.AsyncClient,
) -> None:
    newest = event_types()["PromiseMade"]
    asked = {"schema": json.dumps(newest.schema)}
    answer = await http.post(f"/subjects/{SUBJECT}/versions", json=asked)
    assert answer.json() == {"id": newest.schema_id}


async def test_another_schema_is_refused_with_how_schemas_change_here(
    http: httpx.AsyncClient,
) -> None:
    changed = dict(event_types()["PromiseMade"].schema)
    changed["fields"] = changed["fields"][1:]
    asked = {"schema": json.dumps(changed)}
    answer = await http.post(f"/subjects/{SUBJECT}/versions", json=asked)
    assert await refusal(answer) == (403, 40301)
    assert "make events" in answer.json()["message"]
    assert await refusal(await http.post("/subjects/no.Such/versions", json=asked)) == (403, 40301)
    assert await refusal(await http.post(f"/subjects/{SUBJECT}", json=asked)) == (404, 40403)
    assert await refusal(await http.post("/subjects/no.Such", json=asked)) == (404, 40401)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "7", "null", '"nonsense"', '{"type":"record"}', "[" * 100_000),
        '{"type":"record","name":"a.B","fields":[{"name":"x","type":"y"}]}',
        '{"type":"record","name":"a.B","fields":[{"name":"x","type":{"type":"fixed"}}]}',
    ],
)
async def test_what_is_no_schema_is_said_to_be_none(http: httpx.AsyncClient, text: str) -> None:
    answer = await http.post(f"/subjects/{SUBJECT}", json={"schema": text})
    assert await refusal(answer) == (422, 42201)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b'{"schema": 7}', b'{"schema": ""}'])
async def test_a_body_that_is_no_question_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    headers = {"content-type": MEDIA_TYPE}
    answer = await http.post(f"/subjects/{SUBJECT}", content=body, headers=headers)
    assert await refusal(answer) == (422, 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/subjects/{SUBJECT}"),
        ("DELETE", f"/subjects/{SUBJECT}/versions/1"),
        ("PUT", "/config"),
        ("PUT", f"/config/{SUBJECT}"),
        ("DELETE", f"/config/{SUBJECT}"),
        ("PUT", "/mode"),
    ],
)
async def test_nothing_else_can_be_written(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path, json={"compatibility": "NONE"})
    assert await refusal(answer) == (405, 405)
    assert "make events" in answer.json()["message"]
    assert answer.headers["allow"] == "GET"


async def test_compatibility_mode_and_types_are_said(http: httpx.AsyncClient) -> None:
    level = {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert (await http.get("/config")).json() == level
    assert (await http.get(f"/config/{SUBJECT}")).json() == level
    assert (await http.get("/mode")).json() == {"mode": "READONLY"}
    assert (await http.get(f"/mode/{SUBJECT}")).json() == {"mode": "READONLY"}
    assert (await http.get("/schemas/types")).json() == ["AVRO"]
    assert (await http.get("/contexts")).json() == ["."]


async def test_answers_are_asked_for_again_with_their_tag(http: httpx.AsyncClient) -> None:
    first = await http.get("/schemas/ids/1")
    tag = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
    again = await http.get("/schemas/ids/1", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert (await http.get("/schemas/ids/2", headers=tag)).status_code == 200


async def test_what_an_id_stands_for_is_kept_for_ever_and_its_words_a_minute(
    http: httpx.AsyncClient,
) -> None:
    """`make events` writes new words of the newest version into the file that its id names."""
    places = ("/schemas/ids/1", "/schemas/ids/1/schema", f"/subjects/{SUBJECT}/versions/1")
    for place in (*places, f"/subjects/{SUBJECT}/versions/2/schema", "/schemas"):
        answer = await http.get(place)
        assert "doc" in answer.text
        assert answer.headers["cache-control"] == "public, max-age=60", place
    latest = await http.get(f"/subjects/{SUBJECT}/versions/latest")
    assert latest.headers["cache-control"] == "public, max-age=60"
    for place in ("/schemas/ids/1/versions", "/schemas/ids/1/subjects"):
        answer = await http.get(place)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", place


async def test_a_caller_that_asks_too_much_is_told_to_wait() -> None:
    app = registry_app()
    app.state.registry_limit = RateLimit(0.01, 2, what="requests")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as http:
        answers = [await http.get("/subjects") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) > 0
    assert await refusal(answers[2]) == (429, 429)
