"""The mapping language: rows become events, dirt is reported."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.models import AssessmentTaken, TrainingCompleted, TrainingEnrolled
from services.common.errors import Problem
from services.ingest.imports.parsing import named_mapping, named_mappings, parse_mapping
from services.ingest.imports.row_mapper import RowMapper
from services.ingest.imports.rows import Row, RowResult, Severity
from services.ingest.imports.tally import Tally, Written
from services.ingest.imports.values import TRANSFORMS, BadValue, Options

SMALL = """
name: small
empty: ["?"]
lookups:
  runs:
    by: "{run}"
    rows:
      spring: {start: "2024-02-01", room: "?"}
values:
  enrolment: "{course}-{person}"
events:
  - type: TrainingEnrolled
    fields:
      source_record_id: "{person}"
      source_event_id: "enrolled/{enrolment}"
      occurred_at: {from: "{day}", as: days_after, start: "{runs.start}", default: "0"}
      enrolment_id: "{enrolment}"
      course_id: "{course}"
      provider_id: "{@caller}"
  - type: TrainingCompleted
    when:
      - {column: result, empty: false}
      - {column: result, not_in: [Withdrawn]}
    fields:
      source_record_id: "{person}"
      source_event_id: "result/{enrolment}"
      occurred_at: "{ended}"
      enrolment_id: "{enrolment}"
      course_id: "{course}"
      provider_id: "{@caller}"
      result: {from: "{result}", map: {Pass: PASSED, Fail: FAILED}}
      score: {from: "{mark}", as: number, divide_by: 100}
