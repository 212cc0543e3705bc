"""Public cohort numbers: nothing under 10, nothing that can be worked out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.portal.cohorts import MINIMUM, LeftIn, cohorts_of, left_in

COUNTS = st.integers(0, 40)


def row(passed: int, distinction: int, failed: int, left: int, unknown: int = 0) -> dict[str, Any]:
    return {
        "course_id": "BBB-2013J",
        "title": None,
        "signed_up": passed + distinction + failed + left + unknown,
        "passed": passed,
        "distinction": distinction,
        "failed": failed,
        "left_early": left,
        "left_after": [number % 4 + 0.5 for number in range(left)],
    }


def test_a_run_with_large_numbers_is_shown_as_it_is() -> None:
    (shown,), hidden = cohorts_of([row(31, 12, 17, 24, 10)])

    assert hidden == 0
    assert (shown.signed_up, shown.finished, shown.not_known) == (94, 43, 10)
    assert shown.title == "BBB 2013J"


def test_a_run_with_one_small_number_goes_as_a_whole() -> None:
    for small in range(4):
        counts = [20, 20, 20, 20]
        counts[small] = MINIMUM - 1
        assert cohorts_of([row(*counts)]) == ([], 1)


def test_few_people_not_known_yet_hide_the_run() -> None:
    assert cohorts_of([row(20, 20, 20, 20, 9)]) == ([], 1)
    assert cohorts_of([row(20, 20, 20, 20, 0)])[1] == 0


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS), max_size=6))
def test_no_small_number_is_ever_shown_and_every_row_adds_up(
    rows: list[tuple[int, int, int, int, int]],
) -> None:
    shown, hidden = cohorts_of([row(*counts) for counts in rows])

    assert len(shown) + hidden == len(rows)
    for one in shown:
        parts = [one.passed, one.distinction, one.failed, one.left_early, one.not_known]
        assert sum(parts) == one.signed_up
        assert min(parts[:4]) >= MINIMUM
        assert one.not_known == 0 or one.not_known >= MINIMUM
        assert sum(part.people for part in one.left_in) == one.left_early
        assert abs(sum(width for _, _, width in one.bar()) - 100) < 0.1


def test_months_with_few_people_are_put_together() -> None:
    months = [0.1] * 4 + [1.2] * 7 + [2.0] * 15 + [4.9] * 3

    assert left_in(months) == (LeftIn(1, 2, 11), LeftIn(3, 5, 18))
    assert left_in([0.5] * (MINIMUM - 1)) == ()
    assert left_in([]) == ()


@given(st.lists(st.floats(0, 30), max_size=200))
def test_no_group_of_leavers_is_small_and_none_is_missing(months: list[float]) -> None:
    found = left_in(months)

    assert all(part.people >= MINIMUM for part in found)
    assert sum(part.people for part in found) == (len(months) if len(months) >= MINIMUM else 0)
    for before, after in pairwise(found):
        assert before.last + 1 == after.first
