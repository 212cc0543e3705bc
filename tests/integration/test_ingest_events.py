"""Events over HTTP: what is taken is on the log as it was sent, what is refused says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from schemas.catalog import event_types
from services.common.access import Role
from services.common.authors import MATRIX, SPEAKS_FOR
from services.common.codec import decode
from services.common.kafka import Position, partition_for
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Place, Vault
from services.ingest.drafts import Status
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, enrolled, on_the_log, sample

SERVICES = ("ingest",)
Headers = dict[str, str]


@pytest.fixture
async def provider(hub: Hub) -> Headers:
    return await hub.key(Role.PROVIDER, SOURCE)


async def post(hub: Hub, key: Headers, body: Any, **headers: str) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    kind = {"Content-Type": "application/json"}
    answer = await hub.http.post("/v1/events", content=content, headers={**kind, **key, **headers})
    return answer.status_code, answer.json()


async def test_what_is_accepted_is_on_the_log_as_it_was_sent(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    """Every type that anybody may author, every optional field filled."""
    operator, worker_id = await hub.key(Role.OPERATOR, "hub"), await _worker(hub, provider)
    worker = await hub.key(Role.WORKER, worker_id)
    answers: dict[str, Any] = {}
    sent: dict[str, Any] = {}
    for name, roles in MATRIX.items():
        if roles:
            item = sample(name)
            item |= {"worker_id": worker_id} if "worker_id" in item else {}
            key = worker if Role.WORKER in roles else operator
            status, answers[name] = await post(hub, key, item)
            assert status == 202, answers[name]
            sent[name] = item

    records = {
        Position(topic, r.partition, r.offset): r
        for topic in ("stories", "directory")
        for r in await on_the_log(settings, topic)
    }
    opened = await _opened(settings, hub.pool, [decode(r.value) for r in records.values()])
    for name, item in sent.items():
        record = records[Position.parse(answers[name]["position"])]
        event = decode(record.value)
        assert event.name == name
        assert str(event.event_id) == answers[name]["event_id"]
        for field in event_types()[name].own_fields:
            found = opened.get((event.event_id, field.name), event.fields[field.name])
            assert _plain(found) == item[field.name], f"{name}.{field.name}"
        by_worker = key_of(name, item)
        assert record.key == by_worker
        assert record.partition == partition_for(record.key, 1 if "entity_id" in item else 4)
        headers = dict(record.headers)
        assert headers["ce_id"] == answers[name]["event_id"].encode()
        assert headers["ce_type"] == event_types()[name].full_name.encode()


def key_of(name: str, item: dict[str, Any]) -> bytes:
    if event_types()[name].topic == "directory":
        return str(item["organization_id"]).encode()
    return UUID(item["worker_id"]).bytes


async def _worker(hub: Hub, provider: Headers) -> str:
    answer = await hub.http.post("/v1/workers", json={"source_record_id": "r-0"}, headers=provider)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["worker_id"])


async def _opened(settings: Settings, pool: Pool, events: list[Any]) -> dict[Any, Any]:
    sealed = {
        Place(e.event_type.topic, e.event_id, e.worker_id, f.name): e.fields[f.name]
        for e in events
        for f in e.event_type.sealed_fields
        if e.fields[f.name] is not None
    }
    opened = await Keyring(pool, await Vault.open(settings)).open_all(sealed)
    return {(place.event_id, place.field): value for place, value in opened.items()}


def _plain(value: Any) -> Any:
    """As the sender writes it."""
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if type(value).__name__ == "Decimal" else value


async def test_the_envelope_says_who_sent_it_and_the_sealed_number_opens(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    correlation = uuid4()
    number = "clock-17"  # so long that no random bytes spell it
    item = enrolled(source_record_id=number, actor_id="desk-3", correlation_id=str(correlation))
    trace = f"00-{uuid4().hex}-00f067aa0ba902b7-01"
    _, answer = await post(hub, provider, item, traceparent=trace)

    assert [dict(r.headers)["traceparent"].split(b"-")[1] for r in await on_the_log(settings)] == [
        trace.split("-")[1].encode()
    ] * 2
    registered, event = (decode(r.value) for r in await on_the_log(settings))
    assert registered.name == "WorkerRegistered"
    assert str(event.worker_id) == answer["worker_id"] == str(registered.worker_id)
    assert event.fields["source"] == SOURCE
    assert (event.fields["actor_role"], event.fields["actor_id"]) == ("PROVIDER", "desk-3")
    assert event.fields["correlation_id"] == correlation.bytes
    assert event.fields["supersedes"] is None
    assert before < event.fields["recorded_at"] < before + timedelta(minutes=1)
    assert event.fields["occurred_at"] == datetime(2026, 1, 5, 9, tzinfo=UTC)
    opened = await _opened(settings, hub.pool, [registered, event])
    assert opened[event.event_id, "source_record_id"] == number
    assert opened[registered.event_id, "source_record_id"] == number
    assert all(number.encode() not in r.value for r in await on_the_log(settings))


async def test_the_rest_of_a_batch_is_taken(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    items = [
        enrolled(source_event_id="1"),
        enrolled(type="Unheard"),
        enrolled(course_id=None),
        enrolled(extra=1),
        enrolled(occurred_at="2999-01-01T00:00:00Z"),
        enrolled(source_record_id=None, worker_id=str(uuid4())),
        enrolled(provider_id="somebody-else"),
        sample("ConsentGranted"),
        "text",
        enrolled(source_event_id="1"),
        enrolled(source_event_id="1", course_id="crane"),
        enrolled(source_event_id="2"),
    ]
    status, answer = await post(hub, provider, {"events": items})

    assert status == 207
    results = answer["results"]
    assert [r["status"] for r in results] == [
        *("accepted", "invalid", "invalid", "invalid", "invalid", "invalid", "forbidden"),
        *("forbidden", "invalid", "duplicate", "conflict", "accepted"),
    ]
    fields = [[e["field"] for e in r.get("errors", [])] for r in results]
    assert fields[1:9] == [
        *(["type"], ["course_id"], ["extra"], ["occurred_at"], ["worker_id"], ["provider_id"]),
        *(["type"], [""]),
    ]
    assert answer["counts"] == {
        "accepted": 2, "invalid": 6, "forbidden": 2, "duplicate": 1, "conflict": 1
    }  # fmt: skip
    assert results[9]["position"] == results[0]["position"]
    names = [decode(r.value).name for r in await on_the_log(settings)]
    assert names == ["WorkerRegistered", "TrainingEnrolled", "TrainingEnrolled"]


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.WORKER])
async def test_no_organisation_posts_what_is_not_for_its_role(hub: Hub, role: Role) -> None:
    key = await hub.key(role, SOURCE)
    names = [name for name, roles in MATRIX.items() if role not in roles]
    items = [sample(n, **({SPEAKS_FOR[n]: SOURCE} if n in SPEAKS_FOR else {})) for n in names]

    status, answer = await post(hub, key, items)

    assert status == 207
    assert {r["status"] for r in answer["results"]} == {"forbidden"}
    assert await hub.pool.fetchval("SELECT count(*) FROM ingest_work.reservation") == 0


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"type": "Unheard"}, 422, "type"),
        ({"course_id": None}, 422, "course_id"),
        ({"kurs": "x"}, 422, "kurs"),
        ({"enrolment_id": 4}, 422, "enrolment_id"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, 422, "occurred_at"),
        ({"worker_id": str(uuid4()), "source_record_id": None}, 422, "worker_id"),
        ({"provider_id": "somebody-else"}, 403, "provider_id"),
        ({"type": "ConsentGranted"}, 403, "type"),
    ],
)
async def test_one_bad_event_is_a_problem_naming_field_and_fix(
    hub: Hub, provider: Headers, change: dict[str, Any], status: int, field: str
) -> None:
    answer = await hub.http.post("/v1/events", json=enrolled(**change), headers=provider)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert error["problem"]
    assert error["fix"]


async def test_bad_requests_are_told_apart(hub: Hub, provider: Headers) -> None:
    assert (await post(hub, {}, enrolled()))[0] == 401
    assert (await post(hub, {"Authorization": "Bearer tl_0_0"}, enrolled()))[0] == 401
    assert (await post(hub, {"Authorization": "Basic x"}, enrolled()))[0] == 401
    status, answer = await post(hub, provider, b'{"type": ')
    assert (status, answer["type"]) == (400, "/problems/not-json")
    assert "byte 9 of 9" in answer["detail"]
    assert (await post(hub, provider, enrolled(), **{"Content-Type": "text/plain"}))[0] == 415
    assert (await post(hub, provider, [enrolled()] * 1001))[0] == 413
    assert (await post(hub, provider, b" " * 4_000_001))[0] == 413
    assert (await post(hub, provider, {"events": []}))[0] == 422
    assert await hub.pool.fetchval("SELECT count(*) FROM vault.worker") == 0


async def test_a_body_that_does_not_announce_its_size_is_cut_off(
    hub: Hub, provider: Headers
) -> None:
    async def endless() -> Any:
        for _ in range(50):
            yield b" " * 100_000

    headers = {**provider, "Content-Type": "application/json"}
    answer = await hub.http.post("/v1/events", content=endless(), headers=headers)
    assert answer.status_code == 413


async def test_same_id_same_content_is_a_duplicate_and_other_content_a_conflict(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    event_id = str(uuid4())
    first = (await post(hub, provider, enrolled(event_id=event_id)))[1]
    respelled = enrolled(event_id=event_id, occurred_at="2026-01-05T10:00:00.000+01:00")
    status, again = await post(hub, provider, respelled)
    assert (status, again["status"]) == (202, "duplicate")
    assert again["position"] == first["position"]
    assert again["event_id"] == event_id == first["event_id"]

    status, other = await post(hub, provider, enrolled(event_id=event_id, course_id="crane"))
    assert (status, other["type"]) == (409, "/problems/conflict")
    stranger = await hub.key(Role.PROVIDER, "other-college")
    theirs = enrolled(event_id=event_id, provider_id="other-college")
    assert (await post(hub, stranger, theirs))[0] == 409
    enrolments = [
        r for r in await on_the_log(settings) if decode(r.value).name == "TrainingEnrolled"
    ]
    assert len(enrolments) == 1


async def test_a_number_of_the_source_is_an_id_of_that_source_alone(
    hub: Hub, provider: Headers
) -> None:
    stranger = await hub.key(Role.PROVIDER, "other-college")
    _, mine = await post(hub, provider, enrolled(source_event_id="1"))
    _, theirs = await post(
        hub, stranger, enrolled(source_event_id="1", provider_id="other-college")
    )
    assert mine["event_id"] != theirs["event_id"]
    assert mine["worker_id"] != theirs["worker_id"], "each source numbers its own people"


async def test_a_worker_posts_about_itself_alone(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    worker_id = await _worker(hub, provider)
    key = await hub.key(Role.WORKER, worker_id)
    item = {"type": "SkillClaimed", "skill_id": "esco:x", "level": "CAN_DO"}
    item["occurred_at"] = "2026-01-05T09:00:00Z"

    assert (await post(hub, key, item))[1]["worker_id"] == worker_id
    assert (await post(hub, key, {**item, "worker_id": str(uuid4())}))[0] == 403
    assert (await post(hub, key, {**enrolled(), "worker_id": worker_id}))[0] == 403
    event = decode((await on_the_log(settings))[-1].value)
    assert (event.fields["source"], event.fields["actor_id"]) == ("throughline", "self")


async def test_a_worker_whose_registration_another_writer_made_is_known_once_read(
    hub: Hub, provider: Headers
) -> None:
    worker_id = uuid4()
    item = enrolled(worker_id=str(worker_id), source_record_id=None)
    assert (await post(hub, provider, item))[0] == 422
    await hub.pool.execute(
        "INSERT INTO read.worker (worker_id, registered_at) VALUES ($1, now())", worker_id
    )
    assert (await post(hub, provider, item))[1]["status"] == Status.ACCEPTED.value


async def test_two_names_for_one_person_must_agree(hub: Hub, provider: Headers) -> None:
    _, first = await post(hub, provider, enrolled())
    _, other = await post(hub, provider, enrolled(source_record_id="r-2"))
    both = enrolled(worker_id=first["worker_id"])
    assert (await post(hub, provider, both))[0] == 202
    status, answer = await post(hub, provider, enrolled(worker_id=other["worker_id"]))
    assert (status, answer["errors"][0]["field"]) == (422, "source_record_id")


async def test_event_types_are_listed_with_their_schemas(hub: Hub) -> None:
    listed = (await hub.http.get("/v1/event-types")).json()["event_types"]
    assert {entry["type"] for entry in listed} == set(event_types())
    consent = next(entry for entry in listed if entry["type"] == "ConsentGranted")
    assert consent["authors"] == []
    assert "grant_id" in consent["schema"]["properties"]
