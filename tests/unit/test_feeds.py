"""Exits, the indicator and the gate, against a fold that shares no code with them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.feeds.gate import Status, cell
from services.feeds.handlers import EMPLOYMENT_Q2, as_csv
from services.feeds.indicators import connect, employed_in_second_quarter, periods
from services.feeds.windows import Window, parse

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
PY2024 = Window(2024)
SERVICE = {"worker_id": pl.String, "programme_id": pl.String, "served_at": pl.Datetime("us", "UTC")}
JOB = {
    "worker_id": pl.String,
    "started_at": pl.Datetime("us", "UTC"),
    "ended_at": pl.Datetime("us", "UTC"),
}


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def table(rows: list[tuple[Any, ...]], schema: dict[str, Any]) -> ibis.Table:
    return ibis.memtable(pl.DataFrame(rows, schema=schema, orient="row"))


def run(services: list[tuple[Any, ...]], jobs: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    expression = employed_in_second_quarter(
        table(services, SERVICE), table(jobs, JOB), PY2024, AS_OF
    )
    rows: list[dict[str, Any]] = connect().to_pyarrow(expression).to_pylist()
    return rows


def naive(services: list[Any], jobs: list[Any]) -> dict[str, tuple[int, int, int]]:
    """The definition, told person by person."""
    by_worker = defaultdict(list)
    for worker, programme, at in services:
        by_worker[worker].append((at, programme))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for worker, served in by_worker.items():
        mine = [(start, end) for w, start, end in jobs if w == worker]
        for period in split(sorted(served)):
            exit_day = period[-1][0]
            if exit_day > AS_OF - timedelta(days=90):
                continue
            if not day("2024-07-01") <= exit_day < day("2025-07-01"):
                continue
            first, last = second_quarter(exit_day)
            works = any(s < last and (e is None or e >= first) for s, e in mine)
            for programme in {p for _, p in period}:
                counts[programme][0] += 1
                counts[programme][1] += works
                counts[programme][2] += bool(mine)
    return {programme: (n[0], n[1], n[2]) for programme, n in counts.items()}


def split(served: list[Any]) -> list[list[Any]]:
    found = [[served[0]]]
    for item in served[1:]:
        if item[0] - found[-1][-1][0] > timedelta(days=90):
            found.append([])
        found[-1].append(item)
    return found


def second_quarter(exit_day: datetime) -> tuple[datetime, datetime]:
    quarter = exit_day.year * 4 + (exit_day.month - 1) // 3 + 2
    bounds = [datetime(q // 4, q % 4 * 3 + 1, 1, tzinfo=UTC) for q in (quarter, quarter + 1)]
    return bounds[0], bounds[1]


DAYS = st.integers(0, 900).map(lambda n: day("2024-01-01") + timedelta(days=n))
WORKERS = st.sampled_from(["w1", "w2", "w3"])
SERVICES = st.lists(st.tuples(WORKERS, st.sampled_from(["a", "b"]), DAYS), min_size=1, max_size=12)
JOBS = st.lists(st.tuples(WORKERS, DAYS, st.none() | DAYS), max_size=4)


@settings(max_examples=25, deadline=None)
@given(services=SERVICES, jobs=JOBS)
def test_the_indicator_equals_its_definition_told_person_by_person(
    services: list[Any], jobs: list[Any]
) -> None:
    jobs = [job for job in jobs if job[2] is None or job[2] >= job[1]]
    found = {
        row["programme_id"]: (row["exiters"], row["employed"], row["with_reports"])
        for row in run(services, jobs)
    }
    assert found == naive(services, jobs)


def test_an_exit_is_known_after_90_days_of_silence_only() -> None:
    last = day("2026-08-03")
    served = table([("w", "a", last)], SERVICE)

    def known(as_of: datetime) -> int:
        return int(periods(served, as_of).count().to_pyarrow().as_py())

    assert known(last + timedelta(days=89)) == 0
    assert known(last + timedelta(days=90)) == 1


def test_a_late_service_moves_the_exit_by_itself() -> None:
    served = [("w", "a", day("2025-06-01"))]
    assert [row["exiters"] for row in run(served, [])] == [1]
    assert run([*served, ("w", "a", day("2025-07-15"))], []) == []


@pytest.mark.parametrize(
    ("exiters", "employed", "reports", "status", "percent"),
    [
        (9, 9, 9, Status.SUPPRESSED, None),
        (10, 5, 10, Status.SUPPRESSED, None),
        (20, 10, 20, Status.OK, 50),
        (20, 11, 20, Status.SUPPRESSED, None),
        (49, 0, 9, Status.SUPPRESSED, None),
        (50, 0, 9, Status.BOTTOM_CODED, None),
        (50, 50, 50, Status.TOP_CODED, None),
        (500, 0, 0, Status.NOT_REPORTED, None),
    ],
)
def test_what_may_be_shown(
    exiters: int, employed: int, reports: int, status: Status, percent: int | None
) -> None:
    shown = cell(exiters, employed, reports, minimum=10)
    assert (shown.status, shown.percent) == (status, percent)


@given(st.integers(0, 400), st.data())
def test_no_number_speaks_of_fewer_than_the_minimum(exiters: int, data: st.DataObject) -> None:
    employed = data.draw(st.integers(0, exiters))
    shown = cell(exiters, employed, exiters, minimum=10)
    if shown.percent is not None:
        assert min(employed, exiters - employed) >= 10
    if shown.status in {Status.TOP_CODED, Status.BOTTOM_CODED}:
        assert exiters >= 50


@pytest.mark.parametrize("text", ["2024", "PY24", "PYabcd", "PY2024; DROP", ""])
def test_a_window_that_is_none_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="not a program year"):
        parse(text)


def test_the_csv_neutralises_formulas_and_repeats_what_it_is_of() -> None:
    head = {"number": 1, "definition_version": 1, "window_id": "PY2024"}
    head |= {"as_of": AS_OF, "minimum": 10}
    row = {"programme_id": "c-1", "programme_title": "=cmd()", "provider_id": None}
    row |= {"status": "suppressed", "percent": None}

    header, line = as_csv(EMPLOYMENT_Q2, head, [row]).splitlines()

    assert header.startswith("feed_id,release,definition_version,window,as_of,minimum,programme_id")
    assert line.endswith("c-1,'=cmd(),,suppressed,")
