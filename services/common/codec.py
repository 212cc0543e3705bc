"""Events to bytes and back: Avro in the Confluent wire format (0, 4-byte schema id, datum)."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import fastavro
import orjson
import polars as pl

from schemas.catalog import EventType, event_types, version_of
from services.common.datum import check_datum
from services.common.errors import DoesNotDecode, UnknownSchema

_FRAME = struct.Struct(">bI")
FRAME_SIZE = _FRAME.size
_SYNC = bytes(16)
_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/avro")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One event read from a topic. Fixed fields are bytes, instants are aware datetimes."""

    event_type: EventType
    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.event_type.name

    @property
    def event_id(self) -> UUID:
        return UUID(bytes=self.fields["event_id"])

    @property
    def worker_id(self) -> UUID:
        return UUID(bytes=self.fields["worker_id"])


def encode(event_type: EventType, fields: Mapping[str, Any]) -> bytes:
    """Encode a record whose fixed fields are 16 bytes and whose instants are aware datetimes, or
    microseconds.
    """
    out = io.BytesIO()
    out.write(_FRAME.pack(0, event_type.schema_id))
    fastavro.schemaless_writer(out, event_type.parsed, fields)
    return out.getvalue()


def schema_id_of(value: bytes) -> int:
    """Read the frame. Raises DoesNotDecode when the value does not begin with one."""
    if len(value) < FRAME_SIZE or value[0] != 0:
        raise DoesNotDecode("the record does not begin with the Confluent frame (0, schema id)")
    return int.from_bytes(value[1:FRAME_SIZE], "big")


def writer_of(schema_id: int) -> EventType:
    """The event type and version that wrote a record. Raises UnknownSchema."""
    found = version_of(schema_id)
    if found is None:
        raise UnknownSchema(f"schema id {schema_id} is not in the catalogue", schema_id)
    return found


def decode(value: bytes) -> Decoded:
    """Decode one record as the newest version known here. Raises UnknownSchema, DoesNotDecode."""
    writer = writer_of(schema_id_of(value))
    reader = event_types().get(writer.name, writer)
    check_datum(writer, value, FRAME_SIZE)
    buffer = io.BytesIO(value)
    buffer.seek(FRAME_SIZE)
    try:
        # Resolving takes time, and the newest version needs none.
        resolved = None if writer.schema_id == reader.schema_id else reader.parsed
        fields = fastavro.schemaless_reader(buffer, writer.parsed, resolved)
    except Exception as error:
        raise DoesNotDecode(f"{writer.name}: {error}") from error
    return Decoded(reader, fields)


def _zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number & ~0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@cache
def _container_header(schema_id: int) -> bytes:
    schema = json.dumps(_for_polars(writer_of(schema_id).schema)).encode()
    meta = {b"avro.schema": schema, b"avro.codec": b"null"}
    pairs = b"".join(_zigzag(len(k)) + k + _zigzag(len(v)) + v for k, v in meta.items())
    return b"Obj\x01" + _zigzag(len(meta)) + pairs + _zigzag(0) + _SYNC


def _for_polars(node: Any) -> Any:
    """The schema without our annotations and without defaults: a writer's schema needs none, and
    polars refuses a field whose default is a plain value (`OutOfSpec`).
    """
    if isinstance(node, dict):
        keep = {"type", "name", "namespace", "fields", "symbols", "items", "size"}
        keep |= {"logicalType", "precision", "scale"}
        return {k: _for_polars(v) for k, v in node.items() if k in keep}
    if isinstance(node, list):
        return [_for_polars(item) for item in node]
    return node


def decode_columns(schema_id: int, datums: Sequence[bytes]) -> pl.DataFrame:
    """Decode datums (without the frame) of one schema id into one frame, a row per datum in order.

    The datums become one Avro object container block in memory, read in columns. The block is
    trusted to hold what its schema says: compare ids with the record keys afterwards.
    Raises DoesNotDecode when the block as a whole cannot be read.
    """
    body = b"".join(datums)
    block = _zigzag(len(datums)) + _zigzag(len(body)) + body + _SYNC
    try:
        frame = pl.read_avro(io.BytesIO(_container_header(schema_id) + block))
    # Some malformed blocks panic in the reader, which is not an Exception to Python.
    except (Exception, pl.exceptions.PanicException) as error:
        raise DoesNotDecode(f"schema {schema_id}: {error}") from error
    if frame.height != len(datums):
        raise DoesNotDecode(f"schema {schema_id}: {frame.height} rows for {len(datums)} records")
    return frame


def headers(event_type: EventType, fields: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """The CloudEvents Kafka binding: ids and kind, readable without decoding."""
    event_id = UUID(bytes=fields["event_id"])
    return headers_of(event_type.full_name, event_id, fields["source"], fields["occurred_at"])


def headers_of(
    full_name: str, event_id: UUID, source: str, occurred_at: datetime
) -> list[tuple[str, bytes]]:
    """The same, of an event whose values are at hand."""
    return [
        _SPECVERSION,
        ("ce_id", str(event_id).encode()),
        *_kind_and_source(full_name, source),
        # As `isoformat` writes it, in a third of the time.
        ("ce_time", orjson.dumps(occurred_at)[1:-1]),
        _CONTENT_TYPE,
    ]


@lru_cache(maxsize=10_000)
def _kind_and_source(full_name: str, source: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """What thousands of events have in common."""
    return (
        ("ce_type", full_name.encode()),
        ("ce_source", f"/organizations/{source}".encode()),
    )
