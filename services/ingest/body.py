"""What a request's body says: one event or many, as JSON, CloudEvents or Avro."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from services.common.errors import FieldError, Problem
from services.ingest.avro_body import events_of
from services.ingest.cloud_events import Sender, plain_event
from services.ingest.drafts import ItemResult, Status
from services.ingest.explain import echo

PLAIN = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"
AVRO = "application/avro"
ACCEPTED = (PLAIN, CLOUD_EVENT, CLOUD_EVENTS, AVRO)


@dataclass(frozen=True, slots=True)
class Posted:
    """The events of one request: JSON objects, and results of those that are refused already.
    `single` is answered by itself, others in a list.
    """

    items: Sequence[Any | ItemResult]
    single: bool


def media_type(header: str) -> str:
    """The content type without parameters. Raises Problem 415."""
    found = header.partition(";")[0].strip().lower()
    if found not in ACCEPTED:
        detail = f"Send Content-Type {', '.join(ACCEPTED[:-1])} or {ACCEPTED[-1]}."
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


def posted(
    body: bytes, kind: str, sender: Sender, most: int, attributes: Mapping[str, str]
) -> Posted:
    """Read a body of a known media type.

    attributes: of one CloudEvent in binary mode, whose `data` the body is; else empty.
    Raises Problem 400, 413, 422.
    """
    if attributes and kind in (PLAIN, AVRO):
        data = json_of(body) if kind == PLAIN else events_of(body, sender, 1)[0]
        return Posted([_binary(attributes, data, sender)], single=True)
    if kind == AVRO:
        found = events_of(body, sender, most)
        return Posted(found, single=len(found) == 1)
    content = json_of(body)
    single = kind != CLOUD_EVENTS and isinstance(content, dict) and set(content) != {"events"}
    items = [content] if single else _listed(content, kind)
    if len(items) > most:
        detail = f"{len(items):,} events in one request; send at most {most:,} at a time."
        raise Problem(413, "too-many-events", detail)
    if kind == PLAIN:
        return Posted(items, single)
    return Posted([plain_event(item, sender) for item in items], single)


def _binary(attributes: Mapping[str, str], data: Any, sender: Sender) -> Any | ItemResult:
    """One CloudEvent in binary mode. Avro names its type itself: the two must agree."""
    if isinstance(data, ItemResult):
        return data
    made = plain_event({**attributes, "data": data}, sender)
    if isinstance(made, ItemResult) or not isinstance(data, Mapping):
        return made
    if data.get("type", made["type"]) != made["type"]:
        problem = f"{echo(made['type'])} is not the type of the data, {echo(data['type'])}"
        error = FieldError("type", problem, "Write one type in both places.")
        return ItemResult(Status.INVALID, errors=(error,))
    return made


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
