"""The event types as the committed schemas define them: ids, versions, fields and what they mean.

Everything is read from `catalog.json` and the files it names, never from a server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro

ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field of an event type, with the annotations that govern it."""

    name: str
    avro_type: Any  # as in the schema, without the null branch
    nullable: bool
    doc: str
    category: str
    sealed: bool
    plain: str | None  # type of the plaintext when sealed
    pattern: str | None

    @property
    def kind(self) -> str:
        """One word for the type: string, int, fixed, enum, array, decimal, timestamp-micros …"""
        if isinstance(self.avro_type, dict):
            return str(self.avro_type.get("logicalType") or self.avro_type["type"])
        return str(self.avro_type)


@dataclass(frozen=True, slots=True)
class EventType:
    """One version of an event type: its Avro schema, its id and its fields in order."""

    name: str
    family: str
    doc: str
    topic: str  # stories, directory or deliveries: the topic's name without the prefix
    category: str  # the part of the record that the event belongs to
    schema_id: int
    version: int
    schema: Mapping[str, Any]
    parsed: Any  # what fastavro takes
    fields: Mapping[str, FieldType]

    @property
    def full_name(self) -> str:
        return f"throughline.{self.family}.{self.name}"

    @property
    def own_fields(self) -> tuple[FieldType, ...]:
        """The fields after the envelope."""
        return tuple(f for f in self.fields.values() if f.name not in envelope_names(self.topic))

    @property
    def sealed_fields(self) -> tuple[FieldType, ...]:
        return tuple(f for f in self.fields.values() if f.sealed)


@cache
def envelope(topic: str) -> tuple[dict[str, Any], ...]:
    """The fields that every event of a topic begins with."""
    name = "directory" if topic == "directory" else "story"
    fields: list[dict[str, Any]] = json.loads((ROOT / "envelope" / f"{name}.json").read_text())
    return tuple(fields)


@cache
def envelope_names(topic: str) -> frozenset[str]:
    return frozenset(field["name"] for field in envelope(topic))


def field_type(raw: Mapping[str, Any]) -> FieldType:
    """Read one field of a schema. Optional fields are unions of null and one type."""
    avro_type = raw["type"]
    nullable = isinstance(avro_type, list)
    if nullable:
        avro_type = next(branch for branch in avro_type if branch != "null")
    return FieldType(
        name=raw["name"],
        avro_type=avro_type,
        nullable=nullable,
        doc=raw["doc"],
        category=raw["category"],
        sealed=bool(raw.get("sealed")),
        plain=raw.get("plain"),
        pattern=raw.get("pattern"),
    )


def _event_type(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> EventType:
    return EventType(
        name=schema["name"],
        family=schema["namespace"].rpartition(".")[2],
        doc=schema["doc"],
        topic=schema["topic"],
        category=schema["category"],
        schema_id=entry["id"],
        version=entry["version"],
        schema=schema,
        parsed=fastavro.parse_schema(dict(schema)),
        fields={raw["name"]: field_type(raw) for raw in schema["fields"]},
    )


@cache
def versions() -> Mapping[int, EventType]:
    """Every committed version of every event type, by schema id."""
    entries = json.loads((ROOT / "catalog.json").read_text())["schemas"]
    return {
        entry["id"]: _event_type(entry, json.loads((ROOT / entry["file"]).read_text()))
        for entry in entries
    }


# Versions of a later catalogue that this process was told of, by schema id.
_later: dict[int, EventType] = {}


def version_of(schema_id: int) -> EventType | None:
    """The version with this id: a committed one, or one that was learned."""
    return versions().get(schema_id) or _later.get(schema_id)


def learn(schema_id: int, version: int, schema: Mapping[str, Any]) -> EventType:
    """Know a version of a later catalogue from now on, in this process alone."""
    _later[schema_id] = _event_type({"id": schema_id, "version": version}, schema)
    return _later[schema_id]


def forget_later() -> None:
    """Know nothing but what is committed."""
    _later.clear()


@cache
def event_types() -> Mapping[str, EventType]:
    """The newest version of every event type, by name."""
    newest: dict[str, EventType] = {}
    for event_type in sorted(versions().values(), key=lambda e: e.version):
        newest[event_type.name] = event_type
    return dict(sorted(newest.items()))
