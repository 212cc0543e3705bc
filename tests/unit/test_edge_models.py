"""The generated edge models take every event that a schema allows, and nothing it does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import events
from schemas.catalog import EventType, FieldType, event_types
from schemas.fields import FieldRef
from schemas.models import MODELS
from services.common.codec import decode, encode
from services.ingest.drafts import ItemResult
from services.ingest.handlers import validated
from tests.events_kit import edge_of, events_of
from tests.ingest_kit import sample

TYPES = sorted(event_types())


def taken(name: str, item: dict[str, Any]) -> Any:
    return MODELS[name].model_validate_json(json.dumps(item), strict=True)


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_what_the_schema_allows_is_taken_and_can_be_written(name: str, data: st.DataObject) -> None:
    event_type = event_types()[name]
    item = data.draw(edge_of(event_type))
    envelope = data.draw(events_of(event_type))

    model = taken(name, item)

    fields = {n: _as_avro(event_type.fields[n], v) for n, v in model.own_fields().items()}
    read = decode(encode(event_type, {**envelope, **fields})).fields
    assert {n: read[n] for n in fields} == fields


def _as_avro(field: FieldType, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value.encode() if field.sealed else value


def wrong(field: FieldType, raw: dict[str, Any]) -> Iterator[Any]:
    """Values that the field does not take: of another kind, or past a limit."""
    yield {"a": 1}
    if not field.nullable:
        yield None
    match field.kind:
        case "enum":
            yield from ("NO_SUCH_SYMBOL", "unknown", 1)
        case "string" | "bytes":
            yield from ("", 7, True)
            yield "x" * (raw.get("max_length", 2000) + 1)
            if field.pattern is not None:
                yield from ("two words", "x\n", " x")
        case "array":
            yield from ("x", [7], ["two words"], [sample_of(field)] * 51)
        case "int" | "long":
            yield from (raw["minimum"] - 1, raw["maximum"] + 1, "7", 7.5, True)
        case "double":
            yield from (raw["minimum"] - 0.1, raw["maximum"] + 0.1, "0.5", True)
        case "decimal":
            yield from ("-0.01", "0.001", "99999999999.00", "NaN", "Infinity", "1e400")
        case "boolean":
            yield from ("true", 1, 0)
        case "fixed":
            yield from ("x", "00" * 17, 7)
        case "timestamp-micros":
            yield from ("2026-01-05T09:00:00", "yesterday", "2026-13-01T00:00:00Z")


def sample_of(field: FieldType) -> str:
    return next(c for c in ("training", "hiring", "training:c-101", "49-9071.00") if _is(field, c))


def _is(field: FieldType, text: str) -> bool:
    return re.fullmatch(field.pattern or ".*", text) is not None


@pytest.mark.parametrize("name", TYPES)
def test_what_the_schema_does_not_allow_is_refused_by_its_name(name: str) -> None:
    event_type = event_types()[name]
    raw = {field["name"]: field for field in event_type.schema["fields"]}
    taken(name, sample(name))
    for field in event_type.own_fields:
        for value in wrong(field, raw[field.name]):
            with pytest.raises(ValidationError) as refused:
                taken(name, sample(name, **{field.name: value}))
            places = {error["loc"][0] for error in refused.value.errors()}
            assert places == {field.name}, value
        if "default" not in raw[field.name]:
            item = sample(name)
            del item[field.name]
            with pytest.raises(ValidationError, match=field.name):
                taken(name, item)
    with pytest.raises(ValidationError, match="no_such_field"):
        taken(name, sample(name, no_such_field=1))


@pytest.mark.parametrize("field", ["supervisor_id", "actor_id", "employment_id"])
def test_no_id_says_an_e_mail_address_or_a_name(field: str) -> None:
    for value in ("ana.lopez@acme.example", "Ana Lopez", "+15550100199"):
        with pytest.raises(ValidationError) as refused:
            taken("SupervisorAssigned", sample("SupervisorAssigned", **{field: value}))
        assert [error["loc"] for error in refused.value.errors()] == [(field,)]
    taken("SupervisorAssigned", sample("SupervisorAssigned", **{field: "s-7:north/2"}))


def test_what_open_edx_names_with_an_at_is_taken() -> None:
    course = "ccx-v1:edX+DemoX+Demo_Course+ccx@1"
    block = "block-v1:edX+DemoX+Demo_Course+type@problem+block@d1b84dcd39b0423d9e288f27f0f7f242"
    ids = {"course_id": course, "enrolment_id": f"{course}/42", "activity_id": block}
    taken("TrainingProgressed", sample("TrainingProgressed", **ids))


@settings(max_examples=2, deadline=None)
@given(event=events_of(event_types()["SupervisorAssigned"]))
def test_what_the_edge_took_before_a_pattern_was_narrowed_is_read(event: dict[str, Any]) -> None:
    fields = event | {"actor_id": "ana@acme.example"}
    assert decode(encode(event_types()["SupervisorAssigned"], fields)).fields == fields


@pytest.mark.parametrize(
    ("name", "field", "good", "bad"),
    [
        (
            "OrganizationRegistered",
            "website",
            ("https://acme.example", "http://www.acme.example:8080/a?b=c#d"),
            ("www.acme.example", "https://ana@acme.example", "ask Ana", "mailto:ana@acme.example"),
        ),
        ("OrganizationRegistered", "postal_code", ("45501-1234", "SW1A 1AA"), ("near Ana's", "+1")),
        ("ConnectionConfigured", "url", ("https://[::1]:8443/hook",), ("sftp://x", "https://a b")),
    ],
)
def test_addresses_in_the_directory_are_addresses(
    name: str, field: str, good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    for value in good:
        taken(name, sample(name, **{field: value}))
    for value in bad:
        with pytest.raises(ValidationError, match=field):
            taken(name, sample(name, **{field: value}))


MONEY = [(name, *names) for name in TYPES for names in MODELS[name].money]


def test_every_amount_names_what_stands_beside_it() -> None:
    decimals = {
        (name, field.name)
        for name in TYPES
        for field in event_types()[name].own_fields
        if field.kind == "decimal"
    }
    assert {(name, amount) for name, amount, _, _ in MONEY} == decimals
    assert ("ProgrammePublished", "tuition", "currency", None) in MONEY
    assert ("WageChanged", "wage_amount", "wage_currency", "wage_period") in MONEY


@pytest.mark.parametrize(("name", "amount", "currency", "period"), MONEY)
def test_an_amount_is_taken_with_its_currency_and_a_known_time_alone(
    name: str, amount: str, currency: str, period: str | None
) -> None:
    lacking: list[tuple[str, dict[str, Any]]] = [(currency, {currency: None})]
    if period is not None:
        lacking.append((period, {period: "UNKNOWN"}))
    for field, nothing in lacking:
        item = sample(name, **nothing)
        with pytest.raises(ValidationError, match=f"must be said beside {amount}") as refused:
            taken(name, item)
        assert [error["loc"] for error in refused.value.errors()] == [(field,)]
        taken(name, item | {amount: None})
    without = sample(name)
    del without[currency]
    with pytest.raises(ValidationError, match=f"must be said beside {amount}"):
        taken(name, without)


def test_the_edge_names_the_field_that_an_amount_lacks() -> None:
    """The message of the edge is what a sender sees."""
    found = validated(sample("WageChanged", wage_currency=None, wage_period="UNKNOWN"))

    assert isinstance(found, ItemResult)
    currency, period = found.errors
    assert (currency.field, period.field) == ("wage_currency", "wage_period")
    assert currency.problem == "must be said beside wage_amount; got None"
    assert "one of HOUR, DAY, WEEK" in (period.fix or "")


@pytest.mark.parametrize("event_type", event_types().values(), ids=lambda e: e.name)
def test_projections_can_name_every_field_with_its_kind(event_type: EventType) -> None:
    named = vars(getattr(events, event_type.name))
    refs = {name: ref for name, ref in named.items() if isinstance(ref, FieldRef)}

    assert refs == {
        f.name: FieldRef(event_type.name, f.name, f.kind, f.nullable, f.sealed)
        for f in event_type.fields.values()
    }
