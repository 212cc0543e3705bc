"""The catalogue's governance: what `make events` refuses, and that what is committed is fresh."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas import build, rules
from schemas.catalog import event_types, versions
from schemas.compatibility import check_compatible
from schemas.models import MODELS
from schemas.rules import SchemaProblem, check_schema
from services.common import consent

Schema = dict[str, Any]


def own(name: str = "SkillAttested") -> Schema:
    """A schema to spoil: it has codes, enums, an optional and a sealed field."""
    return copy.deepcopy(dict(event_types()[name].schema))


def field(schema: Schema, name: str) -> dict[str, Any]:
    return next(raw for raw in schema["fields"] if raw["name"] == name)


def added(**raw: Any) -> Callable[[Schema], None]:
    """Adds a field that is sound but for `raw`; None takes a key away."""
    sound = {"name": "extra", "type": "boolean", "doc": "Something.", "category": "skill"}
    made = {
        key: value for key, value in (sound | raw).items() if value is not None or key == "default"
    }
    return lambda schema: schema["fields"].append(made)


def changed(name: str, /, **raw: Any) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found = field(schema, name)
        found.update(raw)
        for key in [key for key, value in raw.items() if value is None and key != "default"]:
            del found[key]

    return change


def head(**own: Any) -> Callable[[Schema], None]:
    return lambda schema: schema.update(own)


def enum(*symbols: str, name: str = "Extra", default: str | None = "UNKNOWN") -> dict[str, Any]:
    made: dict[str, Any] = {"type": "enum", "name": name, "symbols": list(symbols)}
    return made if default is None else made | {"default": default}


MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
CODE = "^[a-z]{1,20}$"


def test_everything_generated_is_fresh() -> None:
    for path, text in build.build().items():
        assert path.read_text() == text, f"{path.name} is stale: run `make events`"


def test_every_event_type_has_a_model_and_a_unique_id() -> None:
    assert MODELS.keys() == event_types().keys()
    assert len({e.schema_id for e in versions().values()}) == len(versions())


def test_the_catalogue_has_every_family_of_the_contract() -> None:
    families = {"identity", "training", "credential", "skill", "experience", "support", "promise"}
    families |= {"opportunity", "employment", "consent", "record", "directory", "delivery"}

    assert {event_type.family for event_type in event_types().values()} == families
    assert len(event_types()) >= 70


def test_what_can_be_shared_is_the_same_for_schemas_and_consent() -> None:
    shareable = frozenset(get_args(consent.Category))

    assert shareable == rules.SHAREABLE
    assert consent.NEVER_SHARED == rules.UNSHARED
    for event_type in event_types().values():
        for name in ("categories", "receives"):
            if name in event_type.fields:
                pattern = event_type.fields[name].pattern or ""
                assert frozenset(pattern.strip("^()$").split("|")) == shareable


def test_a_skill_says_its_framework_and_has_words() -> None:
    for name in ("SkillAttested", "SkillClaimed", "SkillNeedPublished", "GoalStated"):
        fields = event_types()[name].fields
        assert fields["framework"].avro_type["symbols"] == [
            *("UNKNOWN", "ONET", "CASE", "CTDL", "ESCO", "LOCAL")
        ]
        assert fields["framework_code"].nullable
        assert fields.keys() & {"words", "title"}


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


# -- the whole build, on a copy ------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(build.ROOT, tmp_path / "schemas")
    monkeypatch.setattr(build, "ROOT", tmp_path / "schemas")
    return tmp_path / "schemas"


def edit(path: Path, spoil: Callable[[Schema], None]) -> None:
    schema = json.loads(path.read_text())
    spoil(schema)
    path.write_text(json.dumps(schema))


def test_a_break_with_any_version_of_history_stops_the_build(copied: Path) -> None:
    """The newest version has the field with a default; only version 1 of PromiseMade lacks it."""
    edit(copied / "promise" / "PromiseMade.avsc", lambda s: field(s, "criteria").pop("default"))

    with pytest.raises(SchemaProblem, match=r"PromiseMade.criteria: version 1 was written without"):
        build.build()


def test_what_is_shared_can_not_be_moved_by_editing_the_newest_version(copied: Path) -> None:
    edit(
        copied / "employment" / "EmploymentStarted.avsc",
        lambda s: field(s, "wage_amount").update(category="employment"),
    )

    with pytest.raises(
        SchemaProblem, match=r"EmploymentStarted.wage_amount: its category was wage"
    ):
        build.build()


def test_a_type_that_lost_its_source_stops_the_build(copied: Path) -> None:
    (copied / "training" / "TrainingOffered.avsc").unlink()

    with pytest.raises(SchemaProblem, match=r"TrainingOffered: its .avsc is gone"):
        build.build()


def test_a_file_in_another_folder_or_without_json_stops_the_build(copied: Path) -> None:
    path = copied / "training" / "TrainingOffered.avsc"
    text = path.read_text()
    path.rename(copied / "skill" / "TrainingOffered.avsc")
    with pytest.raises(SchemaProblem, match=r"TrainingOffered.avsc: file, folder"):
        build.build()

    (copied / "skill" / "TrainingOffered.avsc").write_text(text[:-10])
    with pytest.raises(SchemaProblem, match="is not JSON"):
        build.build()


def test_a_new_field_is_a_new_version_with_the_next_id(copied: Path) -> None:
    edit(
        copied / "training" / "TrainingOffered.avsc",
        added(type=["null", "string"], default=None, pattern=CODE, category="training"),
    )

    files = build.build()

    entries = json.loads(files[copied / "catalog.json"])["schemas"]
    assert entries[-1]["name"] == "TrainingOffered"
    assert (entries[-1]["version"], entries[-1]["id"]) == (2, len(versions()) + 1)
    assert copied / "history" / "TrainingOffered" / "2.avsc" in files
    assert "    extra: Annotated[str" in files[copied / "models.py"]
