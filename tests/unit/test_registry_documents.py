"""JSON Schema and AsyncAPI say what the hub takes and writes, and are as their standards ask."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import ValidationError

from schemas.catalog import EventType, event_types, versions
from schemas.json_schema import json_schema
from schemas.models import MODELS
from services.common.codec import headers
from services.common.kafka import TOPICS
from services.registry import asyncapi
from tests.events_kit import edge_of
from tests.registry_kit import one_of, registry_app

ASYNCAPI = Draft7Validator(
    json.loads((Path(__file__).parents[1] / "data" / "asyncapi" / "3.0.0.json").read_text())
)
TYPES = list(event_types().values())


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(registry_app("region."))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client


@pytest.mark.parametrize("event_type", TYPES, ids=lambda one: one.name)
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_what_the_edge_takes_fits_the_json_schema(
    event_type: EventType, data: st.DataObject
) -> None:
    schema = json_schema(event_type)
    Draft202012Validator.check_schema(schema)
    event = data.draw(edge_of(event_type))
    Draft202012Validator(schema).validate(event)
    must = sorted(schema["required"])
    without = data.draw(st.sampled_from(must))
    assert_both_refuse(event_type, {k: v for k, v in event.items() if k != without})
    assert_both_refuse(event_type, {**event, "unknown_field": 1})
    who = "organization_id" if event_type.topic == "directory" else "worker_id"
    assert_both_refuse(event_type, {k: v for k, v in event.items() if k != who})
    ids = {"event_id": "0199a1b2-0000-7000-8000-000000000000", "source_event_id": "e-1"}
    assert_both_refuse(event_type, {**event, **ids})
    for amount, currency, period in MODELS[event_type.name].money:
        paid = {**event, amount: "1.00", currency: "EUR"} | ({period: "DAY"} if period else {})
        Draft202012Validator(schema).validate(paid)
        assert_both_refuse(event_type, paid | {currency: None})
        assert_both_refuse(event_type, {k: v for k, v in paid.items() if k != currency})
        if period is not None:
            assert_both_refuse(event_type, paid | {period: "UNKNOWN"})


def assert_both_refuse(event_type: EventType, event: dict[str, Any]) -> None:
    assert not Draft202012Validator(json_schema(event_type)).is_valid(event)
    if "type" in event:  # without it the edge does not know which model to ask
        with pytest.raises(ValidationError):
            MODELS[event_type.name].model_validate(event)


def test_each_field_of_a_json_schema_says_what_it_means() -> None:
    for event_type in TYPES:
        properties = json_schema(event_type)["properties"]
        for field in event_type.own_fields:
            said = properties[field.name]
            assert (said["description"], said["x-category"]) == (field.doc, field.category)
            assert said.get("x-sealed", False) is field.sealed


async def test_json_schemas_are_served_under_their_own_id(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/json-schemas")).json()
    assert set(listed) == set(event_types())
    address = listed["TrainingCompleted"]
    assert address == "https://hub.example.org/json-schemas/TrainingCompleted"
    answer = await http.get("/json-schemas/TrainingCompleted")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json()["$id"] == address
    same = {"If-None-Match": answer.headers["etag"]}
    assert (await http.get("/json-schemas/TrainingCompleted", headers=same)).status_code == 304


def test_the_committed_asyncapi_document_is_fresh_and_valid() -> None:
    assert asyncapi.PAGE.read_text() == asyncapi.page(), "run `make events`"
    document = json.loads(asyncapi.page())
    ASYNCAPI.validate(document)
    for message in document["components"]["messages"].values():
        schema = (asyncapi.PAGE.parent / message["payload"]["schema"]["$ref"]).resolve()
        assert json.loads(schema.read_text()) == versions()[message["x-schema-id"]].schema


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "2.6.0"),
        (("operations", "sendStories", "action"), "publish"),
        (("channels", "stories", "bindings", "kafka", "partitions"), "many"),
        (("components", "messages", "TrainingCompleted", "payload", "schemaFormat"), 7),
        (("servers", "log", "protocol"), None),
    ],
)
def test_the_validator_of_asyncapi_would_notice(path: tuple[str, ...], value: object) -> None:
    document = copy.deepcopy(json.loads(asyncapi.page()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not ASYNCAPI.is_valid(document)


async def test_the_served_document_leads_to_every_schema(http: httpx.AsyncClient) -> None:
    answer = await http.get("/asyncapi.json")
    document = answer.json()
    ASYNCAPI.validate(document)
    assert set(document["channels"]) == set(TOPICS)
    assert document["channels"]["stories"]["address"] == "region.stories"
    listed = [name for one in document["channels"].values() for name in one["messages"]]
    assert sorted(listed) == sorted(event_types()) == sorted(document["components"]["messages"])
    for name, message in document["components"]["messages"].items():
        address = message["payload"]["schema"]["$ref"].removeprefix("https://hub.example.org")
        assert (await http.get(address)).json() == event_types()[name].schema
    references = {
        reference["$ref"]
        for operation in document["operations"].values()
        for reference in operation["messages"]
    }
    assert len(references) == len(event_types())


def test_the_headers_in_the_document_are_the_headers_that_are_written() -> None:
    described = asyncapi.document(asyncapi.Settings.model_construct(), lambda _: "#")
    trait = described["components"]["messageTraits"]["cloudEvent"]["headers"]
    event_type = event_types()["TrainingCompleted"]
    written = {k: v.decode() for k, v in headers(event_type, one_of("TrainingCompleted"))}
    Draft202012Validator(trait).validate(written)
    assert set(written) == set(trait["required"])
