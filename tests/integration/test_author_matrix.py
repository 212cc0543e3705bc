"""Who may author what, walked whole: every role, every event type, every way in."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.catalog import FieldType, event_types
from schemas.models import MODELS
from services.common.access import Role
from services.common.authors import MATRIX, SPEAKS_FOR, may_author
from services.common.codec import decode, encode
from services.common.kafka import open_producer
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.sources.provider_access import ProviderAccess
from services.ingest.sources.provider_topics import ProviderTopics
from services.ingest.sources.settings import ProviderTopicSettings
from services.ingest.writer import Writer
from services.ingest.xapi import routes as xapi
from tests.conftest import Hub
from tests.ingest_kit import on_the_log, sample
from tests.integration.imports_kit import over, post, report
from tests.processes import until

SERVICES = ("ingest",)
# The organisation of every key; `sample` names it wherever an event names one.
ACME = "acme"
ORGANIZATIONS = [role for role in Role if role is not Role.WORKER]
Headers = dict[str, str]
Items = list[dict[str, Any]]


async def worker_of(hub: Hub) -> str:
    key = await hub.key(Role.PROVIDER, ACME)
    answer = await hub.http.post("/v1/workers", json={"source_record_id": "r-0"}, headers=key)
    return str(answer.json()["worker_id"])


def one_of_each(worker_id: str) -> Items:
    """An event of every type, about this worker or of this organisation."""
    items = [sample(name) for name in event_types()]
    return [i | {"worker_id": worker_id} if "worker_id" in i else i for i in items]


def plain(items: Items, _home: str) -> tuple[bytes, str]:
    return orjson.dumps({"events": items}), "application/json"


def cloud_events(items: Items, home: str) -> tuple[bytes, str]:
    written = [
        {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": home,
            "type": event_types()[item["type"]].full_name,
            "time": item["occurred_at"],
            "data": {k: v for k, v in item.items() if k not in ("type", "occurred_at")},
        }
        for item in items
    ]
    return orjson.dumps(written), "application/cloudevents-batch+json"


def avro(items: Items, _home: str) -> tuple[bytes, str]:
    return b"".join(map(framed, items)), "application/avro"


def framed(item: dict[str, Any]) -> bytes:
    event_type = event_types()[item["type"]]
    empty = {"event_id": bytes(16), "source": "", "actor_role": "UNKNOWN", "actor_id": ""}
    fields: dict[str, Any] = {"recorded_at": datetime(1970, 1, 1, tzinfo=UTC), **empty}
    fields |= {
        name: avro_value(field, item[name])
        for name, field in event_type.fields.items()
        if item.get(name) is not None
    }
    return encode(event_type, fields)


def avro_value(field: FieldType, value: Any) -> Any:
    match field.kind:
        case "timestamp-micros":
            return datetime.fromisoformat(value)
        case "fixed":
            return UUID(value).bytes
        case "decimal":
            return Decimal(value)
        case "bytes":
            return value.encode()
    return value


@pytest.mark.parametrize("form", [plain, cloud_events, avro])
async def test_every_role_posts_what_is_its_own_and_nothing_else(
    hub: Hub, settings: Settings, form: Callable[[Items, str], tuple[bytes, str]]
) -> None:
    worker_id = await worker_of(hub)
    items = one_of_each(worker_id)
    for role in Role:
        home = f"/workers/{worker_id}" if role is Role.WORKER else f"/organizations/{ACME}"
        key = await key_of(hub, role, worker_id)
        body, kind = form(items, home)
        answer = await hub.http.post(
            "/v1/events", content=body, headers={**key, "Content-Type": kind}
        )

        became = zip(items, answer.json()["results"], strict=True)
        found = {item["type"]: result["status"] for item, result in became}
        allowed = {name for name, roles in MATRIX.items() if role in roles}
        expected = {n: "accepted" if n in allowed else "forbidden" for n in MATRIX}
        assert found == expected, f"{role}: {answer.text}"

    written = [
        decode(r.value)
        for topic in ("stories", "directory")
        for r in await on_the_log(settings, topic)
    ]
    authored = [(e.name, Role(e.fields["actor_role"].lower())) for e in written]
    assert len(authored) == 1 + sum(map(len, MATRIX.values()))  # and the worker's registration
    registered, *posted = sorted(authored, key=lambda one: one[0] != "WorkerRegistered")
    assert registered[0] == "WorkerRegistered"
    assert all(may_author(role, name) for name, role in posted)


def structured(item: dict[str, Any], home: str) -> tuple[bytes, Headers]:
    (event,) = orjson.loads(cloud_events([item], home)[0])
    return orjson.dumps(event), {"Content-Type": "application/cloudevents+json"}


def binary(item: dict[str, Any], home: str) -> tuple[bytes, Headers]:
    (event,) = orjson.loads(cloud_events([item], home)[0])
    data = event.pop("data")
    attributes = {f"ce-{name}": value for name, value in event.items()}
    return orjson.dumps(data), {"Content-Type": "application/json", **attributes}


@pytest.mark.parametrize("form", [structured, binary])
async def test_a_single_cloud_event_is_taken_from_whom_it_may_come_and_nobody_else(
    hub: Hub, settings: Settings, form: Callable[[dict[str, Any], str], tuple[bytes, Headers]]
) -> None:
    worker_id = await worker_of(hub)
    for role in Role:
        home = f"/workers/{worker_id}" if role is Role.WORKER else f"/organizations/{ACME}"
        key = await key_of(hub, role, worker_id)
        for item in one_of_each(worker_id):
            body, headers = form(item, home)
            answer = await hub.http.post("/v1/events", content=body, headers={**key, **headers})

            status = 202 if may_author(role, item["type"]) else 403
            assert answer.status_code == status, (role, item["type"], answer.text)
    assert await authored(settings) == every_author(Role)


async def authored(settings: Settings) -> Counter[tuple[str, Role]]:
    """Type and author of every event on the log, but for workers' registrations."""
    events = [
        decode(record.value)
        for topic in ("stories", "directory")
        for record in await on_the_log(settings, topic)
    ]
    return Counter(
        (event.name, Role(event.fields["actor_role"].lower()))
        for event in events
        if event.name != "WorkerRegistered"
    )


