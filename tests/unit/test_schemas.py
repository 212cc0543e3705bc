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


# The event types that the contract promises, by family; erasure's steps stand below.
CONTRACT = {
    "identity": "WorkerRegistered ContactChanged DemographicsDeclared SourceRecordLinked"
    " SourceRecordUnlinked WorkersMerged WorkersSplit",
    "training": "TrainingRequested TrainingDecided TrainingOffered TrainingEnrolled"
    " TrainingProgressed TrainingCompleted TrainingExited AssessmentTaken TrainingAcknowledged",
    "credential": "CredentialAwarded CredentialRevoked",
    "skill": "SkillClaimed SkillAttested SkillAttestationWithdrawn",
    "experience": "ExperienceRecorded",
    "support": "SupportGiven NudgeSuggested",
    "promise": "PromiseMade PromiseAccepted PromiseDeclined CriterionMet CriterionUnmet PromiseDue"
    " PromiseKept PromiseLapsed PromiseDisputed PromiseWithdrawn",
    "opportunity": "GoalStated InterestExpressed InterviewGuaranteed InterviewScheduled"
    " InterviewHeld InterviewMissed OfferMade OfferAnswered",
    "employment": "EmploymentStarted RoleChanged Promoted WageChanged SupervisorAssigned"
    " EmploymentEnded",
    "consent": "AccessRequested AccessDeclined ConsentGranted ConsentWithdrawn ConsentExpired"
    " ProcessingRestricted DisclosureRecalled RecallAcknowledged",
    "record": "RecordDisputed DisputeAnswered RecordCorrected RecordVoided ErasureRequested"
    " ErasureCompleted",
    "directory": "OrganizationRegistered ProgrammePublished PathwayPublished SkillNeedPublished"
    " ConnectionConfigured SharingAgreementSigned FeedSubscribed",
}
ERASURE = "ErasureDecided ErasureKeysDestroyed ErasureStorePurged ErasureRecipientNotified"
BESIDE = {"delivery": "DisclosureAttempted", "record": ERASURE}


def test_the_catalogue_has_every_type_of_the_contract_in_its_family() -> None:
    promised = {(family, name) for family, names in CONTRACT.items() for name in names.split()}
    beside = {(family, name) for family, names in BESIDE.items() for name in names.split()}

    assert {(e.family, e.name) for e in event_types().values()} == promised | beside


def test_what_can_be_shared_is_the_same_for_schemas_and_consent() -> None:
    shareable = frozenset(get_args(consent.Category))

    assert shareable == rules.SHAREABLE
    assert consent.NEVER_SHARED == rules.UNSHARED
    for event_type in event_types().values():
        for name in ("categories", "receives"):
            if name in event_type.fields:
                pattern = event_type.fields[name].pattern or ""
                assert frozenset(pattern.strip("^()$").split("|")) == shareable


def test_who_supervises_whom_never_leaves_for_it_names_another_person() -> None:
    assert event_types()["SupervisorAssigned"].fields["supervisor_id"].category in rules.UNSHARED


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


