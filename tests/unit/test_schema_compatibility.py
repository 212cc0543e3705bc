"""FULL_TRANSITIVE: each kind of break between two versions is refused, in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas import compatibility
from schemas.compatibility import check_compatible
from schemas.rules import SchemaProblem
from tests.schema_kit import CODE, Schema, added, changed, enum, field, head, own


def gone(name: str) -> Callable[[Schema], None]:
    def remove(schema: Schema) -> None:
        schema["fields"] = [raw for raw in schema["fields"] if raw["name"] != name]

    return remove


def symbols(*names: str) -> Callable[[Schema], None]:
    return lambda schema: field(schema, "level")["type"].update(symbols=list(names))


LEVELS = ("UNKNOWN", "BEGINNER", "CAN_DO", "CAN_TEACH")
# Each kind of break between two versions, the field that the message names and what it says.
BREAKS: dict[str, tuple[Callable[[Schema], None], str]] = {
    "field erased": (gone("attestation_id"), "SkillAttested.attestation_id: version 1 has it"),
    "field renamed": (
        changed("attestation_id", name="statement_id"),
        "attestation_id: version 1 has it .* keep the old name",
    ),
    "required field": (added(), "SkillAttested.extra: version 1 was written without it"),
    "retyped": (changed("attestation_id", type="bytes"), "attestation_id: its type was"),
    "made optional": (
        changed("attestation_id", type=["null", "string"], default=None),
        "attestation_id: its type was",
    ),
    "made required": (changed("evidence", type="bytes", default=b""), "evidence: its type was"),
    "fixed grew": (
        changed("worker_id", type={"type": "fixed", "name": "WorkerId", "size": 20}),
        "worker_id: its type was",
    ),
    "fixed renamed": (
        changed("worker_id", type={"type": "fixed", "name": "PersonId", "size": 16}),
        "worker_id: its type was",
    ),
    "enum renamed": (
        changed("level", type=enum(*LEVELS, name="Level")),
        "level: its type was",
    ),
    "enum default removed": (
        changed("level", type=enum(*LEVELS, name="SkillLevel", default=None)),
        "level: its type was",
    ),
    "symbol removed": (symbols("UNKNOWN", "BEGINNER", "CAN_DO"), "has the symbol CAN_TEACH"),
    "symbol renamed": (symbols("UNKNOWN", "NOVICE", *LEVELS[2:]), "has the symbol BEGINNER"),
    "logical type gone": (changed("occurred_at", type="long"), "occurred_at: its type was"),
    "default changed": (
        changed("framework", default="LOCAL"),
        'framework: its default was "UNKNOWN" in version 1',
    ),
    "unsealed": (changed("evidence", sealed=None), "evidence: its sealed was true"),
    "plain type changed": (changed("evidence", plain="int"), 'evidence: its plain was "string"'),
    "shared under another part": (
        changed("evidence", category="employment"),
        "evidence: its category was skill .* share this unasked",
    ),
    "event under another part": (
        head(category="training"),
        "SkillAttested: its category was skill",
    ),
    "record renamed": (head(name="SkillConfirmed"), "its name was SkillAttested"),
    "other family": (head(namespace="throughline.training"), "its namespace was"),
    "other topic": (head(topic="directory"), "its topic was stories"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_each_kind_of_break_is_refused_with_field_and_fix(kind: str) -> None:
    spoil, message = BREAKS[kind]
    broken = own()
    check_compatible(broken, own(), 1)
    spoil(broken)

    with pytest.raises(SchemaProblem, match=message) as refused:
        check_compatible(broken, own(), 1)
    assert "make a new event type" in str(refused.value)


def test_a_wider_number_is_a_break() -> None:
    for name, wider in (("minutes", ["null", "long"]), ("minutes", ["null", "double"])):
        broken = own("SupportGiven")
        field(broken, name)["type"] = wider
        with pytest.raises(SchemaProblem, match=r"SupportGiven.minutes: its type was .*wider"):
            check_compatible(broken, own("SupportGiven"), 1)


@pytest.mark.parametrize(
    ("name", "wanted", "spoil"),
    [
        ("WageChanged", "wage_amount", {"precision": 18}),
        ("WageChanged", "wage_amount", {"scale": 4}),
        ("WageChanged", "wage_amount", {"logicalType": "big-decimal"}),
        ("ConsentGranted", "categories", {"items": "bytes"}),
        ("ConsentGranted", "categories", {"items": ["null", "string"]}),
    ],
)
def test_another_precision_scale_or_kind_of_item_is_a_break(
    name: str, wanted: str, spoil: Schema
) -> None:
    """Avro's checker lets some of them pass: the bytes are read, and mean another amount."""
    broken = own(name)
    avro_type = field(broken, wanted)["type"]
    found = avro_type[1] if isinstance(avro_type, list) else avro_type
    found.update(spoil)

    with pytest.raises(SchemaProblem, match=rf"{name}.{wanted}: its type was .* in version 3"):
        check_compatible(broken, own(name), 3)


def test_a_default_that_goes_is_a_break() -> None:
    broken = own()
    del field(broken, "framework")["default"]
    with pytest.raises(SchemaProblem, match=r"SkillAttested.framework: its default was"):
        check_compatible(broken, own(), 2)


@pytest.mark.parametrize(
    "grow",
    [
        added(type=["null", "int"], default=None, minimum=0, maximum=9),
        added(default=False),
        symbols(*LEVELS, "CAN_LEAD"),
        changed("level", doc="How well."),
        changed("evidence", category="consent"),
        changed("attestation_id", pattern="^[a-z]{1,9}$"),
    ],
)
def test_what_may_grow_or_be_shared_less_goes_with_earlier_versions(
    grow: Callable[[Schema], None],
) -> None:
    grown = own()
    grow(grown)

    check_compatible(grown, own(), 1)


def test_an_optional_field_may_come_and_go_but_not_come_back_as_another() -> None:
    with_field, without, again = own(), own(), own()
    added(type=["null", "int"], default=None, minimum=0, maximum=9)(with_field)
    added(type=["null", "string"], default=None, pattern=CODE)(again)

    check_compatible(without, with_field, 1)
    check_compatible(again, without, 2)
    with pytest.raises(SchemaProblem, match=r"SkillAttested.extra: its type was .* in version 1"):
        check_compatible(again, with_field, 1)


def test_avros_own_checker_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """What our rules would miss is refused all the same."""
    monkeypatch.setattr(compatibility, "_check_gone", lambda *_: None)
    broken = own()
    gone("attestation_id")(broken)

    with pytest.raises(SchemaProblem, match="SkillAttested cannot be read by its version 1, at"):
        check_compatible(broken, own(), 1)
