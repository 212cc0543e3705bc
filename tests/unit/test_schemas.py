"""The catalogue's governance: what `make events` refuses, and that what is committed is fresh."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas import build
from schemas.catalog import event_types, versions
from schemas.models import MODELS


def training_completed() -> dict[str, Any]:
    return copy.deepcopy(dict(event_types()["TrainingCompleted"].schema))


def test_everything_generated_is_fresh() -> None:
    for path, text in build.build().items():
        assert path.read_text() == text, f"{path.name} is stale: run `make events`"


def test_every_event_type_has_a_model_and_a_unique_id() -> None:
    assert MODELS.keys() == event_types().keys()
    assert len({e.schema_id for e in versions().values()}) == len(versions())


@pytest.mark.parametrize("missing", ["category", "doc"])
def test_a_field_without_its_annotations_is_refused(missing: str) -> None:
    schema = training_completed()
    del schema["fields"][-1][missing]

    with pytest.raises(build.SchemaProblem, match=f"TrainingCompleted.score.*{missing}"):
        build.check_fields(schema)


def test_free_text_outside_sealed_fields_is_refused() -> None:
    schema = training_completed()
    field = {"name": "remark", "type": "string", "doc": "A remark.", "category": "training"}
    schema["fields"].append(field)

    with pytest.raises(build.SchemaProblem, match="remark: add a pattern"):
        build.check_fields(schema)


def test_a_sealed_field_is_bytes_with_a_plain_type() -> None:
    schema = training_completed()
    field = {"name": "note", "type": "string", "doc": "x", "category": "training", "sealed": True}
    schema["fields"].append(field)

    with pytest.raises(build.SchemaProblem, match="note: a sealed field is bytes"):
        build.check_fields(schema)


def test_an_optional_field_may_come_and_go() -> None:
    schema = training_completed()
    grown = copy.deepcopy(schema)
    grown["fields"].append(
        {
            "name": "grade",
            "type": ["null", "int"],
            "default": None,
            "doc": "x",
            "category": "training",
        }
    )

    build.check_compatible(grown, schema, 1)
    build.check_compatible(schema, grown, 1)


def required_field(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "grade", "type": "int", "doc": "x", "category": "training"})


def field_gone(schema: dict[str, Any]) -> None:
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "course_id"]


def other_type(schema: dict[str, Any]) -> None:
    next(f for f in schema["fields"] if f["name"] == "course_id")["type"] = "int"


def fixed_grew(schema: dict[str, Any]) -> None:
    next(f for f in schema["fields"] if f["name"] == "worker_id")["type"]["size"] = 20


def field_renamed(schema: dict[str, Any]) -> None:
    next(f for f in schema["fields"] if f["name"] == "course_id")["name"] = "course"


@pytest.mark.parametrize(
    "break_it", [required_field, field_gone, other_type, fixed_grew, field_renamed]
)
def test_each_kind_of_break_is_refused(break_it: Any) -> None:
    broken = training_completed()
    break_it(broken)

    with pytest.raises(build.SchemaProblem, match="make a new event type"):
        build.check_compatible(broken, training_completed(), 1)
