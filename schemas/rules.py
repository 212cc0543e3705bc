"""The rules that every schema of the catalogue keeps. A breach names the field and the fix.

Why some types are refused: batches are decoded in columns by polars, whose Avro reader takes no
maps, no optional enums, no unions of more than null and one type, and no named type used twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import fastavro
import fastavro.schema
import fastavro.validation

from schemas.catalog import FieldType, field_type

Raw = Mapping[str, Any]

TOPICS: Final = ("stories", "directory", "deliveries")
# Parts of the record that a person can share, and those that never leave.
SHAREABLE: Final = frozenset(
    {
        *("identity", "training", "credential", "skill", "experience", "support"),
        *("promise", "opportunity", "employment", "wage"),
    }
)
UNSHARED: Final = frozenset({"consent", "demographic", "discipline", "envelope"})
CATEGORIES: Final = SHAREABLE | UNSHARED | {"directory"}
KINDS: Final = frozenset(
    {
        *("string", "boolean", "int", "long", "double", "bytes", "fixed", "enum", "array"),
        *("decimal", "date", "timestamp-micros"),
    }
)
PERIODS: Final = ["UNKNOWN", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]
SOC: Final = "^[0-9]{2}-[0-9]{4}\\.[0-9]{2}$"  # O*NET-SOC 2019
CURRENCY: Final = "^[A-Z]{3}$"  # ISO 4217
# Names that a sender's JSON or the model has for something else.
_TAKEN: Final = frozenset(
    {"type", "source_event_id", "event_type", "own_names", "own_fields", "money"}
)
_TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{2,59}")
_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
# A pattern that takes one of these takes free text.
_FREE_TEXTS: Final = ("two words", "It hurts.", "a, b", "línea", "x\ny", "+15550100199")
# Nor does an id take an e-mail address, but for those of things that Open edX names with an @
# (its blocks, its courses of one coach), and what is made of them. A number that somebody is called
# by can't be told from a code.
_E_MAIL: Final = "ana.lopez@example.org"
_MAY_HAVE_AT: Final = frozenset(
    {
        *("activity_id", "assessment_id", "course_id", "enrolment_id"),
        *("credential_id", "credential_kind", "entity_id", "pathway_id"),
    }
)
# These are no titles, also in the directory.
_ADDRESSES: Final = frozenset({"url", "website", "postal_code"})
_UNBOUNDED: Final = re.compile(r"[*+]|\{\d*,\}")


class SchemaProblem(Exception):
    """A schema breaks a rule of the catalogue; the message names the field and the fix."""


class Broken(Exception):
    """One rule that one field breaks: what is wrong, and how to put it right."""


def check_schema(schema: Raw) -> None:
    """Raise SchemaProblem for the first rule that the schema, envelope included, breaks."""
    name = str(schema.get("name"))
    try:
        _check_head(schema)
    except Broken as broken:
        raise SchemaProblem(f"{name}: {broken}") from None
    fields = schema["fields"]
    for raw in fields:
        where = f"{name}.{raw.get('name')}"
        try:
            _check_field(raw, schema["topic"])
            _check_beside(raw, {other["name"]: other for other in fields})
        except Broken as broken:
            raise SchemaProblem(f"{where}: {broken}") from None
    _check_names(name, fields)
    _check_parses(schema)


def _check_head(schema: Raw) -> None:
    name, topic = str(schema.get("name")), schema.get("topic")
    if schema.get("type") != "record" or not _TYPE_NAME.fullmatch(name):
        raise Broken("an event is a record named in the past tense, such as TrainingCompleted")
    if topic not in TOPICS:
        raise Broken(f"add a topic, one of {', '.join(TOPICS)}")
    if not re.fullmatch(r"throughline\.[a-z]+", str(schema.get("namespace"))):
        raise Broken("its namespace is throughline. and the family, such as throughline.training")
    if not str(schema.get("doc", "")).endswith("."):
        raise Broken("add a doc in plain words, a sentence")
    if schema.get("category") not in CATEGORIES:
        raise Broken(f"add a category, one of {', '.join(sorted(CATEGORIES))}")


def _check_field(raw: Raw, topic: str) -> None:
    name = str(raw.get("name"))
    if not _FIELD_NAME.fullmatch(name) or name in _TAKEN or name.startswith("model_"):
        raise Broken("give it another name: small letters, digits and _, and no word we use")
    if raw.get("category") not in CATEGORIES:
        raise Broken(f"add a category, one of {', '.join(sorted(CATEGORIES))}")
    if not str(raw.get("doc", "")).endswith("."):
        raise Broken("add a doc in plain words, a sentence")
    _check_shape(raw.get("type"))
    field = field_type(raw)
    if field.nullable and ("default" not in raw or raw["default"] is not None):
        raise Broken('an optional field begins with "null" and has "default": null')
    if field.nullable and field.kind == "enum":
        raise Broken("an enum is not optional: polars can't read it; say UNKNOWN instead")
    _check_sealed(field, raw, topic)
    _KIND_RULES.get(field.kind, _no_rule)(field, raw, topic)
    if field.pattern is not None:
        _check_pattern(field.name, field.pattern)


def _check_shape(avro_type: Any) -> None:
    """Refuse what the rest of the hub can't hold."""
    if isinstance(avro_type, list):
        if len(avro_type) != 2 or avro_type[0] != "null":
            raise Broken('a union is ["null", one type]; make a field for each type instead')
        avro_type = avro_type[1]
    if not isinstance(avro_type, str | Mapping):
        raise Broken("add a type")
    name = avro_type if isinstance(avro_type, str) else avro_type.get("type")
    if name == "map":
        raise Broken("a map can't be read in columns; make a field for each key")
    if name == "record":
        raise Broken("a record inside a record has no column; write its parts as fields")
    logical = None if isinstance(avro_type, str) else avro_type.get("logicalType")
    if name == "long" and logical not in (None, "timestamp-micros"):
        raise Broken(f"instants are timestamp-micros in UTC, not {logical}")
    if (logical or name) not in KINDS:
        raise Broken(f"{logical or name} is not one of {', '.join(sorted(KINDS))}")


