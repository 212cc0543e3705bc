"""The AsyncAPI 3.0 document of the hub's topics, made from the catalogue.

Served at `/asyncapi.json` with the addresses of this hub. `python -m services.registry.asyncapi`
writes `docs/asyncapi.json` with the defaults; with `--check` it writes nothing and exits with 1
when that file is stale. Sources: AsyncAPI 3.0.0, Kafka bindings 0.5.0, CloudEvents Kafka binding.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from schemas.catalog import EventType, event_types
from services.common.authors import MATRIX
from services.common.kafka import KEPT_FOR_EVER, TOPICS
from services.common.settings import Settings

PAGE: Final = Path(__file__).parents[2] / "docs" / "asyncapi.json"
BINDING: Final = {"bindingVersion": "0.5.0"}
AVRO: Final = "application/vnd.apache.avro+json;version=1.9.0"

_CHANNELS: Final = {
    "stories": (
        "Stories of workers",
        "Every event about a person, consent included, in one order: the key is the worker's id.",
    ),
    "directory": (
        "The directory",
        "Organisations and what they offer: programmes, pathways, connections, agreements.",
    ),
    "deliveries": (
        "Deliveries",
        "Every attempt to send something about a worker, and every refusal, with the grant.",
    ),
}
_HEADERS: Final = {
    "ce_specversion": ("1.0", "The version of CloudEvents."),
    "ce_id": (None, "The event's id, a UUID: the same event sent twice carries the same id."),
    "ce_type": (None, "The event type's full name, which is also its subject in the registry."),
    "ce_source": (None, "The organisation that says it: /organizations/ and its id."),
    "ce_time": (None, "When it happened in the world, as RFC 3339 has it."),
    "content-type": ("application/avro", "How the value is written."),
    "traceparent": (None, "The trace that it belongs to, as W3C Trace Context has it."),
}
_OPTIONAL: Final = {"traceparent"}

SchemaAddress = Callable[[EventType], str]


def document(settings: Settings, address: SchemaAddress) -> dict[str, Any]:
    """The whole document; `address` says where a type's Avro schema is found."""
    messages = {name: _message(one, address) for name, one in event_types().items()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:throughline:hub",
        "info": _info(),
        "defaultContentType": "application/avro",
        "servers": {"log": _server(settings)},
        "channels": {topic: _channel(settings, topic) for topic in TOPICS},
        "operations": {f"send{topic.capitalize()}": _operation(topic) for topic in TOPICS},
        "components": {"messages": messages, "messageTraits": {"cloudEvent": _cloud_event()}},
    }


def served(settings: Settings) -> dict[str, Any]:
    """As a running hub serves it: schemas are in its registry."""
    base = settings.public_url.rstrip("/")
    return document(
        settings, lambda one: f"{base}/subjects/{one.full_name}/versions/{one.version}/schema"
    )


def _info() -> dict[str, Any]:
    return {
        "title": "Throughline",
        "version": "1",
        "description": (
            "The log of a regional workforce hub. A value is Confluent's frame (0, 4-byte schema "
            "id) and an Avro datum. Schemas evolve under FULL_TRANSITIVE compatibility; a "
            "breaking change is a new event type. Sealed fields are encrypted bytes."
        ),
        "license": {
            "name": "Apache-2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0",
        },
    }


def _server(settings: Settings) -> dict[str, Any]:
    registry = {
        "schemaRegistryUrl": settings.public_url.rstrip("/"),
        "schemaRegistryVendor": "confluent",
    }
    return {
        "host": settings.kafka_bootstrap.split(",")[0],
        "protocol": "kafka",
        "description": "Apache Kafka.",
        "bindings": {"kafka": {**registry, **BINDING}},
    }


def _of(topic: str) -> Iterable[EventType]:
    return (one for one in event_types().values() if one.topic == topic)


def _channel(settings: Settings, topic: str) -> dict[str, Any]:
    title, description = _CHANNELS[topic]
    kept = {
        "cleanup.policy": [KEPT_FOR_EVER["cleanup.policy"]],
        "retention.ms": int(KEPT_FOR_EVER["retention.ms"]),
        "retention.bytes": int(KEPT_FOR_EVER["retention.bytes"]),
    }
    kafka = {
        "topic": settings.topic(topic),
        "partitions": 1 if topic == "directory" else settings.partitions,
        "replicas": settings.replication_factor,
        "topicConfiguration": kept,
        **BINDING,
    }
    return {
        "address": settings.topic(topic),
        "title": title,
        "description": description,
        "messages": {one.name: {"$ref": f"#/components/messages/{one.name}"} for one in _of(topic)},
        "bindings": {"kafka": kafka},
    }


def _operation(topic: str) -> dict[str, Any]:
    title, description = _CHANNELS[topic]
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "title": f"{title}: what the hub writes",
        "description": f"{description} Any consumer with the right to read the topic receives it.",
        "messages": [{"$ref": f"#/channels/{topic}/messages/{one.name}"} for one in _of(topic)],
    }


def _message(one: EventType, address: SchemaAddress) -> dict[str, Any]:
    return {
        "name": one.full_name,
        "title": one.name,
        "summary": one.doc,
        "contentType": "application/avro",
        "tags": [{"name": one.family}],
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"schemaFormat": AVRO, "schema": {"$ref": address(one)}},
        "bindings": {"kafka": _message_binding(one)},
        "x-schema-id": one.schema_id,
        "x-version": one.version,
        "x-category": one.category,
        "x-authors": sorted(MATRIX[one.name]),
    }


def _message_binding(one: EventType) -> dict[str, Any]:
    key = (
        {"type": "string", "description": "The organisation's id."}
        if one.topic == "directory"
        else {"type": "string", "description": "The worker's id: 16 bytes.", "maxLength": 16}
    )
    return {
        "key": key,
        "schemaIdLocation": "payload",
        "schemaIdPayloadEncoding": "confluent",
        "schemaLookupStrategy": "RecordNameStrategy",
        **BINDING,
    }


def _cloud_event() -> dict[str, Any]:
    headers = {
        name: {
            "type": "string",
            "description": meaning,
            **({"const": value} if value is not None else {}),
        }
        for name, (value, meaning) in _HEADERS.items()
    }
    return {
        "description": "The CloudEvents Kafka binding, binary content mode.",
        "headers": {
            "type": "object",
            "required": [name for name in headers if name not in _OPTIONAL],
            "properties": headers,
        },
    }


def page() -> str:
    """The committed file: the defaults, and the Avro files beside it."""
    defaults = Settings.model_construct()
    made = document(defaults, lambda one: f"../schemas/history/{one.name}/{one.version}.avsc")
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        if PAGE.exists() and PAGE.read_text() == fresh:
            return 0
        sys.stderr.write(f"{PAGE.name} is stale: run `make events`\n")
        return 1
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
