"""What the pages of requests and promises work out: steps in words, days, and what is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.portal import i18n
from services.portal.promised import is_new, is_over
from services.portal.requests import address, end_of
from services.portal.steps import courses, step

ENGLISH, SPANISH = i18n.language("en"), i18n.language("es")
TITLES = {"c-101": "Forklift safety"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("training:c-101", "Finish: Forklift safety"),
        ("training:rc-shift-lead", "Finish: Rc shift lead"),
        (
            "skill:onet:2.B.1.e;attested_by=ANY;times=1",
            "Have someone check this skill: Teaching others",
        ),
        (
            "skill:skill:pack;attested_by=SUPERVISOR;times=2",
            "Have your supervisor check this skill: Pack (2 times)",
        ),
        ("assessment:a-7;at_least=0.8", "Get 80 % in this test: A 7"),
        ("assessment:a-7;at_least=many", "A 7"),
        ("employed_days:180", "Work there for 180 days"),
        ("employed_days:1", "Work there for 1 day"),
        ("something:else", "Else"),
    ],
)
def test_a_criterion_is_a_thing_to_do(code: str, words: str) -> None:
    assert step(code, ENGLISH, TITLES) == words


def test_a_criterion_is_told_in_the_readers_language() -> None:
    assert step("training:c-101", SPANISH, TITLES) == "Terminar: Forklift safety"


def test_only_courses_have_titles_to_look_up() -> None:
    assert courses(["training:c-101", "employed_days:3", "skill:a:b"]) == {"c-101"}


@pytest.mark.parametrize(
    ("day", "months", "until"),
    [
        ((2026, 5, 4), 3, (2026, 8, 4)),
        ((2026, 11, 30), 3, (2027, 2, 28)),
        ((2026, 8, 31), 6, (2027, 2, 28)),
        ((2026, 12, 1), 6, (2027, 6, 1)),
        ((2027, 11, 30), 3, (2028, 2, 29)),
    ],
)
def test_sharing_lasts_to_the_end_of_its_last_day(
    day: tuple[int, int, int], months: int, until: tuple[int, int, int]
) -> None:
    for hour in (0, 23):
        found = end_of(datetime(*day, hour, 59, tzinfo=UTC), months)
        assert found == datetime(*until, 23, 59, 59, tzinfo=UTC)


def promise(**known: Any) -> dict[str, Any]:
    ends = ("accepted_at", "declined_at", "due_at", "kept_at", "lapsed_at", "withdrawn_at")
    return dict.fromkeys(ends) | {"employer_id": "acme", "withdrawn_by": []} | known


NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE, LONG_AGO, LATER = (NOW - timedelta(days=days) for days in (20, 91, -20))
LAPSED = {"accepted_at": LONG_AGO, "due_at": BEFORE, "lapsed_at": BEFORE}
BACK = {"withdrawn_at": BEFORE, "withdrawn_by": ["other", "acme"]}


@pytest.mark.parametrize(
    ("known", "new", "over"),
    [
        ({}, True, False),
        ({"accepted_at": BEFORE}, False, False),
        ({"due_at": LATER}, False, False),
        ({"declined_at": BEFORE}, False, True),
        ({"kept_at": BEFORE}, False, True),
        (LAPSED, False, False),
        (LAPSED | {"due_at": LONG_AGO, "lapsed_at": LONG_AGO}, False, True),
        (LAPSED | {"kept_at": BEFORE}, False, True),
        (BACK, False, True),
        (BACK | {"due_at": LATER}, False, True),
        (BACK | {"withdrawn_by": ["other"]}, True, False),
        (BACK | {"due_at": LONG_AGO, "lapsed_at": BEFORE}, False, True),
    ],
)
def test_a_promise_waits_for_an_answer_until_there_is_one_or_it_is_over(
    known: dict[str, Any], new: bool, over: bool
) -> None:
    row = promise(**known)
    assert (is_new(row, NOW), is_over(row, NOW)) == (new, over)


def test_the_address_of_a_request_can_hold_any_code() -> None:
    assert address("r:1@a+b/c") == "/me/requests/r%3A1%40a%2Bb/c"
