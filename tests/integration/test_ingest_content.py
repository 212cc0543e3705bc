"""The same event in every form that `POST /v1/events` takes, and the limits of a request."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
import zstandard
from cloudevents.core.bindings import http as binding
from cloudevents.core.v1.event import CloudEvent
from pydantic_core import PydanticUndefined

from schemas.catalog import event_types
from schemas.models import MODELS
from services.common.access import Role
from services.common.authors import MATRIX
from services.common.codec import decode, encode
from services.common.settings import Settings
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, enrolled, on_the_log, sample

SERVICES = ("ingest",)
HOME = f"/organizations/{SOURCE}"
Headers = dict[str, str]
Form = Callable[[list[dict[str, Any]]], tuple[bytes, Headers]]


@pytest.fixture
async def provider(hub: Hub) -> Headers:
    return await hub.key(Role.PROVIDER, SOURCE)


async def post(hub: Hub, key: Headers, body: bytes, headers: Headers) -> httpx.Response:
    return await hub.http.post("/v1/events", content=body, headers={**key, **headers})


def cloud_event(item: dict[str, Any], **attributes: Any) -> CloudEvent:
    """Made by the CloudEvents SDK; the event's own number becomes its id."""
    number = item.get("source_event_id", "1")
    data = {k: v for k, v in item.items() if k not in ("type", "source_event_id", "occurred_at")}
    kind = event_types().get(item["type"])
    named = {
        "id": number,
        "source": HOME,
        "type": kind.full_name if kind else item["type"],
        "time": datetime.fromisoformat(item["occurred_at"].replace("Z", "+00:00")),
        "datacontenttype": "application/json",
    }
    return CloudEvent(named | attributes, data)


def plain(items: list[dict[str, Any]]) -> tuple[bytes, Headers]:
    return orjson.dumps({"events": items}), {"Content-Type": "application/json"}


def structured_batch(items: list[dict[str, Any]], **attributes: Any) -> tuple[bytes, Headers]:
    """The SDK writes no batches: a JSON array of what it writes one by one."""
    made = [binding.to_structured_event(cloud_event(item, **attributes)) for item in items]
    written = [json.loads(one.body) for one in made]
    return orjson.dumps(written), {"Content-Type": "application/cloudevents-batch+json"}


def avro(items: list[dict[str, Any]]) -> tuple[bytes, Headers]:
    return b"".join(map(framed, items)), {"Content-Type": "application/avro"}


def framed(item: dict[str, Any]) -> bytes:
    """An event as a sender with the catalogue's schemas writes it, sealed fields in plain text."""
    event_type = event_types()[item["type"]]
    fields: dict[str, Any] = {
        "event_id": bytes(16),
        "worker_id": bytes(16),
        "recorded_at": datetime(1970, 1, 1, tzinfo=UTC),
        "source": SOURCE,
        "actor_role": "UNKNOWN",
        "actor_id": "",
    }
    for name, field in event_type.fields.items():
        value = item.get(name)
        if value is None:
            continue
        if field.kind == "timestamp-micros":
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        elif field.kind == "fixed":
            value = UUID(value).bytes
        elif field.kind == "decimal":
            value = Decimal(value)
        fields[name] = value.encode() if field.sealed else value
    return encode(event_type, fields)


@pytest.mark.parametrize("form", [plain, structured_batch, avro])
async def test_every_form_has_a_result_for_each_event(
    hub: Hub, settings: Settings, provider: Headers, form: Form
) -> None:
    """The same checks, whatever the form."""
    ids = [f"0198a3d2-0000-7000-8000-00000000000{n}" for n in range(3)]
    items = [
        enrolled(event_id=ids[0]),
        enrolled(event_id=ids[1], course_id="no spaces, please"),
        enrolled(event_id=ids[2], provider_id="somebody-else"),
        sample("ConsentWithdrawn", event_id=ids[0]),
        enrolled(event_id=ids[0]),
        enrolled(event_id=ids[0], course_id="crane"),
        enrolled(event_id=ids[2], occurred_at="2999-01-01T00:00:00Z"),
        enrolled(event_id=ids[1], source_record_id="Ñandú 7"),
    ]
    answer = await post(hub, provider, *form(items))

    assert answer.status_code == 207, answer.text
    results = answer.json()["results"]
    assert [r["status"] for r in results] == [
        *("accepted", "invalid", "forbidden", "forbidden"),
        *("duplicate", "conflict", "invalid", "accepted"),
    ]
    fields = [[e["field"] for e in r.get("errors", [])] for r in results]
    assert fields[1:4] == [["course_id"], ["provider_id"], ["type"]]
    assert results[4]["position"] == results[0]["position"]
    found = [decode(r.value) for r in await on_the_log(settings)]
    event = next(e for e in found if str(e.event_id) == ids[0])
    assert event.fields["source"] == SOURCE
    assert event.fields["actor_role"] == "PROVIDER"
    assert event.fields["recorded_at"].year > 2000
    assert event.fields["source_record_id"] != b"r-1", "it is sealed"