def _check_sealed(field: FieldType, raw: Raw, topic: str) -> None:
    if not field.sealed:
        if raw.get("pii"):
            raise Broken('what names a person is sealed: "bytes", "sealed": true, "plain"')
        if field.category == "demographic":
            raise Broken('demographics are sealed: "bytes", "sealed": true, "plain": "string"')
        if field.kind == "bytes":
            raise Broken("bytes are for sealed fields and money; nobody can check what is in them")
        return
    if field.avro_type != "bytes" or field.plain != "string":
        raise Broken('a sealed field is "bytes" and names its plain type: "plain": "string"')
    if topic == "directory":
        raise Broken("sealing takes a worker's key; the directory is about organisations")


def _no_rule(_field: FieldType, _raw: Raw, _topic: str) -> None:
    """Nothing more to ask."""


def _check_text(field: FieldType, raw: Raw, topic: str) -> None:
    if field.kind == "array" and field.avro_type.get("items") != "string":
        raise Broken("only lists of strings have a column")
    if field.pattern is None and topic != "directory":
        raise Broken("add a pattern (no free text outside sealed fields)")
    if field.pattern is None and field.name in _ADDRESSES:
        raise Broken("add a pattern: an address is no title")
    if field.pattern is None and "max_length" not in raw:
        raise Broken("add a pattern or a max_length")
    if field.name.removesuffix("s") == "occupation" and field.pattern != SOC:
        raise Broken(f"occupations are O*NET-SOC codes: the pattern {SOC}")


def _check_pattern(name: str, pattern: str) -> None:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise Broken("a pattern is for the whole text: begin with ^ and end with $")
    try:
        takes = re.compile(pattern)
    except re.error as error:
        raise Broken(f"the pattern is none: {error}") from None
    if free := next((text for text in _FREE_TEXTS if takes.search(text)), None):
        raise Broken(f"the pattern takes free text such as {free!r}; name the codes or seal it")
    if takes.search(_E_MAIL) and name not in _MAY_HAVE_AT:
        raise Broken("the pattern takes an e-mail address; leave the @ out of it, or seal it")
    # Quantifiers inside of brackets and after a backslash are characters.
    if _UNBOUNDED.search(re.sub(r"\\.|\[[^\]]*\]", "x", pattern)):
        raise Broken("the pattern has no longest text; write {1,80} and not + or *")


