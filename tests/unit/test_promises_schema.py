"""A promise of before criteria were part of it, and one of now, in the same batch."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from schemas.catalog import event_types, versions
from services.common import codec
from services.common.consent import NEVER_SHARED
from services.projections.batch import fold_events
from services.projections.declaration import STORIES
from services.projections.intake import take_in
from services.projections.layout import layout_of
from services.projections.projections import Promise
from tests.projection_kit import FakeRecord

ANA = UUID(int=7)
AT = datetime(2026, 3, 1, tzinfo=UTC)


def record(version: int, offset: int) -> FakeRecord:
    written = next(
        e for e in versions().values() if e.name == "PromiseMade" and e.version == version
    )
    fields = {
        "event_id": UUID(int=offset + 1).bytes,
        "worker_id": ANA.bytes,
        "occurred_at": AT,
        "recorded_at": AT,
        "source": "acme",
        "actor_role": "EMPLOYER",
        "actor_id": "k",
        "promise_id": f"p-{version}",
        "employer_id": "acme",
        "pathway_id": "w",
        "pathway_version": 1,
        "outcome": "INTERVIEW",
        "due_in_days": 30,
    }
    if version > 1:
        fields["criteria"] = ["training:c-101"]
    return FakeRecord(
        ANA.bytes, codec.encode(written, fields), offset, codec.headers(written, fields)
    )


def test_both_versions_of_a_promise_fold_in_one_batch() -> None:
    intake = take_in({("stories", 0): [record(1, 0), record(2, 1)]}, frozenset())
    (events,) = intake.events

    assert not intake.parked
    folded = fold_events(events, [layout_of(Promise)])
    assert len(folded.tables) == 1
    made = events.by_type["PromiseMade"].sort("promise_id")
    assert made["criteria"].to_list() == [[], ["training:c-101"]]


def test_the_catalogue_reads_a_promise_without_criteria() -> None:
    old = record(1, 0)
    assert old.value is not None
    assert codec.decode(old.value).fields["criteria"] == []
    assert event_types()["PromiseMade"].version == 2


def test_the_hubs_own_event_ids_do_not_leave_with_a_criterion() -> None:
    """Two receivers could join what they hold by them."""
    for name in ("CriterionMet", "CriterionUnmet"):
        assert event_types()[name].fields["caused_by"].category in NEVER_SHARED


def test_each_reason_of_a_dispute_is_a_question_or_says_that_something_is_wrong() -> None:
    reasons = event_types()["PromiseDisputed"].fields["reason"].avro_type["symbols"]
    (wrong,), (asked,) = Promise.disputed_at.where, Promise.asked_at.where

    assert sorted((*wrong.values, *asked.values)) == sorted(reasons)
    assert asked.values == ("QUESTION",)


def test_the_layout_has_a_row_per_version_of_a_pathway() -> None:
    from services.projections.projections import Pathway

    assert list(Pathway.key.fields) == ["organization_id", "version", "pathway_id"]
    assert Pathway.stream is not STORIES