"""
ROW = {
    "person": "28400",
    "course": "welding",
    "run": "spring",
    "day": "-3",
    "result": "Pass",
    "ended": "2024-06-01T12:00:00Z",
    "mark": "70",
}


def as_row(number: int, cells: Mapping[str, str]) -> Row:
    return Row(number, number, cells, tuple(cells.values()))


def mapped(cells: Mapping[str, str], text: str = SMALL) -> RowResult:
    return RowMapper(parse_mapping(text.encode()), {}, "college").map(as_row(2, {**ROW, **cells}))


def test_a_row_gives_several_typed_events() -> None:
    enrolled, completed = mapped({}).events

    assert isinstance(enrolled, TrainingEnrolled)
    assert enrolled.occurred_at.isoformat() == "2024-01-29T00:00:00+00:00"
    assert (enrolled.source_record_id, enrolled.provider_id) == ("28400", "college")
    assert isinstance(completed, TrainingCompleted)
    assert (completed.result, completed.score) == ("PASSED", 0.7)
    assert completed.source_event_id == "result/welding-28400"


@pytest.mark.parametrize("result", ["", "?", "Withdrawn"])
def test_a_condition_leaves_an_event_out(result: str) -> None:
    row = mapped({"result": result})

    assert [event.event_type for event in row.events] == ["TrainingEnrolled"]
    assert not row.notes


def test_an_empty_value_may_have_a_default() -> None:
    assert mapped({"day": "?"}).events[0].occurred_at.isoformat() == "2024-02-01T00:00:00+00:00"


def test_a_bad_optional_field_is_left_empty_with_a_warning() -> None:
    for mark in ("seventy", "7000"):
        row = mapped({"mark": mark})

        completed = row.events[1]
        assert isinstance(completed, TrainingCompleted)
        assert completed.score is None
        assert [(n.severity, n.column) for n in row.notes] == [(Severity.WARNING, "mark")]


@pytest.mark.parametrize(
    ("cells", "column", "rule"),
    [
        ({"person": ""}, "person", "empty"),
        ({"day": "soon"}, "day", "days"),
        ({"run": "autumn"}, "run", "lookup"),
        ({"result": "Excellent"}, "result", "unknown_value"),
        ({"ended": "yesterday"}, "ended", "misfit"),
        ({"course": "weld ing!"}, "course", "misfit"),
    ],
)
def test_a_bad_required_field_refuses_the_whole_row(
    cells: Mapping[str, str], column: str, rule: str
) -> None:
    row = mapped(cells)

    assert row.refused
    assert row.events == []
    assert {(note.column, note.rule) for note in row.notes} >= {(column, rule)} or any(
        column in note.column and note.rule == rule for note in row.notes
    )


def test_what_stands_in_a_row_about_a_person_is_not_in_the_report() -> None:
    row = mapped({"result": "Excellent", "mark": "secret-mark", "ended": "secret-day"})

    assert row.notes
    assert not any("secret" in str(note) or "Excellent" in str(note) for note in row.notes)


def test_white_space_is_taken_off_and_counted() -> None:
    row = mapped({"course": "  welding "})

    assert row.events[0].source_event_id == "enrolled/welding-28400"
    assert row.repairs["whitespace"] == 1


def test_an_event_of_once_is_given_once_and_a_refused_row_does_not_use_it_up() -> None:
    text = SMALL.replace("- type: TrainingEnrolled", "- type: TrainingEnrolled\n    once: true")
    mapper = RowMapper(parse_mapping(text.encode()), {}, "college")

    refused = mapper.map(as_row(2, {**ROW, "result": "Excellent"}))
    first = mapper.map(as_row(3, ROW))
    second = mapper.map(as_row(4, ROW))

    assert refused.events == []
    assert (len(first.events), first.repeated) == (2, 0)
    assert (len(second.events), second.repeated) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("type: TrainingEnrolled", "type: Enrolled", "is not an event type"),
        ('      course_id: "{course}"\n      provider', "      provider", "needs course_id"),
        ("score: {from", "marks: {from", "has no field marks"),
        ("as: number", "as: numeric", "is not one of"),
        ("as: days_after, ", "", "need each other"),
        ('source_event_id: "enrolled/{enrolment}"', "actor_id: a", "needs source_event_id"),
        ('start: "2024-02-01", room', "room", "has no start"),
        ('enrolment: "{course}-{person}"', 'enrolment: "{later}"\n  later: a', "comes later"),
        ("name: small", "name: small\ntimezone: Mars/Base", "is not a time zone"),
        ('empty: ["?"]', 'empty: &a ["?"]\nvalues2: *a', "alias"),
        ("events:", "happenings:", "Field required"),
        ("name: small", "name: [", "is not YAML"),
        ("{column: result, empty: false}", "{column: result}", "exactly one of"),
    ],
)
def test_a_mapping_that_can_not_work_is_refused_with_the_place(
    old: str, new: str, says: str
) -> None:
    assert old in SMALL
    with pytest.raises(Problem) as refused:
        parse_mapping(SMALL.replace(old, new, 1).encode())

    assert refused.value.code == "invalid-mapping"
    assert any(says in error.problem for error in refused.value.errors)


@pytest.mark.parametrize("levels", [51, 2_000, 120_000])
@pytest.mark.parametrize(
    "text",
    [
        lambda n: "- " * n + "x",
        lambda n: "? " * n + "x",
        lambda n: "[" * n,
        lambda n: "[" * n + "]" * n,
        lambda n: '{"a": ' * min(n, 30_000) + "1" + "}" * min(n, 30_000),
        lambda n: "name: small\nevents: " + "[" * n + "]" * n,
    ],
)
def test_a_mapping_nested_without_end_is_refused_at_once(
    text: Callable[[int], str], levels: int
) -> None:
    began = time.process_time()
    with pytest.raises(Problem) as refused:
        parse_mapping(text(levels).encode())

    assert [error.field for error in refused.value.errors] == ["mapping"]
    assert "is nested more than 50 deep in line" in refused.value.errors[0].problem
    assert refused.value.errors[0].fix
    assert time.process_time() - began < 2, "the whole of it takes a minute to read"


def test_what_is_wrong_with_a_mapping_is_told_in_few_words() -> None:
    names = {f"{'x' * 900}{n}": "1" for n in range(40)}

    with pytest.raises(Problem) as refused:
        parse_mapping(json.dumps({"events": [], **names}).encode())

    assert len(refused.value.errors) == 20
    assert all(len(str(error)) < 300 for error in refused.value.errors)


def test_the_mappings_of_the_hub_can_be_read_and_an_unknown_name_lists_them() -> None:
    assert {parse_mapping(named_mapping(n)).name for n in named_mappings()} == set(named_mappings())
    with pytest.raises(Problem) as refused:
        named_mapping("no-such")
    assert "oulad-results" in (refused.value.errors[0].fix or "")


def test_a_mapping_may_be_json() -> None:
    text = (
        '{"events": [{"type": "AssessmentTaken", "fields": {"source_record_id": "{p}",'
        ' "source_event_id": "{p}", "occurred_at": "{t}", "enrolment_id": "e", "course_id": "c",'
        ' "assessment_id": "a", "phase": "AFTER", "carried_over": "false"}}]}'
    )
    mapper = RowMapper(parse_mapping(text.encode()), {}, "college")

    (taken,) = mapper.map(as_row(2, {"p": "1", "t": "2024-01-01T00:00:00Z"})).events

    assert isinstance(taken, AssessmentTaken)
    assert taken.carried_over is False


@given(st.fixed_dictionaries({name: st.text(max_size=30) for name in ROW}))
def test_whatever_stands_in_a_row_it_gives_events_or_a_reason(cells: dict[str, str]) -> None:
    row = mapped(cells)

    assert row.events or row.refused


@given(
    st.sampled_from(["cip", "onet", "us_zip", "money", "integer", "date", "url", "text", "place"]),
    st.text(max_size=40),
)
def test_whatever_a_value_is_a_transform_settles_or_refuses_it(name: str, value: str) -> None:
    try:
        settled = TRANSFORMS[name](value, Options(formats=("%Y-%m-%d",)))
    except BadValue:
        return
    assert isinstance(settled.text, str)


def test_a_tally_counts_each_row_under_one_outcome() -> None:
    tally = Tally()
    good = mapped({})
    tally.add(good, [Written("accepted"), Written("accepted")])
    tally.add(good, [Written("duplicate"), Written("duplicate")])
    refusal = Written("conflict", "course", "is another", "change it")
    notes = tally.add(good, [Written("accepted"), refusal])
    tally.add(mapped({"day": "soon"}), [])

    assert tally.rows == {"read": 4, "accepted": 1, "duplicate": 1, "refused": 2}
    assert tally.accepted == {"TrainingEnrolled": 2, "TrainingCompleted": 1}
    assert tally.refused == {"conflict": 1, "days": 1}
    assert [note.reason for note in notes] == ["is another"]
    assert Tally.of(tally.as_dict()).as_dict() == tally.as_dict()
