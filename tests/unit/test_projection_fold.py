"""The columnar fold of one batch equals the reference, whatever is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import (
    AssessmentTaken,
    OrganizationRegistered,
    ProgrammePublished,
    TrainingCompleted,
    TrainingExited,
    TrainingProgressed,
)
from services.projections.declaration import (
    Count,
    Current,
    Earliest,
    Exists,
    Key,
    Latest,
    Projection,
    Union,
    Where,
)
from services.projections.fold import fold
from services.projections.intake import take_in
from services.projections.layout import layout_of
from services.projections.projections import PROJECTIONS
from tests.projection_kit import NOON, Event, Wages, events, make, records, reference, with_repeats


def folded(given_events: Sequence[Event], projection: type[Projection]) -> dict[Any, Any]:
    """The rows that the engine folds one batch into, by key, without the order columns."""
    intake = take_in(records(given_events), frozenset())
    assert not intake.parked
    assert not intake.stopped
    for found in intake.events:
        if found.stream is projection.stream:
            frame = fold(layout_of(projection), found.by_type)
            return {} if frame is None else _rows(projection, frame)
    return {}


def _rows(projection: type[Projection], frame: pl.DataFrame) -> dict[Any, Any]:
    keys, columns = list(projection.key.fields), list(projection.columns)
    return {
        tuple(row[key] for key in keys): {column: row[column] for column in columns}
        for row in frame.to_dicts()
    }


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda p: p.table)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_batch_of_anything_folds_as_the_reference(
    projection: type[Projection], data: st.DataObject
) -> None:
    mine = data.draw(with_repeats(events(*projection.events, most=12)))
    _assert_same(folded(mine, projection), reference(mine, [projection])[projection.table])


def _assert_same(got: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    assert got.keys() == wanted.keys()
    for key, row in wanted.items():
        assert {c: (got[key][c], v) for c, v in row.items() if got[key][c] != v} == {}


@settings(max_examples=300, deadline=None)
@given(data=with_repeats(events("EmploymentStarted", "WageChanged", "Promoted", most=12)))
def test_every_merge_folds_as_the_reference(data: list[Event]) -> None:
    _assert_same(folded(data, Wages), reference(data, [Wages])["wages"])


class Offers(Projection):
    """Directory events, where the version decides and lists are collected."""

    key = Key("organization_id")
    title = Current(ProgrammePublished.title)
    occupations = Union(ProgrammePublished.occupations)
    name = Latest(OrganizationRegistered.name)
    first = Earliest(ProgrammePublished.occurred_at)


@settings(max_examples=100, deadline=None)
@given(data=with_repeats(events("ProgrammePublished", "OrganizationRegistered", most=12)))
def test_the_highest_version_wins_whenever_it_occurred(data: list[Event]) -> None:
    _assert_same(folded(data, Offers), reference(data, [Offers])["offers"])


class Exits(Projection):
    """Conditions for one event type and for another, of codes and of yes or no, and two at once."""

    key = Key("worker_id")
    days = Count(
        TrainingExited,
        TrainingCompleted,
        where=(
            Where(TrainingExited.day_known, True),
            Where(TrainingExited.reason, "WITHDREW", "NO_SHOW"),
            Where(TrainingCompleted.result, "PASSED"),
        ),
    )
    reason = Current(TrainingExited.reason, where=Where(TrainingExited.day_known, False))
    course_id = Earliest(
        TrainingExited.course_id,
        TrainingCompleted.course_id,
        where=Where(TrainingCompleted.result, "PASSED", "DISTINCTION"),
    )
    is_known = Exists(TrainingExited, where=Where(TrainingExited.day_known, True))


@settings(max_examples=150, deadline=None)
@given(data=with_repeats(events("TrainingExited", "TrainingCompleted", most=12)))
def test_conditions_hold_for_their_own_event_type_alone(data: list[Event]) -> None:
    _assert_same(folded(data, Exits), reference(data, [Exits])["exits"])


def test_an_instant_before_1970_is_earlier() -> None:
    old = make("TrainingCompleted", event_id=b"a" * 16, occurred_at=NOON.replace(1960), score=0.1)
    new = make("TrainingCompleted", event_id=b"b" * 16, occurred_at=NOON, score=0.9)

    class Marks(Projection):
        """Scores."""

        key = Key("worker_id")
        score = Latest(TrainingCompleted.score)

    assert folded([new, old], Marks) == {(bytes(16),): {"score": 0.9}}


def test_the_event_id_decides_between_equal_instants() -> None:
    tries = [
        make("AssessmentTaken", event_id=letter * 16, score=score)
        for letter, score in ((b"\xff", 0.3), (b"\x01", 0.2), (b"\x7f", 0.1))
    ]

    class Tries(Projection):
        """Scores."""

        key = Key("worker_id")
        score = Latest(AssessmentTaken.score)
        first = Earliest(AssessmentTaken.score)

    assert folded(tries, Tries) == {(bytes(16),): {"score": 0.3, "first": 0.2}}


def test_a_row_without_its_key_is_left_out() -> None:
    class Activity(Projection):
        """By activity, which not every event names."""

        key = Key("worker_id", "activity_id")
        times = Count(TrainingProgressed)

    named = make("TrainingProgressed", event_id=b"a" * 16, activity_id="x")
    unnamed = make("TrainingProgressed", event_id=b"b" * 16)
    assert folded([named, unnamed], Activity) == {(bytes(16), "x"): {"times": 1}}


def test_columns_of_the_same_event_share_one_order() -> None:
    orders = layout_of(Offers).orders
    assert sorted(orders) == ["first_order", "name_order", "title_order"]
