"""Bytes made by hand and Avro's own vectors: what is sound is read, and what is not is refused.

Sources: tests/data/avro/SOURCE.md.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.catalog import EventType, event_types, field_type
from schemas.normal import normal_form
from schemas.rules import SchemaProblem, check_schema
from services.common import codec
from services.common.errors import DoesNotDecode
from tests.unit.test_codec import a_value

FOLDER = Path(__file__).parents[1] / "data" / "avro"
WIRE = json.loads((FOLDER / "confluent-wire-vectors.json").read_text())
FORMS = json.loads((FOLDER / "parsing-canonical-form-fingerprints.json").read_text())["cases"]
INTEROP = json.loads((FOLDER / "interop.avsc").read_text())

# One field of each kind that the catalogue has, small enough to write the bytes by hand.
KINDS: dict[str, Any] = {
    "type": "record",
    "name": "Kinds",
    "fields": [
        {"name": "state", "type": {"type": "enum", "name": "S", "symbols": ["UNKNOWN", "A", "B"]}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "count", "type": "int"},
        {"name": "size", "type": "long"},
        {"name": "sure", "type": "boolean"},
        {"name": "codes", "type": {"type": "array", "items": "string"}},
        {"name": "id", "type": {"type": "fixed", "name": "I", "size": 2}},
        {"name": "score", "type": "double"},
        {"name": "sealed", "type": "bytes"},
    ],
}
SOUND = {
    "state": "04",
    "note": "0204c3a9",
    "count": "4f",
    "size": "01",
    "sure": "01",
    "codes": "0402610262" + "00",
    "id": "abcd",
    "score": "000000000000e03f",
    "sealed": "02ff",
}
SAID = {
    "state": "B",
    "note": "é",
    "count": -40,
    "size": -1,
    "sure": True,
    "codes": ["a", "b"],
    "id": b"\xab\xcd",
    "score": 0.5,
    "sealed": b"\xff",
}


def event_type(schema: dict[str, Any], schema_id: int) -> EventType:
    """An event type outside the catalogue."""
    plain = [{"doc": "x", "category": "training", **field} for field in schema["fields"]]
    return dataclasses.replace(
        event_types()["PromiseAccepted"],
        name=schema["name"],
        version=schema_id,
        schema_id=schema_id,
        schema=schema,
        parsed=fastavro.parse_schema(dict(schema)),
        fields={field["name"]: field_type(field) for field in plain},
    )


@pytest.fixture
def knows(monkeypatch: pytest.MonkeyPatch) -> Callable[[EventType], None]:
    """Makes the codec know one event type, and no other."""

    def known(kind: EventType) -> None:
        monkeypatch.setattr(codec, "version_of", {kind.schema_id: kind}.get)
        monkeypatch.setattr(codec, "event_types", lambda: {kind.name: kind})

    return known


@pytest.mark.parametrize("vector", WIRE["vectors"], ids=lambda v: v["hex"])
def test_the_wire_format_is_read_and_written(
    vector: dict[str, Any], knows: Callable[[EventType], None]
) -> None:
    kind = event_type(WIRE["schema"], vector["schema_id"])
    knows(kind)

    assert codec.decode(bytes.fromhex(vector["hex"])).fields == vector["value"]
    assert codec.encode(kind, vector["value"]).hex() == vector["hex"]


@pytest.mark.parametrize("vector", WIRE["reject"], ids=lambda v: v["why"])
def test_what_is_not_the_wire_format_is_refused(
    vector: dict[str, Any], knows: Callable[[EventType], None]
) -> None:
    knows(event_type(WIRE["schema"], 1))

    with pytest.raises(DoesNotDecode, match="frame"):
        codec.decode(bytes.fromhex(vector["hex"]))


def framed(**parts: str) -> bytes:
    return bytes.fromhex("0000000007" + "".join((SOUND | parts).values()))


def test_each_kind_of_field_is_read_as_the_specification_writes_it(
    knows: Callable[[EventType], None],
) -> None:
    knows(event_type(KINDS, 7))

    assert codec.decode(framed()).fields == SAID
    # An array's block may say its size in bytes, and there may be several.
    assert codec.decode(framed(codes="0104" + "0261" + "02" + "0262" + "00")).fields == SAID


@pytest.mark.parametrize(
    ("field", "bytes_", "why"),
    [
        ("state", "01", "index -1 is none of its 3 symbols"),
        ("state", "05", "index -3"),
        ("state", "06", "index 3"),
        ("state", "8080808080808001", "is none of its 3 symbols"),
        ("note", "01", "index -1 is none of its 2 branches"),
        ("note", "03", "index -2"),
        ("note", "04", "index 2"),
        ("note", "0201", "-1 is no length"),
        ("note", "02fe07", "ends too early"),
        ("note", "0204c328", "utf"),
        ("count", "8080808010", "2147483648 is no 32-bit number"),
        ("count", "8180808010", "-2147483649 is no 32-bit number"),
        ("size", "ffffffffffffffffffff01", "wider than 64 bits"),
        ("size", "80808080808080808002", "wider than 64 bits"),
        ("sure", "02", "neither true nor false"),
        ("codes", "04026102", "(ends too early|no length|bytes)"),
        ("codes", "03040261010000", "no length"),
        ("sealed", "02ffff", "1 bytes are left over"),
        ("sealed", "04ff", "ends too early"),
        ("sealed", "feffffffffffffffff01", "ends too early"),
        ("sealed", "", "sealed: the record ends too early"),
    ],
)
def test_bytes_that_mean_nothing_are_refused_with_the_field(
    field: str, bytes_: str, why: str, knows: Callable[[EventType], None]
) -> None:
    knows(event_type(KINDS, 7))

    with pytest.raises(DoesNotDecode, match=f"Kinds.*{why}"):
        codec.decode(framed(**{field: bytes_}))


def test_a_type_that_no_event_has_is_refused(knows: Callable[[EventType], None]) -> None:
    knows(event_type(INTEROP, 7))

    with pytest.raises(DoesNotDecode, match="nullField: null is no type of the catalogue"):
        codec.decode(bytes.fromhex("0000000007"))


def test_the_columns_refuse_an_enum_index_below_zero() -> None:
    """`actor_role` stands after the two ids, two instants, the source and the empty record id."""
    value = a_value()
    role = value.index(b"\x08acme\x00") + len(b"\x08acme\x00")
    spoilt = value[:role] + b"\x01" + value[role + 1 :]

    assert codec.decode(value).fields["actor_role"] == "WORKER"
    with pytest.raises(DoesNotDecode, match=r"PromiseAccepted.actor_role: index -1"):
        codec.decode(spoilt)
    with pytest.raises(DoesNotDecode):
        codec.decode_columns(event_types()["PromiseAccepted"].schema_id, [spoilt[5:]])


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("mapField", "a map can't be read in columns"),
        ("unionField", "a union is"),
        ("recordField", "a record inside a record"),
        ("floatField", "float is not one of"),
        ("nullField", "null is not one of"),
        ("arrayField", "only lists of strings"),
        ("bytesField", "bytes are for sealed fields"),
    ],
)
def test_avros_own_schema_of_every_type_is_refused_where_columns_end(field: str, why: str) -> None:
    raw = next(raw for raw in INTEROP["fields"] if raw["name"] == field)
    schema = {
        **event_types()["PromiseAccepted"].schema,
        "fields": [{**raw, "name": "part", "doc": "A part.", "category": "promise"}],
    }

    with pytest.raises(SchemaProblem, match=f"PromiseAccepted.part: .*{why}"):
        check_schema(schema)


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case["input"][:60])
def test_the_library_names_schemas_as_avro_does(case: dict[str, Any]) -> None:
    form = to_parsing_canonical_form(json.loads(case["input"]))

    assert form == case["canonical"]
    named = bytes.fromhex(fingerprint(form, "CRC-64-AVRO"))
    assert int.from_bytes(named, "little", signed=True) == case["fingerprint"]


def test_schemas_that_write_differently_never_have_one_normal_form() -> None:
    for one, other in itertools.combinations(FORMS, 2):
        if one["canonical"] != other["canonical"]:
            assert normal_form(one["input"]) != normal_form(other["input"])