async def test_one_event_is_one_event_in_every_form(hub: Hub, provider: Headers) -> None:
    item = enrolled(source_event_id="17")
    structured = binding.to_structured_event(cloud_event(item))
    binary = binding.to_binary_event(cloud_event(item))
    assert isinstance(binary.body, bytes)
    frame = framed(enrolled())
    named = {k: v for k, v in binary.headers.items() if k.startswith("ce-")}
    calls = [
        (orjson.dumps(item), {"Content-Type": "application/json"}),
        (structured.body, dict(structured.headers)),
        (binary.body, dict(binary.headers)),
        (frame, {"Content-Type": "application/avro", **named}),
    ]
    answers = [await post(hub, provider, body, headers) for body, headers in calls]

    assert [a.status_code for a in answers] == [202] * 4, [a.text for a in answers]
    assert [a.json()["status"] for a in answers] == ["accepted"] + ["duplicate"] * 3
    assert len({a.json()["position"] for a in answers}) == 1
    alone = await post(hub, provider, frame, {"Content-Type": "application/avro"})
    assert alone.json()["status"] == "accepted", "without a number it is an event of its own"


async def test_every_type_is_one_event_in_every_form_defaults_written_out_or_left_out(
    hub: Hub, provider: Headers
) -> None:
    """Avro always writes the fields that have a default; in JSON most senders leave them out."""
    who = await hub.http.post("/v1/workers", json={"source_record_id": "r-0"}, headers=provider)
    worker_id = who.json()["worker_id"]
    keys = {
        "/organizations/hub": await hub.key(Role.OPERATOR, "hub"),
        f"/workers/{worker_id}": await hub.key(Role.WORKER, worker_id),
    }
    with_defaults = set()
    for name in (name for name, roles in MATRIX.items() if roles):
        home = list(keys)[Role.WORKER in MATRIX[name]]
        item = short(name) | {"event_id": str(uuid4())}
        item |= {"worker_id": worker_id} if "worker_id" in item else {}
        written = {**item, **defaults_of(name)}
        with_defaults |= {name} if written != item else set()
        answers = [
            await post(hub, keys[home], body, headers)
            for body, headers in (
                plain([item]),
                avro([{**item, "source": ""}]),
                plain([written]),
                structured_batch([written], source=home),
            )
        ]
        results = [a.json().get("results", [a.json()])[0] for a in answers]
        assert [r["status"] for r in results] == ["accepted"] + ["duplicate"] * 3, (name, results)
    assert {"SkillAttested", "PromiseMade", "RoleChanged", "SkillNeedPublished"} <= with_defaults


def defaults_of(name: str) -> dict[str, Any]:
    """The fields of a type that have a default other than null, with it."""
    fields = {n: f.default for n, f in MODELS[name].model_fields.items() if n != "type"}
    return {n: d for n, d in fields.items() if d is not None and d is not PydanticUndefined}


def short(name: str) -> dict[str, Any]:
    """A sample without what has a default."""
    return {k: v for k, v in sample(name).items() if k not in defaults_of(name)}


async def test_nobody_sends_under_anothers_source(hub: Hub, provider: Headers) -> None:
    binary = binding.to_binary_event(cloud_event(enrolled(), source="/organizations/other"))
    assert isinstance(binary.body, bytes)
    theirs = framed({**enrolled(), "source": "other"})
    for body, headers in (
        (binary.body, dict(binary.headers)),
        (theirs, {"Content-Type": "application/avro"}),
    ):
        answer = await post(hub, provider, body, headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "source")


