"""How fast a rebuild may go, whose turn it is, and how long it still takes: no I/O, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.cli.rebuild_words import duration, progress
from services.projections.rebuild.pace import GivingWay, Throttle
from services.projections.rebuild.work import Row

AT = datetime(2026, 3, 1, tzinfo=UTC)
ROW = Row(
    is_switched=False,
    is_changed=False,
    is_paused=False,
    rate=None,
    asked_by="hub",
    started_at=AT,
    switched_at=None,
    log_records=10_000,
    read_records=4_000,
    records_per_s=50.0,
    told_at=AT,
    comparison=None,
    compared_at=None,
)


def test_a_throttle_saves_up_for_a_second_and_no_longer() -> None:
    throttle = Throttle(0.0)
    assert throttle.allows(100, 0.05) == 0, "fewer than a tenth of a second's are not worth it"
    assert throttle.allows(100, 0.2) == 20
    throttle.took(20)
    assert throttle.allows(100, 0.2) == 0
    assert throttle.allows(100, 60.0) == 100
    throttle.took(150)  # what was taken beyond is made up for
    assert throttle.allows(100, 60.5) == 0
    assert throttle.allows(100, 61.0) == 50


def test_a_slow_rate_is_one_record_after_the_other() -> None:
    throttle = Throttle(0.0)
    assert throttle.allows(0.5, 1.9) == 0
    assert throttle.allows(0.5, 2.1) == 1


def test_who_is_behind_and_moves_has_the_turn() -> None:
    giving_way = GivingWay(most_behind=100, longest_s=5.0)
    assert not giving_way.must_wait(0, 0, 0.0), "all is read"
    assert giving_way.must_wait(200, 1_000, 0.5)
    assert not giving_way.must_wait(900, 1_000, 0.6), "not further behind than is let pass"
    assert giving_way.must_wait(900, 1_001, 0.7)


def test_who_does_not_move_is_not_waited_for() -> None:
    giving_way = GivingWay(most_behind=100, longest_s=60.0)
    assert not giving_way.must_wait(0, 0, 0.0)
    assert giving_way.must_wait(0, 1_000, 0.9), "it may still be at its last batch"
    assert not giving_way.must_wait(0, 1_000, 1.0)
    assert giving_way.must_wait(1, 1_000, 1.1), "it works again"


def test_a_log_that_never_rests_holds_nobody_up_for_ever() -> None:
    giving_way = GivingWay(most_behind=100, longest_s=5.0)
    assert not giving_way.must_wait(0, 0, 0.0)
    turns = [giving_way.must_wait(n, n + 1_000, n / 2) for n in range(1, 31)]
    assert turns.count(False) == 3, "one batch in five seconds"
    assert turns[:9] == [True] * 9
    assert turns[9:11] == [False, True]


@pytest.mark.parametrize(
    ("own", "left_s"),
    [
        ({}, 120.0),
        ({"records_per_s": 0.0}, None),
        ({"read_records": 10_000, "records_per_s": 0.0}, 0.0),
        ({"read_records": 10_001}, 0.0),
    ],
)
def test_the_time_left_follows_from_the_present_speed(
    own: dict[str, float], left_s: float | None
) -> None:
    assert replace(ROW, **own).left_s() == left_s  # type: ignore[arg-type]


def test_progress_is_said_in_one_line() -> None:
    counts = "40.0%  4,000 of 10,000 records"
    assert progress(ROW) == f"{counts}, 50 a second, about 2 min left"
    assert progress(replace(ROW, is_paused=True)) == f"{counts}, paused"
    assert progress(replace(ROW, records_per_s=0.0)) == f"{counts}, 0 a second"
    assert progress(replace(ROW, log_records=0, read_records=0)).startswith("100.0%")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "about 0 s"),
        (119, "about 119 s"),
        (120, "about 2 min"),
        (7_199, "about 120 min"),
        (7_200, "about 2 h"),
    ],
)
def test_a_duration_is_told_in_one_unit(seconds: float, told: str) -> None:
    assert duration(seconds) == told
