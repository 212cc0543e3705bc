"""An example of every event type, made from its fields: always the same, and always valid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from schemas.catalog import EventType, FieldType

_NAMES: Final = UUID("6f1d3c1e-5d0b-4c1f-9a86-0c6a1a4f2b77")
_WHEN: Final = "2026-05-04T09:30:00Z"
_ALTERNATIVES: Final = re.compile(r"\^\((\w+)(?:\|\w+)*\)\$")
# Real-looking values, the more particular first: the first that a field's pattern takes is used.
_CODES: Final = (
    *(
        "53-7051.00",
        "52.0203",
        "45501",
        "USD",
        "OH",
        "en",
        "training:forklift-safety",
        "onet:2.B.1.a",
    ),
    *("webhook", "completed", "0" * 64, "training", "1988", "https://river.example.org"),
)
_TEXTS: Final[Mapping[str, str]] = {
    "name": "River College",
    "display_name": "Rosa Marín",
    "contact_email": "rosa@example.org",
    "title": "Forklift safety",
    "credential_name": "Forklift operator",
    "city": "Springfield",
    "record_id": "E-1042",
    "organization_name": "Spring Street Kitchen",
    "duties": "Loading and checking trucks.",
    "words": "I want to work in the day.",
    "statement": "I finished this course in May.",
    "reason": "The bus did not come.",
    "explanation": "We looked it up, and it was so.",
    "evidence": "Loaded a truck alone, without a fault.",
}


def example(event_type: EventType) -> Mapping[str, Any]:
    """One event as a sender writes it, with every field. Raises LookupError for a new pattern."""
    head: dict[str, Any] = {"type": event_type.name, "occurred_at": _WHEN}
    if event_type.topic == "directory":
        head |= {"organization_id": "river-college", "entity_id": "forklift-safety", "version": 1}
    else:
        head |= {"worker_id": _id("worker_id")}
    raw = {field["name"]: field for field in event_type.schema["fields"]}
    own = {field.name: _value(field, raw[field.name]) for field in event_type.own_fields}
    return head | own


def _id(name: str) -> str:
    return str(uuid5(_NAMES, name))


def _value(field: FieldType, raw: Mapping[str, Any]) -> Any:
    match field.kind:
        case "enum":
            return next(symbol for symbol in field.avro_type["symbols"] if symbol != "UNKNOWN")
        case "array":
            return [_code(field)]
        case "int" | "long":
            return max(raw.get("minimum", 1), min(12, raw.get("maximum", 12)))
        case "double":
            return max(raw.get("minimum", 0.0), min(0.8, raw.get("maximum", 0.8)))
        case "decimal":
            return "18.50"
        case "boolean":
            return True
        case "fixed":
            return _id(field.name)
        case "timestamp-micros":
            return _WHEN
        case _:
            return _code(field) if field.pattern else _text(field.name)


def _text(name: str) -> str:
    return _TEXTS.get(name, "In the sender's own words.")


def _code(field: FieldType) -> str:
    """A value that the field's pattern takes."""
    pattern = field.pattern or ""
    if listed := _ALTERNATIVES.fullmatch(pattern):
        return listed[1]
    named = field.name.removesuffix("_id").replace("_", "-")
    organization = "river-college" if named == "provider" else "acme-foods"
    ours = {"recipient": organization, "employer": organization, "provider": organization}
    wanted = ours.get(named, f"{named}-1")
    # A pattern that takes almost any code takes the field's own name; a strict one does not.
    for candidate in (wanted, *_CODES):
        if re.fullmatch(pattern, candidate):
            return candidate
    raise LookupError(f"{field.name}: add an example of {pattern} to {__name__}")


def as_json(event_type: EventType) -> str:
    return json.dumps(example(event_type), indent=2, ensure_ascii=False)


def python_to_send(event_type: EventType, hub_url: str) -> str:
    """A program that sends the example with the producer SDK, as other systems install it."""
    lines = [
        "import os",
        "",
        "from throughline_sdk import Client",
        "",
        f"event = {_literal(example(event_type))}",
        f'with Client("{hub_url}", os.environ["HUB_KEY"]) as hub:',
        "    print(hub.send(event))",
    ]
    return "\n".join(lines)


def python_to_post(event_type: EventType, hub_url: str) -> str:
    """The same with any HTTP client."""
    lines = [
        "import os",
        "",
        "import httpx",
        "",
        f"event = {_literal(example(event_type))}",
        "answer = httpx.post(",
        f'    "{hub_url}/v1/events",',
        '    headers={"Authorization": f"Bearer {os.environ[\'HUB_KEY\']}"},',
        "    json=event,",
        ")",
        "print(answer.status_code, answer.json())",
    ]
    return "\n".join(lines)


def python_to_read(event_type: EventType, topic: str, bootstrap: str, registry_url: str) -> str:
    """A program that reads events of this type, with nothing of the hub's own code."""
    return f"""from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

deserialise = AvroDeserializer(SchemaRegistryClient({{"url": "{registry_url}"}}))
consumer = Consumer(
    {{
        "bootstrap.servers": "{bootstrap}",
        "group.id": "my-readers",
        "auto.offset.reset": "earliest",
    }}
)
consumer.subscribe(["{topic}"])
while True:
    record = consumer.poll(1.0)
    if record is None or record.error():
        continue
    # The type stands in a header, so that others need not be decoded.
    if dict(record.headers())["ce_type"] == b"{event_type.full_name}":
        context = SerializationContext(record.topic(), MessageField.VALUE)
        print(deserialise(record.value(), context))"""


def _literal(value: Mapping[str, Any]) -> str:
    """A dict as Python writes it, one key a line."""
    body = "".join(f"    {_quoted(key)}: {_quoted(part)},\n" for key, part in value.items())
    return "{\n" + body + "}"


def _quoted(value: Any) -> str:
    """As Python, with double quotes."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_quoted, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
