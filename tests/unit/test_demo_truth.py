"""The generator's truth against a naive fold over the events that it tells."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median as middle

import pytest

from services.demo.figures import figures, median, write_truth
from services.demo.measures import exit_of, standing
from services.demo.model import DAY, Enrolment
from services.demo.places import COURSES, EMPLOYERS
from services.demo.region import UNTIL, Region, Told, generate
from services.demo.truth import Truth

WORKERS, SEED = 700, 5
REGION = Region(SEED, WORKERS)
END = UNTIL.date()
SERVICES = {
    "TrainingEnrolled",
    "TrainingProgressed",
    "AssessmentTaken",
    "TrainingCompleted",
    "TrainingExited",
}


@pytest.fixture(scope="module")
def truth() -> Truth:
    counted = Truth(REGION.window)
    for life in REGION.lives():
        counted.add(life)
    return counted


@pytest.fixture(scope="module")
def stories() -> dict[int, list[Told]]:
    found: dict[int, list[Told]] = defaultdict(list)
    for told in generate(WORKERS, SEED):
        found[told.life.index].append(told)
    return found


def on(told: Told) -> date:
    return datetime.fromtimestamp(told.happening.at, UTC).date()


def quarter_start(day: date, after: int) -> date:
    """The first day of the quarter that many quarters after the one of a day."""
    month = (day.month - 1) // 3 * 3 + 3 * after
    return date(day.year + month // 12, month % 12 + 1, 1)


def employed(story: list[Told], day: date, after: int) -> bool | None:
    """Whether a job covers some of the quarter; None while the quarter is not over."""
    first, following = quarter_start(day, after), quarter_start(day, after + 1)
    if following > END:
        return None
    spans: dict[str, tuple[date, date]] = {}
    for told in story:
        job = told.happening.own.get("employment_id")
        if told.happening.event_type == "EmploymentStarted":
            spans[job] = (on(told), date.max)
        if told.happening.event_type == "EmploymentEnded":
            spans[job] = (spans[job][0], on(told))
    return any(start < following and end >= first for start, end in spans.values())


def exits(story: list[Told]) -> dict[str, tuple[str, date]]:
    """Course and exit day of each enrolment that has been silent for 90 days."""
    last: dict[str, tuple[str, date]] = {}
    for told in story:
        if told.happening.event_type in SERVICES:
            own = told.happening.own
            last[own["enrolment_id"]] = (own["course_id"], on(told))
    return {e: (c, day) for e, (c, day) in last.items() if day + timedelta(days=90) <= END}


@pytest.mark.parametrize("after", [2, 4])
def test_employed_after_exit_is_what_the_events_say(
    truth: Truth, stories: dict[int, list[Told]], after: int
) -> None:
    said: dict[str, list[bool]] = defaultdict(list)
    for story in stories.values():
        for course, day in exits(story).values():
            state = employed(story, day, after)
            if state is not None:
                said[course].append(state)
    expected = {course: sum(found) / len(found) for course, found in said.items()}
    told = {c: rate for c, rate in figures(truth)[f"employed_q{after}"].items() if rate is not None}
    assert told == pytest.approx(expected)
    assert len(expected) == 14


def test_promise_kept_rate_is_what_the_events_say(
    truth: Truth, stories: dict[int, list[Told]]
) -> None:
    kept: Counter[str] = Counter()
    fell_due: Counter[str] = Counter()
    for story in stories.values():
        employer: dict[str, str] = {}
        due: dict[str, datetime] = {}
        done: dict[str, datetime] = {}
        for told in story:
            own, name = told.happening.own, told.happening.event_type
            at = datetime.fromtimestamp(told.happening.at, UTC)
            if name == "PromiseMade":
                employer[own["promise_id"]] = own["employer_id"]
            if name == "PromiseDue":
                due[own["promise_id"]] = own["due_at"]
            if name == "PromiseKept":
                done[own["promise_id"]] = at
        for promise, by in due.items():
            in_time = promise in done and done[promise] <= by
            if in_time or by < UNTIL:
                fell_due[employer[promise]] += 1
                kept[employer[promise]] += in_time
    assert sum(fell_due.values()) > 50
    told = {e: r for e, r in figures(truth)["promise_kept_rate"].items() if r is not None}
    assert told == pytest.approx({e: kept[e] / fell_due[e] for e in fell_due})


def test_unnoticed_training_is_what_the_events_say(
    truth: Truth, stories: dict[int, list[Told]]
) -> None:
    count: Counter[tuple[str, str]] = Counter()
    ages: list[int] = []
    for story in stories.values():
        at_work: str | None = None
        done: dict[str, tuple[str, Told]] = {}
        noticed: set[str] = set()
        for told in story:
            own = told.happening.own
            match told.happening.event_type:
                case "EmploymentStarted":
                    at_work = own["employer_id"]
                case "EmploymentEnded":
                    at_work = None
                case "TrainingCompleted" if own["result"] != "FAILED" and at_work:
                    done[own["enrolment_id"]] = (at_work, told)
                case "TrainingAcknowledged":
                    noticed.add(own["enrolment_id"])
        for enrolment, (employer, told) in done.items():
            seen = enrolment in noticed
            count[employer, "noticed" if seen else "unnoticed"] += 1
            if not seen:
                ages.append((int(UNTIL.timestamp()) - told.happening.at) // 86_400)
    assert dict(truth.noticed) == dict(count)
    assert figures(truth)["median_unnoticed_days"] == middle(ages)


def test_support_by_kind_and_starter_is_what_the_events_say(
    truth: Truth, stories: dict[int, list[Told]]
) -> None:
    count: Counter[tuple[str, str]] = Counter()
    for story in stories.values():
        for told in story:
            if told.happening.event_type == "SupportGiven":
                count[told.happening.own["kind"], told.happening.own["started_by"]] += 1
    told_counts: Counter[tuple[str, str]] = Counter()
    for (_, _, kind, starter), number in truth.support.items():
        told_counts[kind, starter] += number
    assert told_counts == count


def test_earnings_are_what_the_pay_events_say(truth: Truth, stories: dict[int, list[Told]]) -> None:
    """Second by second, from EmploymentStarted, WageChanged and EmploymentEnded."""
    found: dict[str, list[int]] = defaultdict(list)
    for story in stories.values():
        for course, day in exits(story).values():
            if employed(story, day, 2):
                found[course].append(_earned(story, quarter_start(day, 2), quarter_start(day, 3)))
    expected = {course: float(middle(dollars)) for course, dollars in found.items()}
    assert figures(truth)["median_earnings_q2"] == expected


def _earned(story: list[Told], first: date, after: date) -> int:
    since, until = (
        int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp()) for d in (first, after)
    )
    cents = total = 0
    changed = since
    for told in story:
        if told.happening.event_type not in {"EmploymentStarted", "WageChanged", "EmploymentEnded"}:
            continue
        now = min(max(told.happening.at, since), until)
        total += cents * (now - changed)
        changed = now
        amount = told.happening.own.get("wage_amount")
        cents = 0 if amount is None else int(amount * 100)
    total += cents * (until - changed)
    return total * 40 // (7 * 86_400 * 100)


def test_slices_add_up_to_the_whole(truth: Truth) -> None:
    added = Truth(REGION.window)
    for start in range(0, WORKERS, 250):
        part = Truth(REGION.window)
        for life in REGION.lives(start, min(WORKERS, start + 250)):
            part.add(life)
        added.merge(part)
    assert added.as_json() == truth.as_json()


def test_counting_on_the_way_changes_nothing(truth: Truth) -> None:
    counted = Truth(REGION.window)
    events = sum(1 for _ in generate(WORKERS, SEED, truth=counted))
    assert counted.as_json() == truth.as_json()
    assert events == sum(1 for _ in generate(WORKERS, SEED))


def test_slices_of_other_times_are_not_added(truth: Truth) -> None:
    with pytest.raises(ValueError, match="different times"):
        truth.merge(Truth(Region(until=UNTIL + timedelta(days=1)).window))


def test_the_truth_is_written_and_read(truth: Truth, tmp_path: Path) -> None:
    write_truth(truth, tmp_path / "deep" / "truth.json")
    read = json.loads((tmp_path / "deep" / "truth.json").read_text())
    assert read["totals"]["workers"] == WORKERS
    assert sum(read["standing"].values()) == read["totals"]["enrolments"]
    assert read["figures"]["promise_kept_rate"].keys() == {e.id for e in EMPLOYERS}


@pytest.mark.parametrize(("days_ago", "gone"), [(89, False), (90, True), (91, True)])
def test_an_exit_is_known_on_the_ninetieth_day(days_ago: int, gone: bool) -> None:
    """Day 90 counts as elapsed; the exit is the day of the last service."""
    window = REGION.window
    last = window.until - days_ago * DAY
    course = Enrolment("e", COURSES[0], enrolled_at=last - 10 * DAY, sessions=[(last, 0.5)])
    assert exit_of(course, window) == (last if gone else None)
    assert standing(course, window) == ("silent" if gone else "running")


@pytest.mark.parametrize("values", [[3], [1, 2], [5, 5, 9], [1, 4, 9, 100]])
def test_the_median_is_the_usual_one(values: list[int]) -> None:
    assert median(Counter(values)) == middle(values)


def test_nobody_has_no_median() -> None:
    assert median({}) is None