async def test_a_cloud_event_that_is_no_event_is_a_problem(hub: Hub, provider: Headers) -> None:
    kind = {"Content-Type": "application/cloudevents+json"}
    for event, status in (({"specversion": "1.0"}, 422), ([], 422), (3, 422)):
        answer = await post(hub, provider, orjson.dumps(event), kind)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
    unknown = cloud_event(enrolled(type="Unheard"), type="com.example.unheard")
    answer = await post(hub, provider, binding.to_structured_event(unknown).body, kind)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "type")


async def test_compressed_bodies_are_taken_within_the_limit(hub: Hub, provider: Headers) -> None:
    body, kind = plain([enrolled(source_event_id=str(n)) for n in range(20)])
    stream = zstandard.ZstdCompressor().compressobj()
    packed = {"gzip": gzip.compress(body), "zstd": stream.compress(body) + stream.flush()}
    for name, small in packed.items():
        answer = await post(hub, provider, small, {**kind, "Content-Encoding": name})
        assert (
            answer.status_code,
            answer.json()["counts"].keys() <= {"accepted", "duplicate"},
        ) == (
            202,
            True,
        )
    bomb = {**kind, "Content-Encoding": "gzip"}
    assert (await post(hub, provider, gzip.compress(b" " * 5_000_000), bomb)).status_code == 413
    other = await post(hub, provider, body, {**kind, "Content-Encoding": "br"})
    assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip, zstd")


async def test_every_answer_tells_what_is_left_of_the_rate(hub: Hub, provider: Headers) -> None:
    answer = await post(hub, provider, *plain([enrolled(source_event_id="1")]))
    assert answer.headers["ratelimit"].startswith('"events";r=599')
    assert answer.headers["ratelimit-policy"] == '"events";q=60000;w=3'


async def test_large_headers_are_refused(hub: Hub, provider: Headers) -> None:
    body, kind = plain([enrolled()])
    answer = await post(hub, provider, body, {**kind, "X-Long": "x" * 40_000})
    assert (answer.status_code, answer.json()["type"]) == (431, "/problems/headers-too-large")


async def test_deep_json_is_refused_and_not_a_crash(hub: Hub, provider: Headers) -> None:
    """Wherever it stands: what is wrong is told in a few words, however deep that goes."""
    plain, cloud = "application/json", "application/cloudevents+json"
    named = dict(binding.to_binary_event(cloud_event(enrolled())).headers)
    operator = await hub.key(Role.OPERATOR, "hub")
    calls: list[tuple[str, Headers, Any, Headers]] = [
        ("/v1/events", provider, enrolled(course_id="DEEP"), {"Content-Type": plain}),
        ("/v1/events", provider, {"type": "DEEP"}, {"Content-Type": plain}),
        ("/v1/events", provider, {"events": {"type": "DEEP"}}, {"Content-Type": plain}),
        ("/v1/events", provider, {"events": ["DEEP"]}, {"Content-Type": plain}),
        ("/v1/events", provider, ["DEEP"], {"Content-Type": cloud}),
        ("/v1/events", provider, {"type": "DEEP"}, {**named, "Content-Type": plain}),
        ("/v1/organizations", operator, "DEEP", {"Content-Type": plain}),
        ("/v1/organizations", operator, {"name": "DEEP"}, {"Content-Type": plain}),
        ("/v1/workers", provider, {"display_name": "DEEP"}, {"Content-Type": plain}),
        ("/v1/agreements", operator, {"sends": "DEEP"}, {"Content-Type": plain}),
    ]
    for levels, allowed in ((200, {422}), (900, {422}), (1_000, {422}), (90_000, {400})):
        deep = b"[" * levels + b"]" * levels
        for path, key, shape, kind in calls:
            body = orjson.dumps(shape).replace(b'"DEEP"', deep)
            answer = await hub.http.post(path, content=body, headers={**key, **kind})
            assert answer.status_code in allowed | {207}, (path, shape, levels, answer.text)
            assert len(answer.text) < 1_000
