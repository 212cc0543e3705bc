"""The catalogue as a whole: complete, fresh, and what stops `make events`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from schemas import build, rules
from schemas.catalog import event_types, versions
from schemas.models import MODELS
from schemas.rules import SchemaProblem
from services.common import consent
from tests.schema_kit import CODE, Schema, added, field


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

    without_topic = {k: v for k, v in json.loads(text).items() if k != "topic"}
    (copied / "skill" / "TrainingOffered.avsc").write_text(json.dumps(without_topic))
    with pytest.raises(SchemaProblem, match=r"TrainingOffered.avsc: add a topic"):
        build.build()

    (copied / "skill" / "TrainingOffered.avsc").write_text("[]")
    with pytest.raises(SchemaProblem, match="is not a record with a list of fields"):
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
