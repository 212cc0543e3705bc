"""Events of every type and version mean the same to every reader, ours and others'.

Written with fastavro; read with fastavro, the columnar reader, Avro's own Python library, and
Confluent's deserialiser, which asks our registry over HTTP. As written, and into the newest version.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import avro.io
import avro.schema
import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import catalog
from schemas.catalog import EventType, event_types, versions
from services.common import codec
from services.common.codec import FRAME_SIZE, decode, decode_columns, encode
from services.projections.columns import Group, parts_of, read_all
from services.projections.events import events_of as columns_of
from services.projections.events import stream_of
from services.registry import subjects
from services.registry.subjects import text_of
from tests.events_kit import events_of
from tests.registry_kit import registry_app, serving

Fields = Mapping[str, Any]
BY_NAME = sorted(versions().values(), key=lambda one: (one.name, one.version))
SYNTHETIC = 1_000_000
LATER = "ADDED_LATER"
# Other events every run but in CI; what fails is kept (`.hypothesis`) and comes first the next time.
FEW = settings(
    max_examples=4,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=100)
TYPES = pytest.mark.parametrize("writer", BY_NAME, ids=lambda one: f"{one.name}-{one.version}")


@pytest.fixture(scope="module")
def confluent() -> Iterator[SchemaRegistryClient]:
    with serving(registry_app()) as url:
        yield SchemaRegistryClient({"url": url})


@dataclass(frozen=True)
class Sent:
    """A record of the topic, as the columnar reader takes it."""

    key: bytes
    value: bytes
    offset: int
    headers: Sequence[tuple[str, bytes]]


def sent(event_type: EventType, event: Fields, offset: int) -> Sent:
    owner = event[stream_of(event_type.topic).owner]
    key = owner if isinstance(owner, bytes) else owner.encode()
    ce_id = str(UUID(bytes=event["event_id"])).encode()
    return Sent(key, encode(event_type, event), offset, [("ce_id", ce_id)])


def by_fastavro(value: bytes, writer: EventType, reader: EventType) -> Any:
    buffer = io.BytesIO(value[FRAME_SIZE:])
    return fastavro.schemaless_reader(buffer, writer.parsed, reader.parsed)


@cache
def _avro_schema(text: str) -> avro.schema.Schema:
    return avro.schema.parse(text)


def by_avro(value: bytes, writer: EventType, reader: EventType) -> Any:
    schemas = _avro_schema(text_of(writer)), _avro_schema(text_of(reader))
    decoder = avro.io.BinaryDecoder(io.BytesIO(value[FRAME_SIZE:]))
    return avro.io.DatumReader(*schemas).read(decoder)


def by_confluent(value: bytes, client: SchemaRegistryClient, reader: EventType | None) -> Any:
    deserialiser = AvroDeserializer(client, text_of(reader) if reader else None)
    return deserialiser(value, SerializationContext("workforce.stories", MessageField.VALUE))


def by_columns(writer: EventType, reader: EventType, records: Sequence[Sent]) -> list[Fields]:
    """As projections get them: the fields of the newest version."""
    stream = stream_of(writer.topic)
    parts = list(parts_of(records))
    [found] = read_all([Group(stream, writer.topic, writer, parts, [0] * len(parts))])
    assert not found.faults
    frame = columns_of(stream, [(writer, one) for one in found.frames]).by_type[writer.name]
    return frame.sort("log_offset").select(list(reader.fields)).to_dicts()


def drawn(data: st.DataObject, event_type: EventType) -> list[dict[str, Any]]:
    return data.draw(st.lists(events_of(event_type), min_size=1, max_size=4), event_type.name)


@TYPES
@FEW
@given(data=st.data())
def test_every_reader_gets_what_was_written(
    confluent: SchemaRegistryClient, writer: EventType, data: st.DataObject
) -> None:
    all_get(confluent, writer, drawn(data, writer))


def all_get(client: SchemaRegistryClient, writer: EventType, events: Sequence[Fields]) -> None:
    values = [encode(writer, event) for event in events]
    assert [by_fastavro(value, writer, writer) for value in values] == events
    assert [by_avro(value, writer, writer) for value in values] == events
    assert [by_confluent(value, client, None) for value in values] == events
    columns = decode_columns(writer.schema_id, [value[FRAME_SIZE:] for value in values])
    assert columns.to_dicts() == events


@TYPES
@FEW
@given(data=st.data())
def test_every_reader_of_the_newest_version_gets_the_same(
    confluent: SchemaRegistryClient, writer: EventType, data: st.DataObject
) -> None:
    readers_agree(confluent, writer, event_types()[writer.name], drawn(data, writer))


@pytest.mark.fuzz_long
@TYPES
@MANY
@given(data=st.data())
def test_many_events_mean_the_same_to_every_reader(
    confluent: SchemaRegistryClient, writer: EventType, data: st.DataObject
) -> None:
    events = drawn(data, writer)
    all_get(confluent, writer, events)
    readers_agree(confluent, writer, event_types()[writer.name], events)


def readers_agree(
    client: SchemaRegistryClient, writer: EventType, reader: EventType, events: Sequence[Fields]
) -> None:
    records = [sent(writer, event, offset) for offset, event in enumerate(events)]
    expected = [by_fastavro(one.value, writer, reader) for one in records]
    assert all(set(one) == set(reader.fields) for one in expected)
    assert [decode(one.value).fields for one in records] == expected
    for one, event, as_expected in zip(records, events, expected, strict=True):
        # Avro's own Python library (1.13) does not know that a reader's enum has a default.
        if LATER not in event.values() or writer.version <= reader.version:
            assert by_avro(one.value, writer, reader) == as_expected
    assert [by_confluent(one.value, client, reader) for one in records] == expected
    assert by_columns(writer, reader, records) == expected


def evolved(event_type: EventType) -> EventType:
    """A next version with everything that FULL_TRANSITIVE allows."""
    schema = json.loads(text_of(event_type))
    said = {"doc": "Added.", "category": event_type.category}
    code = {"type": "string", "pattern": "^[a-z]{1,9}$", "default": "none"}
    schema["fields"] = [
        *(raw for raw in schema["fields"] if not _may_go(event_type, raw)),
        {"name": "added_code", **said, **code},
        {"name": "added_maybe", **said, **code, "type": ["null", "string"], "default": None},
        {"name": "added_count", **said, "type": "int", "default": 7},
        {"name": "added_list", **said, **_LIST},
        {"name": "added_choice", **said, **_choice(event_type)},
    ]
    for raw in schema["fields"]:
        kind = raw["type"][-1] if isinstance(raw["type"], list) else raw["type"]
        if isinstance(kind, dict) and kind["type"] == "enum" and "default" in kind:
            kind["symbols"].append(LATER)
    entry = {"id": SYNTHETIC + event_type.schema_id, "version": event_type.version + 1}
    made: EventType = catalog._event_type(entry, schema)
    return made


_LIST = {"type": {"type": "array", "items": "string"}, "pattern": "^[a-z]{1,9}$", "default": []}


def _choice(event_type: EventType) -> Mapping[str, Any]:
    name = f"{event_type.name}AddedChoice"
    symbols = {"symbols": ["UNKNOWN", "ONE"], "default": "UNKNOWN"}
    return {"type": {"type": "enum", "name": name, **symbols}, "default": "UNKNOWN"}


def _may_go(event_type: EventType, raw: Mapping[str, Any]) -> bool:
    own = {field.name for field in event_type.own_fields}
    return raw["name"] in own and "default" in raw


@pytest.fixture
def with_next(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[EventType]:
    """The catalogue, and so the registry, with one more version of a type."""
    made = evolved(event_types()[request.param])
    monkeypatch.setitem(versions(), made.schema_id, made)  # type: ignore[arg-type]
    remembered = (subjects.by_id, subjects.by_subject, subjects._by_normal_form)
    for cached in remembered:
        cached.cache_clear()
    yield made
    for cached in (*remembered, codec._container_header):
        cached.cache_clear()


@pytest.mark.parametrize("with_next", list(event_types()), indirect=True)
@settings(FEW, max_examples=2)
@given(data=st.data())
def test_a_version_to_come_and_the_newest_read_each_other(
    confluent: SchemaRegistryClient, with_next: EventType, data: st.DataObject
) -> None:
    read_each_other(confluent, with_next, data)


@pytest.mark.fuzz_long
@pytest.mark.parametrize("with_next", list(event_types()), indirect=True)
@MANY
@given(data=st.data())
def test_many_events_of_a_version_to_come_and_of_the_newest_are_read(
    confluent: SchemaRegistryClient, with_next: EventType, data: st.DataObject
) -> None:
    read_each_other(confluent, with_next, data)


def read_each_other(
    confluent: SchemaRegistryClient, with_next: EventType, data: st.DataObject
) -> None:
    newest = event_types()[with_next.name]
    readers_agree(confluent, with_next, newest, drawn(data, with_next))
    with pytest.MonkeyPatch.context() as later:
        later.setitem(event_types(), newest.name, with_next)  # type: ignore[arg-type]
        readers_agree(confluent, newest, with_next, drawn(data, newest))
