"""Valid events of any type and version, made at random from their schemas (hypothesis).

    events_of(event_type)   whole events as fastavro takes and gives them, envelope included:
                            ids are 16 bytes, instants aware datetimes in UTC, money Decimal, sealed
                            fields any bytes. Texts match their patterns, numbers their bounds.
    edge_of(event_type)     the same kind of event as its sender writes it, plain JSON:
                            {"type": …, "occurred_at": …, "worker_id": …, …}. Every own field is
                            there or, where it has a default, sometimes left out. It passes the edge
                            model in strict mode. `fixed` gives fields a value of your own.
    values_of(field, raw)   one field of `events_of`; `raw` is the field in the schema.

`event_type` is an `EventType` of `schemas.catalog`: of `event_types()` or, for an old version, of
`versions()`. The strategies of one type are made once and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from schemas.catalog import EventType, FieldType, versions
from schemas.models import MODELS

_PRINTABLE = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp"))
_ASCII = st.characters(min_codepoint=32, max_codepoint=126)
_INT, _LONG = 2**31, 2**63


def _instants(until: int) -> st.SearchStrategy[datetime]:
    """From the first year that the edge takes; before 1970 their numbers are below zero."""
    naive = datetime(1900, 1, 1), datetime(until, 1, 1)  # noqa: DTZ001 - the strategy adds the zone
    return st.datetimes(*naive, timezones=st.just(UTC))


# As far as the edge takes them: promises fall due, and certificates expire, in years to come.
_INSTANTS = _instants(9999)
# To the day this was written: what happened is not from the future.
_PAST = _instants(2026)
# Random ids as version 4: at the edge others are refused.
_IDS = st.binary(min_size=16, max_size=16).map(lambda given: UUID(bytes=given, version=4))


def events_of(event_type: EventType) -> st.SearchStrategy[dict[str, Any]]:
    """Whole events of this version, as fastavro takes them."""
    return _events_of(event_type.schema_id)


def edge_of(
    event_type: EventType, fixed: Mapping[str, Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    """Events of the newest version as a sender writes them, with the values of `fixed` in them."""
    made = _edge_of(event_type.schema_id)
    return made if fixed is None else made.map(lambda event: event | dict(fixed))


def values_of(field: FieldType, raw: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of one field as fastavro takes them."""
    if field.kind == "bytes":
        made: st.SearchStrategy[Any] = st.binary(min_size=1, max_size=60)
    elif field.kind == "fixed":
        made = _IDS.map(lambda given: given.bytes)
    else:
        made = _plain(field, raw)
    return st.none() | made if field.nullable else made


@cache
def _events_of(schema_id: int) -> st.SearchStrategy[dict[str, Any]]:
    event_type = versions()[schema_id]
    raw = {field["name"]: field for field in event_type.schema["fields"]}
    fields = event_type.fields.values()
    return st.fixed_dictionaries({f.name: values_of(f, raw[f.name]) for f in fields})


@cache
def _edge_of(schema_id: int) -> st.SearchStrategy[dict[str, Any]]:
    event_type = versions()[schema_id]
    raw = {field["name"]: field for field in event_type.schema["fields"]}
    must: dict[str, st.SearchStrategy[Any]] = {"type": st.just(event_type.name)}
    may: dict[str, st.SearchStrategy[Any]] = {
        "source_event_id": st.text(_PRINTABLE, min_size=1, max_size=20)
    }
    if event_type.topic == "directory":
        must |= {
            name: _as_json(event_type.fields[name], raw[name])
            for name in ("organization_id", "entity_id", "version")
        }
    else:
        must["worker_id"] = _IDS.map(str)
        may |= {"correlation_id": _IDS.map(str), "supersedes": _IDS.map(str)}
    for field in (event_type.fields["occurred_at"], *event_type.own_fields):
        asked = may if "default" in raw[field.name] else must
        asked[field.name] = _as_json(field, raw[field.name])
    return st.fixed_dictionaries(must, optional=may).map(
        lambda event: _with_whole_money(event_type, event)
    )


def _with_whole_money(event_type: EventType, event: dict[str, Any]) -> dict[str, Any]:
    """An amount is taken with its currency and the time that it pays for alone."""
    for amount, currency, period in MODELS[event_type.name].money:
        if event.get(amount) is None:
            continue
        event[currency] = event.get(currency) or "EUR"
        if period is not None and event.get(period, "UNKNOWN") == "UNKNOWN":
            event[period] = "MONTH"
    return event


def _as_json(field: FieldType, raw: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of one field as JSON has them: what is sealed is still plain text."""
    match field.kind:
        case "fixed":
            made: st.SearchStrategy[Any] = _IDS.map(str)
        case "bytes":
            made = _text(field, raw, most=40)
        case "timestamp-micros":
            instants = _PAST if field.name == "occurred_at" else _INSTANTS
            made = instants.map(lambda at: at.isoformat().replace("+00:00", "Z"))
        case "decimal":
            made = _plain(field, raw).map(str)
        case _:
            made = _plain(field, raw)
    return st.none() | made if field.nullable else made


def _plain(field: FieldType, raw: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that Avro and JSON write alike, and instants and money as Python has them."""
    low, high = raw.get("minimum"), raw.get("maximum")
    match field.kind:
        case "enum":
            return st.sampled_from(field.avro_type["symbols"])
        case "string":
            return _text(field, raw, most=40)
        case "array":
            return st.lists(_text(field, raw, most=20), max_size=3)
        case "boolean":
            return st.booleans()
        case "int" | "long":
            widest = _INT if field.kind == "int" else _LONG
            return st.integers(
                -widest if low is None else low, widest - 1 if high is None else high
            )
        case "double":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "timestamp-micros":
            return _INSTANTS
        case "decimal":
            places, digits = field.avro_type["scale"], field.avro_type["precision"]
            most = Decimal(10**digits - 1).scaleb(-places)
            return st.decimals(-most if low is None else low, most, places=places)
    raise LookupError(f"{field.name}: add values of the kind {field.kind} to {__name__}")


def _text(field: FieldType, raw: Mapping[str, Any], most: int) -> st.SearchStrategy[str]:
    if field.pattern is not None:
        return _matching(field.pattern)
    longest = min(raw.get("max_length", most), most)
    return st.text(_PRINTABLE, min_size=1, max_size=longest)


@cache
def _matching(pattern: str) -> st.SearchStrategy[str]:
    """Texts that a pattern takes as a whole. `$` alone would let a line's end follow."""
    return st.from_regex(pattern, fullmatch=True, alphabet=_ASCII)
