"""The truth about a region, counted from the lives themselves as they are made.

Nothing here reads an event, a table or another part of the project, so what the project computes
can be held against it. Counts of two slices add up to the counts of both (`merge`).

Words used below. *Quarter*: calendar quarter; *quarter k after* a day is the k-th quarter after the
one that holds the day. *Employed in a quarter*: a job was held for some moment of it. *Until*: the
end of the region's window; a quarter or a span of days is *over* when it ended before until.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Final

from services.demo.measures import (
    dollars_in,
    employed_in,
    employers_in,
    exit_of,
    first_outcome,
    period_exits,
    promise_standing,
    quarter_of,
    standing,
)
from services.demo.model import DAY, Enrolment, Job, Life, Promise, Window, instant

_SEP: Final = "|"
Key = tuple[str, ...]


def _counter() -> Counter[Key]:
    return Counter()


def counters() -> tuple[str, ...]:
    """The names of Truth's counts."""
    return tuple(f.name for f in fields(Truth) if f.name != "window")


@dataclass(slots=True)
class Truth:
    """Counts by key. Each field's comment says what is counted and by what."""

    window: Window
    # How many there are, by what: workers, claimed, jobs, enrolments, promises …
    totals: Counter[Key] = field(default_factory=_counter)
    # Enrolments by (course, how they stand): see measures.standing.
    standing: Counter[Key] = field(default_factory=_counter)
    # Ends by (course, YYYY-MM of the end, finished | failed | left).
    ended_in: Counter[Key] = field(default_factory=_counter)
    # Leavers told of by (course, months of 30 days since the start, from 1).
    left_in_month: Counter[Key] = field(default_factory=_counter)
    # Exits by (course, standing, quarter 2 | 4, employed | not | not_yet): see measures.exit_of.
    employed_after: Counter[Key] = field(default_factory=_counter)
    # Those employed in quarter 2, by (course, whole dollars earned in that quarter).
    earned_q2: Counter[Key] = field(default_factory=_counter)
    # Exits employed in quarter 2 and over in quarter 4, by (course, same | other employer).
    same_employer: Counter[Key] = field(default_factory=_counter)
    # Exits by (course, with | without credential | not_yet), up to 365 days after the exit.
    credential: Counter[Key] = field(default_factory=_counter)
    # Periods of participation of a person over all courses, by (quarter, employed | not | not_yet).
    periods: Counter[Key] = field(default_factory=_counter)
    # Promises by (employer, how they stand): see measures.promise_standing.
    promises: Counter[Key] = field(default_factory=_counter)
    # Whole days from everything done to kept, by (employer, days).
    days_to_kept: Counter[Key] = field(default_factory=_counter)
    # Whole days from finishing a course to the first outcome, by (course, days | none | not_yet).
    days_to_outcome: Counter[Key] = field(default_factory=_counter)
    # Courses finished by somebody at work, by (employer, noticed | unnoticed).
    noticed: Counter[Key] = field(default_factory=_counter)
    # Whole days that unnoticed courses have waited at until, by (employer, days).
    unnoticed_days: Counter[Key] = field(default_factory=_counter)
    # Jobs whose first 365 days are over, by (employer, promoted in them | not | ended before).
    advanced: Counter[Key] = field(default_factory=_counter)
    # Jobs held for 365 days, by (employer, group, growth of pay in tenths of a percent).
    growth: Counter[Key] = field(default_factory=_counter)
    # Jobs by (employer, months 6 | 12, kept | ended), once 182 or 365 days are over.
    retained: Counter[Key] = field(default_factory=_counter)
    # Learners (1 enrolment or more) by (group, language, helped | not).
    learners: Counter[Key] = field(default_factory=_counter)
    # Acts of support by (group, language, kind, who started it).
    support: Counter[Key] = field(default_factory=_counter)

    def add(self, life: Life) -> None:
        """Count one more life."""
        self._count_totals(life)
        for enrolment in life.enrolments:
            self._count_enrolment(life, enrolment)
        self._count_periods(life)
        for promise in life.promises:
            self._count_promise(promise)
        for job in life.jobs:
            self._count_job(life, job)
        self._count_support(life)

    def merge(self, other: Truth) -> None:
        """Add what another slice of the same region counted. Raises ValueError for another time."""
        if other.window != self.window:
            raise ValueError("the slices end at different times")
        for name in counters():
            getattr(self, name).update(getattr(other, name))

    def _count_totals(self, life: Life) -> None:
        self.totals[("workers",)] += 1
        self.totals[("claimed",)] += life.claimed
        self.totals[("sharing",)] += bool(life.sharing)
        for name in ("jobs", "enrolments", "promises", "support", "skills"):
            self.totals[(name,)] += len(getattr(life, name))

    def _count_enrolment(self, life: Life, enrolment: Enrolment) -> None:
        course, how = enrolment.course.id, standing(enrolment, self.window)
        self.standing[course, how] += 1
        end = enrolment.completed_at or enrolment.left_at
        if end is not None:
            self.ended_in[course, f"{instant(end):%Y-%m}", how] += 1
        if enrolment.left_at is not None and enrolment.enrolled_at is not None:
            month = 1 + (enrolment.left_at - enrolment.enrolled_at) // (30 * DAY)
            self.left_in_month[course, str(month)] += 1
        if enrolment.finished:
            self._count_finished(life, enrolment)
        exited = exit_of(enrolment, self.window)
        if exited is not None:
            self._count_exit(life, enrolment, how, exited)

    def _count_finished(self, life: Life, enrolment: Enrolment) -> None:
        done = enrolment.completed_at or 0
        outcome = first_outcome(life, done)
        waited: str = "none" if done + 365 * DAY < self.window.until else "not_yet"
        if outcome is not None and outcome - done <= 365 * DAY:
            waited = str((outcome - done) // DAY)
        self.days_to_outcome[enrolment.course.id, waited] += 1
        if enrolment.employer is None:
            return
        employer = enrolment.employer.id
        seen = enrolment.noticed_at is not None
        self.noticed[employer, "noticed" if seen else "unnoticed"] += 1
        if not seen:
            self.unnoticed_days[employer, str((self.window.until - done) // DAY)] += 1

    def _count_exit(self, life: Life, enrolment: Enrolment, how: str, exited: int) -> None:
        course, quarter = enrolment.course.id, quarter_of(exited)
        for after in (2, 4):
            state = employed_in(life, quarter + after, self.window)
            self.employed_after[course, how, str(after), state] += 1
        if employed_in(life, quarter + 2, self.window) == "employed":
            self.earned_q2[course, str(dollars_in(life, quarter + 2))] += 1
            if employed_in(life, quarter + 4, self.window) != "not_yet":
                same = employers_in(life, quarter + 2) & employers_in(life, quarter + 4)
                self.same_employer[course, "same" if same else "other"] += 1
        awarded = enrolment.credential_at
        by = exited + 365 * DAY
        if awarded is not None and awarded <= by:
            self.credential[course, "with"] += 1
        else:
            self.credential[course, "without" if by < self.window.until else "not_yet"] += 1

    def _count_periods(self, life: Life) -> None:
        for exited in period_exits(life, self.window):
            for after in (2, 4):
                state = employed_in(life, quarter_of(exited) + after, self.window)
                self.periods[str(after), state] += 1

    def _count_promise(self, promise: Promise) -> None:
        employer = promise.pathway.employer.id
        self.promises[employer, promise_standing(promise, self.window)] += 1
        if promise.kept_at is not None and promise.met_at is not None:
            days = (promise.kept_at - promise.met_at) // DAY
            self.days_to_kept[employer, str(days)] += 1

    def _count_job(self, life: Life, job: Job) -> None:
        employer = job.employer.id
        for months, days in (("6", 182), ("12", 365)):
            then = job.started_at + days * DAY
            if then < self.window.until:
                state = "kept" if job.held_at(then) else "ended"
                self.retained[employer, months, state] += 1
        then = job.started_at + 365 * DAY
        if then >= self.window.until:
            return
        promoted = any(at <= then for at, _, _ in job.promotions)
        state = "promoted" if promoted else "not" if job.held_at(then) else "ended"
        self.advanced[employer, state] += 1
        if job.held_at(then):
            tenths = round(1000 * (job.cents_at(then) / job.pay[0][1] - 1))
            self.growth[employer, life.group, str(tenths)] += 1

    def _count_support(self, life: Life) -> None:
        who = (life.group, life.language)
        if any(enrolment.enrolled_at is not None for enrolment in life.enrolments):
            self.learners[(*who, "helped" if life.support else "not")] += 1
        for act in life.support:
            self.support[(*who, act.kind, act.started_by)] += 1

    def as_json(self) -> dict[str, Any]:
        """All counts, keys joined by `|`, in a fixed order."""
        told: dict[str, Any] = {
            "since": instant(self.window.since).isoformat(),
            "until": instant(self.window.until).isoformat(),
        }
        for name in counters():
            counts: Counter[Key] = getattr(self, name)
            told[name] = {_SEP.join(key): counts[key] for key in sorted(counts)}
        return told
