"""What a request's body says: JSON events, one or many, plain or as CloudEvents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from schemas.catalog import event_types
from services.common.errors import FieldError, Problem
from services.ingest.explain import echo

PLAIN = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"
_ACCEPTED = (PLAIN, CLOUD_EVENT, CLOUD_EVENTS)
_DERIVED_VERSION = 5


@dataclass(frozen=True, slots=True)
class Posted:
    """The events of one request. `single` is answered by itself, others in a list."""

    items: list[Any]
    single: bool


def media_type(header: str) -> str:
    """The content type without parameters. Raises Problem 415."""
    found = header.partition(";")[0].strip().lower()
    if found not in _ACCEPTED:
        detail = f"Send Content-Type {', '.join(_ACCEPTED[:-1])} or {_ACCEPTED[-1]}."
        raise Problem(415, "unsupported-media-type", f"{detail} Got {echo(found)}.")
    return found


def json_of(body: bytes) -> Any:
    """Raises Problem 400 that says at which byte the body stops being JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        said = str(error).partition(": line ")[0]
        place = f"At byte {_byte(body, error)} of {len(body)}: {said[:80]}."
        raise Problem(400, "not-json", f"The body is not JSON. {place}") from None


def _byte(body: bytes, error: orjson.JSONDecodeError) -> int:
    """Where it broke, counted in bytes from 0."""
    try:
        return len(body.decode()[: error.pos].encode())
    except UnicodeDecodeError as bad:
        return bad.start
    except UnicodeEncodeError:
        return error.pos


def posted(body: bytes, kind: str, most: int) -> Posted:
    """Read a body of a known media type. Raises Problem 400, 413, 422."""
    content = json_of(body)
    single = kind != CLOUD_EVENTS and isinstance(content, dict) and set(content) != {"events"}
    items = [content] if single else _listed(content, kind)
    if len(items) > most:
        detail = f"{len(items):,} events in one request; send at most {most:,} at a time."
        raise Problem(413, "too-many-events", detail)
    if kind == PLAIN:
        return Posted(items, single)
    return Posted([from_cloud_event(item) for item in items], single)


def _listed(content: Any, kind: str) -> list[Any]:
    items = content["events"] if isinstance(content, dict) and kind == PLAIN else content
    if not isinstance(items, list):
        error = FieldError(
            "events" if isinstance(content, dict) else "",
            f"is not a list; got {echo(items)}",
            'Send one event as an object, or several as {"events": […]}.',
        )
        raise Problem(422, "invalid", "The body holds no events.", errors=[error])
    if not items:
        error = FieldError("events", "is empty", "Send at least one event.")
        raise Problem(422, "invalid", "The body holds no events.", errors=[error])
    return items


def from_cloud_event(item: Any) -> Any:
    """The event as its sender would write it plainly; what is missing is complained of later.

    `type` may be short or full, `id` is the event's id when it is a random UUID and the source's
    own number otherwise, `data` has the fields. Other attributes say nothing that we keep.
    Source: CloudEvents 1.0.2, JSON format 1.0.2.
    """
    if not isinstance(item, Mapping) or not isinstance(item.get("data"), Mapping):
        return item
    plain = dict(item["data"])
    plain["type"] = _short(item.get("type"))
    if "time" in item:
        plain.setdefault("occurred_at", item["time"])
    given = item.get("id")
    if given is not None and not {"event_id", "source_event_id"} & plain.keys():
        plain["event_id" if _is_random_uuid(given) else "source_event_id"] = given
    return plain


def _short(name: Any) -> Any:
    """`throughline.training.TrainingCompleted` is `TrainingCompleted`."""
    if not isinstance(name, str) or not name.startswith("throughline."):
        return name
    found = event_types().get(name.rpartition(".")[2])
    return found.name if found is not None and found.full_name == name else name


def _is_random_uuid(given: Any) -> bool:
    try:
        return UUID(given).version not in (None, _DERIVED_VERSION)
    except (ValueError, AttributeError, TypeError):
        return False
