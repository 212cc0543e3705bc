"""Refusals in words: which field, what is wrong with it, and how to put it right."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from reprlib import Repr

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.catalog import EventType, FieldType, event_types
from schemas.models import MODELS
from services.common.errors import FieldError

_ECHOED = 80  # characters of what came in that an answer repeats at most
# A list may hold a thousand lists in each other, which `repr` gives up at.
_SHORT = Repr()
_SHORT.maxlevel = 3
_SHORT.maxstring = _SHORT.maxother = _ECHOED
_MOST_ERRORS = 20
_INSTANT = "Write an instant with its zone, as 2026-03-01T09:00:00Z."
# What our own validators raise stands in no field.
_OWN_RULES = {
    "give event_id or source_event_id, not both": ("event_id", "Leave one of them out."),
    "give worker_id or source_record_id: who is this about?": (
        "worker_id",
        "Add worker_id, or your own number for the person as source_record_id.",
    ),
}
_ENVELOPE = {
    "event_id": "Write a UUID (version 4 or 7), or use source_event_id for a number of your own.",
    "source_event_id": "Write your own number for the event: 1 to 200 characters.",
    "worker_id": "Write the UUID that POST /v1/workers answered.",
    "source_record_id": "Write your own number for the person: 1 to 200 characters.",
    "occurred_at": _INSTANT,
    "organization_id": "Write the organisation's id: small letters, digits and hyphens.",
}


def echo(value: object) -> str:
    """What came in, cut short and made harmless, so that it can stand in an answer or a log."""
    text = repr(value[: _ECHOED + 1]) if isinstance(value, str) else _SHORT.repr(value)
    return text if len(text) <= _ECHOED else f"{text[: _ECHOED - 1]}…"


def named(place: str) -> str:
    """A field's name as it came in, made harmless in the same way."""
    return echo(place).strip("'\"")


def _like(name: str, known: Mapping[str, object]) -> str:
    """` Did you mean …?` when a known name is close."""
    close = get_close_matches(name[:_ECHOED], known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def unknown_type(given: object) -> FieldError:
    if given is None:
        return FieldError("type", "is missing", "Add the event type, such as TrainingCompleted.")
    fix = "GET /v1/event-types lists them."
    if isinstance(given, str):
        fix = f"{_like(given.rpartition('.')[2], MODELS).strip()} {fix}".strip()
    return FieldError("type", f"{echo(given)} is not an event type", fix)


def field_errors(error: ValidationError, type_name: str) -> tuple[FieldError, ...]:
    """Every complaint of pydantic about one event, at most 20."""
    event_type = event_types()[type_name]
    found = error.errors(include_url=False)[:_MOST_ERRORS]
    return tuple(_field_error(details, event_type) for details in found)


def _field_error(details: ErrorDetails, event_type: EventType) -> FieldError:
    kind, path = details["type"], details["loc"]
    if not path:
        said = details["msg"].removeprefix("Value error, ")
        place, fix = _OWN_RULES.get(said, ("", "Send one JSON object per event."))
        return FieldError(place, said, fix)
    top = str(path[0])
    name = named(".".join(str(part) for part in path))
    if kind == "extra_forbidden":
        known = dict(MODELS[event_type.name].model_fields)
        fix = _like(top, known).strip() or f"Remove it; {event_type.name} has no such field."
        return FieldError(name, f"{event_type.name} has no field of this name", fix)
    field = event_type.fields.get(top)
    if kind == "missing":
        return FieldError(name, "is missing", _fix(top, field, "Add it"))
    sealed = top == "source_record_id" or (field is not None and field.sealed)
    got = "" if sealed else f"; got {echo(details['input'])}"
    return FieldError(name, f"{details['msg']}{got}", _fix(top, field, "Expected"))


def _fix(name: str, field: FieldType | None, lead: str) -> str:
    if name in _ENVELOPE:
        return _ENVELOPE[name]
    if field is None:
        return f"{lead}."
    return f"{lead}: {_kind_in_words(field)}. {field.doc}"


def _kind_in_words(field: FieldType) -> str:
    if field.kind == "enum":
        return "one of " + ", ".join(s for s in field.avro_type["symbols"] if s != "UNKNOWN")
    if field.pattern is not None:
        return f"text matching {field.pattern}"
    words = {
        "fixed": "a UUID",
        "timestamp-micros": "an instant with its zone, as 2026-03-01T09:00:00Z",
        "decimal": "an amount with at most two decimals",
        "double": "a number",
        "int": "a whole number",
        "boolean": "true or false",
        "array": "a list of texts",
    }
    return words.get(field.kind, "text")