def written(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


OFFERED = Path("training", "TrainingOffered.avsc")
maybe = added(type=["null", "string"], default=None, pattern=CODE, category="training")


def without(name: str) -> Callable[[Schema], None]:
    return lambda schema: schema["fields"].remove(field(schema, name))


def test_an_optional_field_that_goes_again_is_no_return_to_the_version_before(copied: Path) -> None:
    """Names of fields, models and what is on the log would be of different versions."""
    edit(copied / OFFERED, maybe)
    written(build.build())
    edit(copied / OFFERED, without("extra"))

    with pytest.raises(
        SchemaProblem,
        match=r"TrainingOffered: says what version 1 said, and version 2 came since; .* Keep the"
        r" fields of version 2 .* delete history/TrainingOffered/2.avsc",
    ):
        build.build()


def test_a_field_that_goes_while_another_comes_is_a_third_version(copied: Path) -> None:
    edit(copied / OFFERED, maybe)
    written(build.build())
    edit(copied / OFFERED, without("extra"))
    edit(copied / OFFERED, added(name="other", type="boolean", default=False, category="training"))

    files = build.build()

    entries = json.loads(files[copied / "catalog.json"])["schemas"]
    mine = [entry for entry in entries if entry["name"] == "TrainingOffered"]
    assert [(entry["version"], entry["id"] - len(versions())) for entry in mine[1:]] == [
        (2, 1),
        (3, 2),
    ]
    newest = files[copied / "history" / "TrainingOffered" / "3.avsc"]
    assert {raw["name"] for raw in json.loads(newest)["fields"]} >= {"other"}
    assert "extra" not in files[copied / "models.py"]


def swapped_fields(schema: Schema) -> None:
    fields = schema["fields"]
    fields[-1], fields[-2] = fields[-2], fields[-1]


def swapped_symbols(schema: Schema) -> None:
    symbols = field(schema, "actor_role")["type"]["symbols"]
    symbols[1], symbols[2] = symbols[2], symbols[1]


@pytest.mark.parametrize("spoil", [swapped_fields, swapped_symbols, without("promise_id")])
@pytest.mark.parametrize("version", [1, 2])
def test_history_that_is_not_what_its_id_was_given_for_stops_the_build(
    copied: Path, version: int, spoil: Callable[[Schema], None]
) -> None:
    """Avro would go on reading, and take one symbol or field for another."""
    edit(copied / "history" / "PromiseMade" / f"{version}.avsc", spoil)

    with pytest.raises(
        SchemaProblem,
        match=rf"PromiseMade: history/PromiseMade/{version}.avsc is not what id \d+ was given for"
        r" .* put it back as it was committed",
    ):
        build.build()


@pytest.mark.parametrize("version", [1, 2])
def test_history_that_is_missing_or_broken_stops_the_build(copied: Path, version: int) -> None:
    path = copied / "history" / "PromiseMade" / f"{version}.avsc"
    where = rf"PromiseMade: history/PromiseMade/{version}.avsc"
    path.write_text(path.read_text()[:-10])
    with pytest.raises(SchemaProblem, match=rf"{where} is not JSON .* put it back"):
        build.build()

    path.unlink()
    with pytest.raises(SchemaProblem, match=rf"{where} is missing, and id \d+ .* put it back"):
        build.build()


def test_an_id_or_a_version_that_is_given_twice_stops_the_build(copied: Path) -> None:
    path = copied / "catalog.json"
    catalog = json.loads(path.read_text())
    newest = catalog["schemas"][-1]
    for spoiled, said in (
        ({"id": catalog["schemas"][3]["id"]}, r"id 4 is given to \w+, too"),
        ({"version": newest["version"] + 1}, r"version 3 stands in catalog.json where 2 comes"),
    ):
        entries = [*catalog["schemas"][:-1], newest | spoiled]
        path.write_text(json.dumps({"schemas": entries}))
        with pytest.raises(SchemaProblem, match=rf"{newest['name']}: {said}"):
            build.build()


def test_new_words_and_a_narrower_pattern_are_no_new_version(copied: Path) -> None:
    edit(copied / OFFERED, lambda s: field(s, "course_id").update(doc="New.", pattern="^c-[0-9]$"))

    files = build.build()

    assert (
        json.loads(files[copied / "catalog.json"])["schemas"]
        == json.loads((copied / "catalog.json").read_text())["schemas"]
    )
    kept = json.loads(files[copied / "history" / "TrainingOffered" / "1.avsc"])
    assert (field(kept, "course_id")["doc"], field(kept, "course_id")["pattern"]) == (
        "New.",
        "^c-[0-9]$",
    )


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
    edit(copied / OFFERED, maybe)

    files = build.build()

    entries = json.loads(files[copied / "catalog.json"])["schemas"]
    assert entries[-1]["name"] == "TrainingOffered"
    assert (entries[-1]["version"], entries[-1]["id"]) == (2, len(versions()) + 1)
    assert copied / "history" / "TrainingOffered" / "2.avsc" in files
    assert "    extra: Annotated[str" in files[copied / "models.py"]
