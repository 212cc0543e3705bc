"""Each rule of the catalogue, broken once: the message names the field and the fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.rules import SchemaProblem, check_schema
from tests.schema_kit import CODE, MONEY, Schema, added, enum, field, head, own

# Each breach of a rule, and what its message says.
BREACHES: dict[str, tuple[Callable[[Schema], None], str]] = {
    "no category": (added(category=None), "extra: add a category"),
    "unknown category": (added(category="money"), "extra: add a category"),
    "no doc": (added(doc=None), "extra: add a doc in plain words"),
    "doc is no sentence": (added(doc="Something"), "extra: add a doc"),
    "no type": (added(type=None), "extra: add a type"),
    "name we use": (added(name="type"), "type: give it another name"),
    "name in capitals": (added(name="Extra"), "Extra: give it another name"),
    "field twice": (added(name="level"), "level: stands there twice"),
    "free text": (added(type="string"), "extra: add a pattern .no free text"),
    "free list": (added(type={"type": "array", "items": "string"}), "extra: add a pattern"),
    "pattern takes spaces": (added(type="string", pattern="^[ a-z]{1,20}$"), "takes free text"),
    "pattern takes all": (added(type="string", pattern="^.{1,20}$"), "takes free text"),
    "pattern takes an e-mail": (
        added(type="string", pattern="^[a-z.@]{1,40}$"),
        "extra: the pattern takes an e-mail address",
    ),
    "pattern takes a phone number": (
        added(type="string", pattern="^[+0-9]{5,20}$"),
        "takes free text such as '.15550100199'",
    ),
    "id of a person takes an e-mail": (
        added(name="mentor_id", type="string", pattern="^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$"),
        "mentor_id: the pattern takes an e-mail address",
    ),
    "pattern not whole": (added(type="string", pattern="[a-z]{1,20}"), "begin with .* and end"),
    "pattern is none": (added(type="string", pattern="^[a-z$"), "the pattern is none"),
    "pattern has no end": (added(type="string", pattern="^[a-z]+$"), "no longest text"),
    "pattern open": (added(type="string", pattern="^[a-z]{2,}$"), "no longest text"),
    "sealed string": (added(type="string", sealed=True, plain="string"), "a sealed field is"),
    "sealed without plain": (added(type="bytes", sealed=True), "names its plain type"),
    "pii in clear": (added(type="string", pattern=CODE, pii=True), "what names a person is sealed"),
    "bytes in clear": (added(type="bytes"), "bytes are for sealed fields"),
    "demographics in clear": (added(category="demographic"), "demographics are sealed"),
    "enum without UNKNOWN": (added(type=enum("A", "B")), "UNKNOWN comes first"),
    "enum without default": (added(type=enum("UNKNOWN", default=None)), "UNKNOWN comes first"),
    "enum in small letters": (added(type=enum("UNKNOWN", "new")), "write 'new' in capitals"),
    "optional enum": (added(type=["null", enum("UNKNOWN")], default=None), "enum is not optional"),
    "map": (added(type={"type": "map", "values": "string"}), "a map can't be read in columns"),
    "record": (added(type={"type": "record", "name": "P", "fields": []}), "record inside a record"),
    "wide union": (added(type=["null", "int", "string"], default=None), "a union is"),
    "union without null": (added(type=["int", "string"]), "a union is"),
    "null comes last": (added(type=["int", "null"]), "a union is"),
    "optional without default": (added(type=["null", "boolean"]), '"default": null'),
    "list of numbers": (added(type={"type": "array", "items": "int"}), "only lists of strings"),
    "type used twice": (
        added(type=enum("UNKNOWN", name="SkillLevel")),
        "extra: the type SkillLevel is used by level already",
    ),
    "type by name": (added(type="SkillLevel"), "SkillLevel is not one of"),
    "milliseconds": (
        added(type={"type": "long", "logicalType": "timestamp-millis"}),
        "instants are timestamp-micros in UTC, not timestamp-millis",
    ),
    "local time": (
        added(type={"type": "long", "logicalType": "local-timestamp-micros"}),
        "instants are timestamp-micros",
    ),
    "instant as number": (
        added(name="seen_at", type="long", minimum=0, maximum=9),
        "seen_at: what ends in _at is an instant",
    ),
    "number without bounds": (added(type="int", minimum=0), "add minimum and maximum"),
    "money without currency": (added(name="pay_amount", type=MONEY, minimum=0), "its currency"),
    "money in floats": (
        added(type={**MONEY, "scale": 4}, minimum=0),
        "money is bytes, decimal, with scale 2",
    ),
    "money without a least": (
        lambda s: [
            added(name="pay_currency", type="string", pattern="^[A-Z]{3}$")(s),
            added(name="pay_amount", type=MONEY, period="once")(s),
        ][0],
        "pay_amount: add a minimum",
    ),
    "symbol twice": (added(type=enum("UNKNOWN", "A", "A")), "is not an Avro schema"),
    "short fixed": (added(type={"type": "fixed", "name": "F", "size": 4}), "of 16 bytes"),
    "occupation by name": (
        added(name="occupation", type="string", pattern=CODE),
        "occupations are O.NET-SOC codes",
    ),
    "default of another type": (added(default="yes"), "the default 'yes' is no value of its type"),
    "not a record": (head(type="enum"), "SkillAttested: an event is a record"),
    "no topic": (head(topic="elsewhere"), "SkillAttested: add a topic"),
    "no namespace": (head(namespace="skill"), "SkillAttested: its namespace is"),
    "event without doc": (head(doc=""), "SkillAttested: add a doc"),
    "event without category": (head(category="misc"), "SkillAttested: add a category"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_schema_that_breaks_a_rule_is_refused_with_field_and_fix(breach: str) -> None:
    spoil, message = BREACHES[breach]
    schema = own()
    check_schema(schema)
    spoil(schema)

    with pytest.raises(SchemaProblem, match=message) as refused:
        check_schema(schema)
    assert str(refused.value).startswith("SkillAttested")


def test_money_needs_the_time_it_pays_for() -> None:
    schema = own("WageChanged")
    schema["fields"] = [raw for raw in schema["fields"] if raw["name"] != "wage_period"]
    with pytest.raises(SchemaProblem, match=r"WageChanged.wage_amount: .* an enum wage_period"):
        check_schema(schema)

    field(schema, "wage_amount")["period"] = "once"
    check_schema(schema)


def test_the_directory_may_have_titles_but_not_without_end_and_nothing_sealed() -> None:
    schema = own("PathwayPublished")
    check_schema(schema)
    del field(schema, "title")["max_length"]
    with pytest.raises(
        SchemaProblem, match=r"PathwayPublished.title: add a pattern or a max_length"
    ):
        check_schema(schema)

    schema = own("PathwayPublished")
    added(type="bytes", sealed=True, plain="string", category="directory")(schema)
    with pytest.raises(SchemaProblem, match="extra: sealing takes a worker's key"):
        check_schema(schema)


@pytest.mark.parametrize("name", ["website", "postal_code"])
def test_an_address_is_no_title(name: str) -> None:
    schema = own("OrganizationRegistered")
    check_schema(schema)
    address = field(schema, name)
    del address["pattern"]
    address["max_length"] = 500
    with pytest.raises(
        SchemaProblem, match=rf"OrganizationRegistered.{name}: add a pattern: an ad"
    ):
        check_schema(schema)