def _check_enum(field: FieldType, _raw: Raw, _topic: str) -> None:
    symbols = field.avro_type.get("symbols", [])
    if not symbols or symbols[0] != "UNKNOWN" or field.avro_type.get("default") != "UNKNOWN":
        raise Broken('a closed set is an enum: UNKNOWN comes first and is its "default"')
    if bad := next((symbol for symbol in symbols if not _SYMBOL.fullmatch(symbol)), None):
        raise Broken(f"write {bad!r} in capitals, as all symbols")


def _check_number(_field: FieldType, raw: Raw, _topic: str) -> None:
    if not {"minimum", "maximum"} <= raw.keys():
        raise Broken("add minimum and maximum")


def _check_fixed(field: FieldType, _raw: Raw, _topic: str) -> None:
    if field.avro_type.get("size") != 16:
        raise Broken("fixed is for ids, of 16 bytes; seal other bytes or write a code")


def _check_money(field: FieldType, raw: Raw, _topic: str) -> None:
    if field.avro_type.get("scale") != 2 or field.avro_type.get("type") != "bytes":
        raise Broken("money is bytes, decimal, with scale 2: the columns have two places")
    if "minimum" not in raw:
        raise Broken("add a minimum")


_KIND_RULES: Final[Mapping[str, Callable[[FieldType, Raw, str], None]]] = {
    "string": _check_text,
    "array": _check_text,
    "enum": _check_enum,
    "int": _check_number,
    "long": _check_number,
    "double": _check_number,
    "fixed": _check_fixed,
    "decimal": _check_money,
}


def _check_beside(raw: Raw, fields: Mapping[str, Raw]) -> None:
    """What must stand next to a field: of money its currency, and the time that it pays for."""
    field = field_type(raw)
    if field.name.endswith("_at") and field.kind != "timestamp-micros":
        raise Broken("what ends in _at is an instant: timestamp-micros")
    if field.kind != "decimal":
        return
    currency, period = beside_money(raw)
    found = fields.get(currency)
    if found is None or found.get("pattern") != CURRENCY:
        raise Broken(f"money has its currency beside it: a field {currency} with {CURRENCY}")
    of = None if period is None else fields.get(period)
    if period is not None and (of is None or _symbols(of) != PERIODS):
        raise Broken(
            f"money has the time it pays for beside it: an enum {period} of"
            f' {", ".join(PERIODS)}, or "period": "once" for a price'
        )


def beside_money(raw: Raw) -> tuple[str, str | None]:
    """The fields of an amount's currency and of the time it pays for.

    `currency` and `period` name them where they are not called after the amount; a price has no
    period and says `"period": "once"`.
    """
    stem = str(raw["name"]).removesuffix("_amount")
    period = raw.get("period", f"{stem}_period")
    return raw.get("currency", f"{stem}_currency"), None if period == "once" else period


def _symbols(raw: Raw) -> list[str]:
    avro_type = raw["type"]
    return list(avro_type.get("symbols", [])) if isinstance(avro_type, Mapping) else []


def _check_names(event: str, fields: list[Raw]) -> None:
    """Each field once, and each named type once."""
    seen: set[str] = set()
    for raw in fields:
        if raw["name"] in seen:
            raise SchemaProblem(f"{event}.{raw['name']}: stands there twice; take one out")
        seen.add(raw["name"])
    types: dict[str, str] = {}
    for raw in fields:
        for name in _type_names(raw["type"]):
            if name in types:
                raise SchemaProblem(
                    f"{event}.{raw['name']}: the type {name} is used by {types[name]} already;"
                    " give this one a name of its own (polars reads a named type once)"
                )
            types[name] = raw["name"]


def _type_names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for branch in node:
            yield from _type_names(branch)
    elif isinstance(node, Mapping) and "name" in node:
        yield node["name"]


def _check_parses(schema: Raw) -> None:
    """Each default as a value of its field, and the schema as the library sees it."""
    name = schema["name"]
    for raw in schema["fields"]:
        if "default" in raw and not _is_of(raw["default"], raw["type"]):
            raise SchemaProblem(
                f"{name}.{raw['name']}: the default {raw['default']!r} is no value of its type"
            )
    try:
        fastavro.parse_schema(json.loads(json.dumps(schema)))
    except fastavro.schema.SchemaParseException as error:
        raise SchemaProblem(f"{name}: is not an Avro schema: {error}") from None


def _is_of(value: object, avro_type: Any) -> bool:
    if isinstance(value, Decimal | bytes):
        return False
    return bool(fastavro.validation.validate(value, avro_type, raise_errors=False))
