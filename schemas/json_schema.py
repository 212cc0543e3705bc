"""JSON Schema (2020-12) of events as the HTTP API takes them, made from the edge models."""

from __future__ import annotations

from typing import Any, Final

from schemas.catalog import EventType
from schemas.models import MODELS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_GIVEN: Final = {"not": {"type": "null"}}


def json_schema(event_type: EventType, base_url: str = "") -> dict[str, Any]:
    """What a sender may write of this type, with each field's meaning.

    `x-category` is the part of the record a field belongs to; `x-sealed` marks what the hub
    encrypts before it keeps it. `$id` is where the registry serves the schema, under `base_url`.
    """
    schema = MODELS[event_type.name].model_json_schema()
    for name, described in schema["properties"].items():
        field = event_type.fields.get(name)
        if field is not None:
            described["description"] = field.doc
            described["x-category"] = field.category
            if field.sealed:
                described["x-sealed"] = True
    return {
        "$schema": DIALECT,
        "$id": f"{base_url.rstrip('/')}/json-schemas/{event_type.name}",
        **schema,
        "description": event_type.doc,
        "allOf": [*_rules(event_type.topic), *map(_money, MODELS[event_type.name].money)],
    }


def _rules(topic: str) -> list[dict[str, Any]]:
    """What the models check of several fields together."""
    not_both = {
        "not": {
            "required": ["event_id", "source_event_id"],
            "properties": {"event_id": _GIVEN, "source_event_id": _GIVEN},
        },
        "description": "Give event_id or source_event_id, not both.",
    }
    if topic == "directory":
        return [not_both]
    somebody = {
        "anyOf": [
            {"required": [name], "properties": {name: _GIVEN}}
            for name in ("worker_id", "source_record_id")
        ],
        "description": "Give worker_id or source_record_id: who is this about?",
    }
    return [not_both, somebody]


def _money(names: tuple[str, str, str | None]) -> dict[str, Any]:
    amount, currency, period = names
    then: dict[str, Any] = {"required": [currency], "properties": {currency: _GIVEN}}
    if period is not None:
        then["required"].append(period)
        then["properties"][period] = {"not": {"const": "UNKNOWN"}}
    return {
        "if": {"required": [amount], "properties": {amount: _GIVEN}},
        "then": then,
        "description": f"Beside {amount} say {' and '.join(then['required'])}.",
    }
