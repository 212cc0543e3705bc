"""Avro at the edge: events of the catalogue, each in the Confluent frame, one after another.

A datum ends where its schema says, so frames need nothing between them. The schema is that of the
log, with three differences that follow from who writes: sealed fields carry the plain text as UTF-8
(the hub seals it); `recorded_at` and `actor_role` are the hub's to say and are passed over; an id
of 16 zero bytes, an empty `source` and an empty `actor_id` mean that the sender gives none.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro

from schemas.catalog import EventType, FieldType, event_types
from services.common.codec import FRAME_SIZE, schema_id_of, writer_of
from services.common.datum import end_of_datum
from services.common.errors import DoesNotDecode, FieldError, Problem, UnknownSchema
from services.ingest.cloud_events import Sender
from services.ingest.drafts import ItemResult, Status

_HUBS_OWN = frozenset({"recorded_at", "actor_role", "source"})
_MAY_BE_EMPTY = {"event_id": bytes(16), "worker_id": bytes(16), "actor_id": ""}


def events_of(body: bytes, sender: Sender, most: int) -> list[Mapping[str, Any] | ItemResult]:
    """Each event as its sender would write it in JSON, or why it is refused.

    Raises Problem 400 with the byte where the body stops being Avro of the catalogue, 413 for more
    than `most` events. What comes after such a byte can't be told apart, so nothing is taken.
    """
    found: list[Mapping[str, Any] | ItemResult] = []
    for event_type, fields in _decoded(body):
        if len(found) == most:
            detail = f"More than {most:,} events in one request; send fewer at a time."
            raise Problem(413, "too-many-events", detail)
        found.append(_plain(event_type, fields, sender))
    if not found:
        raise Problem(400, "not-avro", "The body is empty. Send at least one event.")
    return found


def _decoded(body: bytes) -> Iterator[tuple[EventType, Mapping[str, Any]]]:
    buffer = io.BytesIO(body)
    while (start := buffer.tell()) < len(body):
        try:
            writer = writer_of(schema_id_of(buffer.read(FRAME_SIZE)))
            # Before a library reads it: what it would choke on is refused by its length.
            end_of_datum(writer, body, buffer.tell())
            yield event_types()[writer.name], _datum(writer, buffer)
        except (DoesNotDecode, UnknownSchema) as error:
            detail = f"Event at byte {start} of {len(body)}: {error}."
            raise Problem(400, "not-avro", f"The body is not as it must be. {detail}") from None


def _datum(writer: EventType, buffer: io.BytesIO) -> Mapping[str, Any]:
    """One datum, as the newest version of its type has it. Raises DoesNotDecode."""
    start, newest = buffer.tell(), event_types()[writer.name]
    again = io.BytesIO()
    try:
        fields = fastavro.schemaless_reader(buffer, writer.parsed, None)
        end = buffer.tell()
        # The reader takes an enum's index -1, lengths below 0 and a boolean 2; Avro has none.
        fastavro.schemaless_writer(again, writer.parsed, fields)
        if again.getvalue() != buffer.getbuffer()[start:end]:
            raise DoesNotDecode(f"{writer.name} is not written as Avro writes it")
        if newest is not writer:
            again.seek(0)
            fields = fastavro.schemaless_reader(again, writer.parsed, newest.parsed)
    except DoesNotDecode:
        raise
    except Exception as error:  # noqa: BLE001 - the reader raises what it stumbles over
        raise DoesNotDecode(f"{writer.name} does not decode ({type(error).__name__})") from None
    return fields  # type: ignore[no-any-return]


def _plain(
    event_type: EventType, fields: Mapping[str, Any], sender: Sender
) -> Mapping[str, Any] | ItemResult:
    if fields["source"] not in ("", sender.source):
        return sender.refusal(fields["source"])
    plain: dict[str, Any] = {"type": event_type.name}
    for name, field in event_type.fields.items():
        value = fields[name]
        if value is None or name in _HUBS_OWN or value == _MAY_BE_EMPTY.get(name):
            continue
        try:
            plain[name] = _json_value(field, value)
        except ValueError as error:
            problem = FieldError(name, str(error), "Compare with GET /v1/event-types.")
            return ItemResult(Status.INVALID, errors=(problem,))
    return plain


def _json_value(field: FieldType, value: Any) -> Any:
    """As the field is written in JSON. Raises ValueError without repeating what was sent."""
    if field.sealed:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8 text") from None
    if isinstance(value, bytes):
        return UUID(bytes=value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is not a number")
    return value