def every_author(roles: Iterable[Role]) -> Counter[tuple[str, Role]]:
    """What is on the log once each of these roles has posted one event of every type."""
    return Counter((name, role) for role in roles for name in MATRIX if may_author(role, name))


async def test_a_providers_topic_takes_what_its_role_may_author_and_gives_back_the_rest(
    hub: Hub, settings: Settings
) -> None:
    """Whatever the organisation was registered as: an organisation of each role has a topic."""
    worker_id = await worker_of(hub)
    own = ProviderTopicSettings(
        prefix=f"{settings.topic_prefix}providers.",
        group=f"{settings.topic_prefix}providers",
        discovery=timedelta(milliseconds=200),
    )
    owners = {f"{ACME}-{role}": role for role in ORGANIZATIONS}
    topics = [name(owner) for owner in owners for name in (own.topic_in, own.topic_rejects)]
    async with admin_of(settings) as admin, open_producer(settings) as producer:
        await admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])
        for owner, role in owners.items():
            await hub.key(role, owner)
            for item in one_of_each(worker_id):
                mine = dict.fromkeys(("organization_id", SPEAKS_FOR.get(item["type"])), owner)
                value = framed(item | {n: v for n, v in mine.items() if n in item})
                await producer.send_and_wait(own.topic_in(owner), value)
    await all_taken(hub, settings, own)

    assert await authored(settings) == every_author(ORGANIZATIONS)
    for owner, role in owners.items():
        bare = settings.model_copy(update={"topic_prefix": "", "partitions": 1})
        back = await on_the_log(bare, own.topic_rejects(owner))
        assert {dict(r.headers)["throughline-reject-status"] for r in back} == {b"forbidden"}
        types = sorted(decode(record.value).name for record in back)
        assert types == sorted(name for name in MATRIX if not may_author(role, name)), role


