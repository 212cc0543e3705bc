"""Who may author what, walked whole: every role, every event type, every way in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import yaml

from schemas.catalog import FieldType, event_types
from schemas.models import MODELS
from services.common.access import Role
from services.common.authors import MATRIX, may_author
from services.common.codec import decode, encode
from services.common.settings import Settings
from services.ingest.xapi import routes as xapi
from tests.conftest import Hub
from tests.ingest_kit import on_the_log, sample

SERVICES = ("ingest",)
# The organisation of every key; `sample` names it wherever an event names one.
ACME = "acme"
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


async def test_xapi_and_scim_are_for_who_may_author_what_they_become(hub: Hub) -> None:
    worker_id = await worker_of(hub)
    for role in Role:
        key = await key_of(hub, role, worker_id)
        version = {"X-Experience-API-Version": "1.0.3"}
        learning = await hub.http.post("/xapi/statements", json=[], headers={**key, **version})
        people = await hub.http.get("/scim/v2/Users", headers=key)

        learners = all(may_author(role, name) for name in xapi._TYPES)
        assert (learning.status_code == 403) == (not learners), learning.text
        assert (people.status_code == 403) == (role is not Role.EMPLOYER), people.text
