"""The catalogue of events: complete, true to the schemas, and with examples that are valid."""

from __future__ import annotations

import dataclasses
import json

import pytest

from schemas.catalog import EventType, event_types, versions
from schemas.models import MODELS
from schemas.readers import FILE, readers
from services.common.access import Role
from services.common.authors import MATRIX
from services.ingest.handlers import validated
from services.portal import catalogue, examples
from services.portal.i18n import language

TYPES = sorted(event_types())
EN = language("en")


@pytest.mark.parametrize("name", TYPES)
def test_every_example_is_valid_and_shows_every_field(name: str) -> None:
    event_type = event_types()[name]
    given = examples.example(event_type)

    taken = validated(json.loads(examples.as_json(event_type)))
    assert isinstance(taken, MODELS[name]), taken

    assert {field.name for field in event_type.own_fields} <= given.keys()


def test_an_example_that_breaks_a_pattern_would_be_seen() -> None:
    wrong = {**examples.example(event_types()["TrainingExited"]), "provider_id": "River College"}

    with pytest.raises(ValueError, match="provider_id"):
        MODELS["TrainingExited"].model_validate(wrong)


def test_a_pattern_without_an_example_is_named() -> None:
    event_type = event_types()["TrainingExited"]
    strange = dataclasses.replace(event_type.fields["course_id"], pattern="^[0-9]{99}$")
    altered: EventType = dataclasses.replace(
        event_type, fields={**event_type.fields, "course_id": strange}
    )

    with pytest.raises(LookupError, match="add an example"):
        examples.example(altered)


@pytest.mark.parametrize("name", TYPES)
def test_the_programs_are_python_that_holds_the_example(name: str) -> None:
    event_type = event_types()[name]
    reads = examples.python_to_read(event_type, "workforce.stories", "k:9092", "http://hub.test")
    compile(reads, name, "exec")
    assert event_type.full_name in reads
    for program in (examples.python_to_send, examples.python_to_post):
        text = program(event_type, "http://hub.test")
        compile(text, name, "exec")
        literal = text.partition("event = ")[2].partition("\n}")[0] + "\n}"
        assert eval(literal) == examples.example(event_type)
        assert '"http://hub.test' in text


def test_readers_are_the_columns_that_the_read_model_declares() -> None:
    from services.cli import readers as maker

    assert FILE.read_text() == maker.page(), "run `make events`"
    promoted = readers()["Promoted"]
    assert promoted.columns["occupation"] == ("employment.occupation", "promotion.occupation")
    assert promoted.rows == ("employment.promotions",)
    assert promoted.tables == ("employment", "promotion")
    assert promoted.connectors == ("scim", "webhook")
    assert readers()["ConsentGranted"].connectors == ()
    row = catalogue.field_row(event_types()["Promoted"].fields["occupation"], EN, promoted.columns)
    assert row.feeds == ("employment.occupation", "promotion.occupation")


@pytest.mark.parametrize("name", TYPES)
def test_every_field_has_words_and_every_sealed_one_says_so(name: str) -> None:
    for field in event_types()[name].fields.values():
        row = catalogue.field_row(field, EN)
        assert row.meaning.endswith(".")
        assert ("sealed" in row.flags) == field.sealed
        assert not field.sealed or "personal" in row.flags
        assert ("optional" in row.flags) == field.nullable


def test_senders_are_those_of_the_matrix() -> None:
    for name, roles in MATRIX.items():
        assert len(catalogue.senders(event_types()[name], EN)) == len(roles)
    assert catalogue.senders(event_types()["SkillClaimed"], EN) == ["the worker"]
    assert Role.EMPLOYER in MATRIX["Promoted"]
    assert "employers" in catalogue.senders(event_types()["Promoted"], EN)
    assert catalogue.senders(event_types()["ConsentGranted"], EN) == []


def test_versions_say_what_changed() -> None:
    newest, first = catalogue.version_rows("PromiseMade", EN)

    assert first.changes == ("First version.",)
    old, new = (
        next(v for v in versions().values() if (v.name, v.version) == ("PromiseMade", n))
        for n in (1, 2)
    )
    added = new.fields.keys() - old.fields.keys()
    assert added
    assert {f"Field {name} was added." for name in added} <= set(newest.changes)


def test_a_changed_field_is_described_by_both_sides() -> None:
    old = event_types()["TrainingExited"]
    optional = dataclasses.replace(old.fields["day_known"], nullable=True)
    new = dataclasses.replace(old, fields={**old.fields, "day_known": optional})

    assert catalogue.changes(old, new, EN) == (
        "Field day_known changed: true or false became true or false · optional.",
    )
    assert catalogue.changes(old, old, EN) == ("Words only.",)