@asynccontextmanager
async def admin_of(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def all_taken(hub: Hub, settings: Settings, own: ProviderTopicSettings) -> None:
    """Read the providers' topics until nothing waits in them."""
    access = ProviderAccess(settings, own)
    vault = await Vault.open(settings)
    writer = Writer(settings, hub.pool, vault, Keyring(hub.pool, vault))
    reading = asyncio.create_task(ProviderTopics(own, settings, writer, hub.pool).run())

    async def nothing_waits() -> bool:
        return not any(one.waiting for one in await asyncio.to_thread(access.standings))

    try:
        await until(nothing_waits, within_s=60)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await writer.close()


async def key_of(hub: Hub, role: Role, worker_id: str) -> Headers:
    return await hub.key(role, worker_id if role is Role.WORKER else ACME)


async def test_no_import_is_taken_with_a_type_that_is_not_the_roles_own(hub: Hub) -> None:
    worker_id = await worker_of(hub)
    for role in Role:
        key = await key_of(hub, role, worker_id)
        for names in tens([name for name in MATRIX if not may_author(role, name)]):
            answer = await hub.http.post(
                "/v1/imports",
                files={"file": ("rows.csv", b"a\n1\n", "text/csv")},
                data={"mapping": mapping_of(names)},
                headers=key,
            )

            assert answer.status_code == 403, answer.text
            if role is not Role.WORKER:
                said = f"The key of {role.value} can't post {', '.join(sorted(names))}."
                assert answer.json()["detail"] == said


async def test_an_import_gives_every_type_that_is_the_roles_own(
    hub: Hub, settings: Settings
) -> None:
    for role in ORGANIZATIONS:
        key = await hub.key(role, ACME)
        for names in tens([name for name in MATRIX if may_author(role, name)]):
            file, mapping = table_of(names, str(role))
            account = await over(hub, key, await post(hub, key, file, mapping))

            assert account["state"] == "done", account
            assert account["rows"]["accepted"] == 1, (names, await report(hub, key, account))
            assert account["accepted_by_type"] == dict.fromkeys(names, 1)
    assert await authored(settings) == every_author(ORGANIZATIONS)


def table_of(names: list[str], number: str) -> tuple[str, str]:
    """A file with one row that gives an event of each type, and its mapping."""
    cells: dict[str, str] = {}
    events = []
    for name in names:
        item = sample(name, source_event_id=f"{name}/{number}")
        if item.pop("worker_id", None):
            item["source_record_id"] = "r-0"
        fields: dict[str, Any] = {}
        for field, value in item.items():
            column = f"{name}_{field}"
            values = value if isinstance(value, list) else [value]
            cells[column] = str(values[0]).lower() if values == [True] else str(values[0])
            fields[field] = [f"{{{column}}}"] if isinstance(value, list) else f"{{{column}}}"
        del fields["type"]
        events.append({"type": name, "fields": fields})
    text = io.StringIO()
    csv.writer(text).writerows([cells.keys(), cells.values()])
    return text.getvalue(), yaml.safe_dump({"name": "all", "events": events})


def tens(names: list[str]) -> list[list[str]]:
    """A mapping has ten events at most."""
    return [names[at : at + 10] for at in range(0, len(names), 10)]


def mapping_of(names: list[str]) -> str:
    events = [
        {
            "type": name,
            "fields": {
                field: "{a}"
                for field, about in MODELS[name].model_fields.items()
                if (about.is_required() and field != "type")
                or field in ("source_event_id", "source_record_id")
            },
        }
        for name in names
    ]
    return yaml.safe_dump({"name": "all", "events": events})


STATEMENT = {
    "actor": {"account": {"homePage": "https://lms.test", "name": "r-1"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": "https://lms.test/courses/forklift"},
    "timestamp": "2026-01-05T09:00:00Z",
}
USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ana@acme.com",
    "externalId": "e-1",
    "active": True,
}


async def test_xapi_and_scim_are_for_who_may_author_what_they_become(
    hub: Hub, settings: Settings
) -> None:
    worker_id = await worker_of(hub)
    for role in Role:
        key = await key_of(hub, role, worker_id)
        version = {"X-Experience-API-Version": "1.0.3"}
        learning = await hub.http.post(
            "/xapi/statements", json=STATEMENT, headers={**key, **version}
        )
        people = await hub.http.get("/scim/v2/Users", headers=key)
        user = await hub.http.post("/scim/v2/Users", json=USER, headers=key)

        learners = all(may_author(role, name) for name in xapi._TYPES)
        assert learning.status_code == (200 if learners else 403), learning.text
        employs = role is Role.EMPLOYER
        assert people.status_code == (200 if employs else 403), people.text
        assert user.status_code == (201 if employs else 403), user.text
    by = await authored(settings)
    assert {role for name, role in by if name in xapi._TYPES} == {Role.PROVIDER, Role.OPERATOR}
    assert {role for name, role in by if name not in xapi._TYPES} == {Role.EMPLOYER}
