"""Exits, the indicator and the gate, against a fold that shares no code with them."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any

import ibis
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.codec import FRAME_SIZE, encode
from services.feeds.days import SERVICES, days_of
from services.feeds.gate import Cell, Group, Programme, Shared, Status, cell, cells
from services.feeds.handlers import EMPLOYMENT_Q2, as_csv, table
from services.feeds.indicators import (
    by_programme,
    connect,
    employed_in_second_quarter,
    exiters,
    periods,
    shared,
)
from services.feeds.windows import Window, parse
from tests.projection_kit import make

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
PY2024 = Window(2024)
DAY = {"worker_id": pl.String, "enrolment_id": pl.String, "served_on": pl.Date}
ENROLMENT = dict.fromkeys(("worker_id", "enrolment_id", "provider_id", "programme_id"), pl.String)
JOB = {
    "worker_id": pl.String,
    "started_at": pl.Datetime("us", "UTC"),
    "ended_at": pl.Datetime("us", "UTC"),
}
# Worker, programme, day; and worker, start, end or None.
Services = list[tuple[str, Programme, date]]
Jobs = list[tuple[str, datetime, datetime | None]]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def memory(rows: Iterable[tuple[Any, ...]], schema: Mapping[str, Any]) -> ibis.Table:
    return ibis.memtable(pl.DataFrame(list(rows), schema=schema, orient="row"))


def outcome_of(services: Services, jobs: Jobs) -> ibis.Table:
    """Each programme is an enrolment of its own."""
    days = memory(((w, str(p), at) for w, p, at in services), DAY)
    enrolments = memory({(w, str(p), *p) for w, p, _ in services}, ENROLMENT)
    cohort = exiters(days, enrolments, PY2024, AS_OF)
    return employed_in_second_quarter(cohort, memory(jobs, JOB), AS_OF)


def rows_of(expression: ibis.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connect().to_pyarrow(expression).to_pylist()
    return rows


def run(services: Services, jobs: Jobs) -> dict[Programme, Group]:
    rows = rows_of(by_programme(outcome_of(services, jobs)))
    return {(row.pop("provider_id"), row.pop("programme_id")): Group(**row) for row in rows}


def naive(services: Services, jobs: Jobs) -> dict[Programme, list[tuple[str, bool, bool]]]:
    """The definition, told person by person: who, in work two quarters later, ever reported."""
    by_worker = defaultdict(list)
    for worker, programme, at in services:
        by_worker[worker].append((at, programme))
    found: dict[Programme, list[tuple[str, bool, bool]]] = defaultdict(list)
    for worker, served in by_worker.items():
        mine = [(start, end) for w, start, end in jobs if w == worker]
        for period in split(sorted(served, key=itemgetter(0))):
            exit_day = period[-1][0]
            if exit_day > AS_OF.date() - timedelta(days=90):
                continue
            if not date(2024, 7, 1) <= exit_day < date(2025, 7, 1):
                continue
            first, last = second_quarter(exit_day)
            works = any(s < last and (e is None or e >= first) for s, e in mine)
            for programme in {p for _, p in period}:
                found[programme].append((worker, works, bool(mine)))
    return found


def split(served: list[Any]) -> list[list[Any]]:
    found = [[served[0]]]
    for item in served[1:]:
        if item[0] - found[-1][-1][0] >= timedelta(days=90):
            found.append([])
        found[-1].append(item)
    return found


def second_quarter(exit_day: date) -> tuple[datetime, datetime]:
    quarter = exit_day.year * 4 + (exit_day.month - 1) // 3 + 2
    bounds = [datetime(q // 4, q % 4 * 3 + 1, 1, tzinfo=UTC) for q in (quarter, quarter + 1)]
    return bounds[0], bounds[1]


DAYS = st.integers(0, 900).map(lambda n: day("2024-01-01") + timedelta(days=n))
WORKERS = st.sampled_from(["w1", "w2", "w3"])
PROGRAMMES = st.sampled_from([("one", "a"), ("one", "b"), ("two", "a"), (None, "a")])
SERVED = st.lists(st.tuples(WORKERS, PROGRAMMES, DAYS.map(datetime.date)), min_size=1, max_size=12)
JOBS = st.lists(st.tuples(WORKERS, DAYS, st.none() | DAYS), max_size=4)


@settings(max_examples=25, deadline=None)
@given(services=SERVED, jobs=JOBS)
def test_the_indicator_equals_its_definition_told_person_by_person(
    services: Services, jobs: Jobs
) -> None:
    jobs = [job for job in jobs if job[2] is None or job[2] >= job[1]]
    expected = {
        programme: Group(
            exiters=len(exits),
            employed=sum(works for _, works, _ in exits),
            people=len({who for who, _, _ in exits}),
            in_work=len({who for who, works, _ in exits if works}),
            out_of_work=len({who for who, works, _ in exits if not works}),
            reported=len({who for who, _, told in exits if told}),
        )
        for programme, exits in naive(services, jobs).items()
    }
    assert run(services, jobs) == expected


def test_an_exit_is_known_after_90_days_of_silence_only() -> None:
    last = day("2026-08-03")
    served = memory([("w", "e", last.date())], DAY)

    def known(as_of: datetime) -> int:
        return int(periods(served, as_of).count().to_pyarrow().as_py())

    assert known(last + timedelta(days=89)) == 0
    assert known(last + timedelta(days=90)) == 1


@pytest.mark.parametrize(("gap", "exits"), [(89, 1), (90, 2)])
def test_the_90th_day_counts_as_elapsed(gap: int, exits: int) -> None:
    first = date(2024, 9, 2)
    served = [("w", ("one", "a"), at) for at in (first, first + timedelta(days=gap))]
    assert run(served, [])["one", "a"].exiters == exits


def test_weekly_sessions_are_one_period_whoever_gives_them() -> None:
    """Week by week from one provider to the other: no silence in the line of all courses."""
    first = date(2024, 9, 2)
    served = [
        ("w", ("one" if week % 2 else "two", "a"), first + timedelta(weeks=week))
        for week in range(16)
    ]
    assert {programme: group.exiters for programme, group in run(served, []).items()} == {
        ("one", "a"): 1,
        ("two", "a"): 1,
    }


def test_a_late_service_moves_the_exit_by_itself() -> None:
    served: Services = [("w", ("one", "a"), date(2025, 6, 1))]
    assert [group.exiters for group in run(served, []).values()] == [1]
    assert run([*served, ("w", ("one", "a"), date(2025, 7, 15))], []) == {}


def test_programmes_of_the_same_periods_are_counted_in_pairs() -> None:
    at = date(2024, 9, 2)
    a, b, c = ("one", "a"), ("one", "b"), ("two", "a")
    served = [("w1", a, at), ("w1", b, at), ("w2", a, at), ("w2", b, at), ("w2", c, at)]
    jobs: Jobs = [("w2", day("2025-02-01"), None)]

    found = {
        (tuple(row["key"].values()), tuple(row["other_key"].values())): (
            row["exiters"],
            row["employed"],
        )
        for row in rows_of(shared(outcome_of(served, jobs)))
    }

    assert found == {(a, b): (2, 1), (a, c): (1, 1), (b, c): (1, 1)}


def test_every_service_is_a_day_and_a_repeat_is_none() -> None:
    rows = [told(name, carried_over=False, day_known=True) for name in sorted(SERVICES)]

    days = days_of(rows)

    assert days.rows() == [(bytes(16).hex(), "plain", date(2026, 3, 1))]
    assert len(SERVICES) == 5
    assert days_of([]).rows() == []


def test_days_on_which_nothing_was_given_are_none() -> None:
    """A mark carried over from an earlier run, and an end that was on no day anybody knows."""
    rows = [told("AssessmentTaken", carried_over=True), told("TrainingExited", day_known=False)]
    assert days_of(rows).rows() == []


def told(name: str, **fields: Any) -> Any:
    """An event as the story keeps it."""
    kind = event_types()[name]
    payload = encode(kind, make(name, **fields)[1])[FRAME_SIZE:]
    return {"schema_id": kind.schema_id, "payload": payload}


def group(exiters: int, employed: int, reported: int) -> Group:
    """Everybody with one period."""
    return Group(exiters, employed, exiters, employed, exiters - employed, reported)


@pytest.mark.parametrize(
    ("exiters", "employed", "reported", "status", "percent"),
    [
        (9, 9, 9, Status.SUPPRESSED, None),
        (10, 5, 10, Status.SUPPRESSED, None),
        (20, 10, 20, Status.OK, 50),
        (20, 11, 20, Status.SUPPRESSED, None),
        (49, 0, 49, Status.SUPPRESSED, None),
        (49, 0, 0, Status.SUPPRESSED, None),
        (49, 49, 49, Status.SUPPRESSED, None),
        (50, 0, 50, Status.BOTTOM_CODED, None),
        (50, 50, 50, Status.TOP_CODED, None),
        (500, 0, 0, Status.NOT_REPORTED, None),
        (500, 9, 9, Status.NOT_REPORTED, None),
        (500, 0, 10, Status.BOTTOM_CODED, None),
        (5000, 10, 5000, Status.BOTTOM_CODED, None),
        (5000, 4990, 5000, Status.TOP_CODED, None),
    ],
)
def test_what_may_be_shown(
    exiters: int, employed: int, reported: int, status: Status, percent: int | None
) -> None:
    shown = cell(group(exiters, employed, reported), minimum=10)
    assert (shown.status, shown.percent) == (status, percent)


def test_periods_of_few_people_are_few() -> None:
    """20 periods of 9 people; and of 60 people, 20 periods of work of 9 of them."""
    assert cell(Group(20, 10, 9, 9, 9, 9), minimum=10).status is Status.SUPPRESSED
    assert cell(Group(80, 20, 60, 9, 60, 60), minimum=10).status is Status.BOTTOM_CODED


@given(st.integers(1, 400), st.data())
def test_none_and_few_look_the_same_and_so_do_all_and_nearly_all(
    exiters: int, data: st.DataObject
) -> None:
    """Whatever is known of anybody: below the minimum no count shows, on neither side."""
    few = st.integers(0, min(9, exiters))
    one, other = data.draw(few), data.draw(few)

    def shown(employed: int, reported: int) -> Cell:
        return cell(group(exiters, employed, reported), minimum=10)

    assert shown(one, one) == shown(other, other) == shown(0, 0)
    assert shown(one, exiters) == shown(other, exiters)
    assert shown(exiters - one, exiters) == shown(exiters - other, exiters)


@given(st.integers(0, 400), st.data())
def test_no_number_speaks_of_fewer_than_the_minimum(exiters: int, data: st.DataObject) -> None:
    employed = data.draw(st.integers(0, exiters))
    shown = cell(group(exiters, employed, exiters), minimum=10)
    if shown.percent is not None:
        assert min(employed, exiters - employed) >= 10
        assert 0 < shown.percent < 100
    if shown.status in {Status.TOP_CODED, Status.BOTTOM_CODED}:
        assert exiters >= 50


A, B = ("one", "a"), ("one", "b")


@pytest.mark.parametrize(
    ("in_both", "employed_of_both", "hidden"),
    [
        (40, 30, True),  # B has 5 more than A, and 2 of them work
        (31, 25, True),  # A has 9 besides, which is no veil: B has 14, of whom 7 work
        (30, 20, False),  # A has 10 besides: what B has more does not follow
        (0, 0, False),
    ],
)
def test_a_row_that_gives_away_the_rest_of_another_is_hidden(
    in_both: int, employed_of_both: int, hidden: bool
) -> None:
    groups = {A: group(40, 30, 40), B: group(45, 32, 45)}
    both = Shared(A, B, in_both, employed_of_both)

    shown = cells(groups, [both], minimum=10)

    assert shown[B].percent == 71
    assert (shown[A].status is Status.SUPPRESSED) == hidden
    assert cells(groups, [Shared(B, A, in_both, employed_of_both)], minimum=10) == shown


def test_the_rest_may_be_shown_where_it_is_a_group_by_itself() -> None:
    groups = {A: group(40, 30, 40), B: group(70, 45, 70)}
    assert cells(groups, [Shared(A, B, 40, 30)], minimum=10)[A].percent == 75
    # The same people in both: nothing is left over.
    assert cells({A: groups[A], B: groups[A]}, [Shared(A, B, 40, 30)], minimum=10)[A].percent == 75


def test_a_row_with_too_few_people_looks_like_one_with_nobody() -> None:
    groups = {A: group(9, 5, 9), ("two", "a"): group(9, 5, 9), B: group(40, 30, 40)}
    shown = cells(groups, [], minimum=10)

    with_few = table(shown, {A: "Welding", B: "Roofing"})
    without = table({B: shown[B]}, {A: "Welding", B: "Roofing"})

    assert with_few == without
    assert [row.programme for row in with_few] == [A, B]


@pytest.mark.parametrize("text", ["2024", "PY24", "PYabcd", "PY2024; DROP", ""])
def test_a_window_that_is_none_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="not a program year"):
        parse(text)


def test_the_csv_neutralises_formulas_and_repeats_what_it_is_of() -> None:
    head = {"number": 1, "definition_version": 1, "window_id": "PY2024"}
    head |= {"as_of": AS_OF, "released_at": AS_OF, "reflects": ["a:0:1", "a:1:7"], "minimum": 10}
    row = {"programme_id": "c-1", "programme_title": "=cmd()", "provider_id": None}
    row |= {"status": "suppressed", "percent": None}

    text = as_csv(EMPLOYMENT_Q2, head, [row])

    assert text.splitlines()[1].endswith(",PY2024,2024-07-01,2025-07-01,c-1,'=cmd(),,suppressed,")
    (line,) = csv.DictReader(io.StringIO(text))
    assert line["definition"] == EMPLOYMENT_Q2.definitions[0]
    assert line["as_of"] == "2026-11-01T00:00:00+00:00"
    assert line["reflects"] == "a:0:1 a:1:7"


def test_a_release_keeps_the_words_that_it_was_made_by() -> None:
    assert EMPLOYMENT_Q2.definition(1) != EMPLOYMENT_Q2.definition(EMPLOYMENT_Q2.version)
