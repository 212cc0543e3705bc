"""What truth.py counts, defined on a life: exits, employment by quarter, earnings, outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final

from services.demo.model import DAY, Enrolment, Job, Life, Promise, Window

SILENCE_DAYS: Final = 90
HOURS_A_WEEK: Final = 40


@lru_cache(maxsize=4096)
def _quarter_of_day(day: int) -> int:
    date = datetime.fromtimestamp(day * DAY, UTC)
    return 4 * date.year + (date.month - 1) // 3


def quarter_of(at: int) -> int:
    """The calendar quarter of an instant, counted through: 4 * year + 0 to 3."""
    return _quarter_of_day(at // DAY)


@lru_cache(maxsize=256)
def quarter_span(quarter: int) -> tuple[int, int]:
    """First instant of a quarter, and first instant after it."""
    starts = [datetime(q // 4, q % 4 * 3 + 1, 1, tzinfo=UTC) for q in (quarter, quarter + 1)]
    return int(starts[0].timestamp()), int(starts[1].timestamp())


def standing(enrolment: Enrolment, window: Window) -> str:
    """How an enrolment stands at until.

    offered: never begun. finished, failed, left: as told. silent: begun, no end told, and no
    service for 90 days. running: begun, and served in the last 90 days.
    """
    if enrolment.completed_at is not None:
        return "finished" if enrolment.finished else "failed"
    if enrolment.left_at is not None:
        return "left"
    times = enrolment.service_times()
    if not times:
        return "offered"
    return "silent" if _silent(max(times), window) else "running"


def _silent(last: int, window: Window) -> bool:
    return last // DAY + SILENCE_DAYS <= window.until // DAY


def exit_of(enrolment: Enrolment, window: Window) -> int | None:
    """When the person left the course's programme: the last service, once 90 days have passed.

    Services are the days of TrainingEnrolled, TrainingProgressed, AssessmentTaken,
    TrainingCompleted and TrainingExited of this enrolment. Support does not put an exit off.
    The unit is the enrolment. Source: 20 CFR 677.150(c); ETA-9171 counts by programme.
    """
    times = enrolment.service_times()
    return max(times) if times and _silent(max(times), window) else None


def period_exits(life: Life, window: Window) -> Iterator[int]:
    """The exits of a person's periods of participation over all courses.

    Services of all enrolments in one line; where 90 days or more pass between two, a period
    ended at the first. The last period is over when 90 days have passed up to until.
    """
    times = sorted(at for enrolment in life.enrolments for at in enrolment.service_times())
    for before, after in pairwise(times):
        if after // DAY - before // DAY >= SILENCE_DAYS:
            yield before
    if times and _silent(times[-1], window):
        yield times[-1]


def employed_in(life: Life, quarter: int, window: Window) -> str:
    """employed: held a job for some moment of the quarter. not_yet: the quarter is not over."""
    first, after = quarter_span(quarter)
    if after > window.until:
        return "not_yet"
    return "employed" if any(_overlaps(job, first, after) for job in life.jobs) else "not"


def employers_in(life: Life, quarter: int) -> set[str]:
    first, after = quarter_span(quarter)
    return {job.employer.id for job in life.jobs if _overlaps(job, first, after)}


def _overlaps(job: Job, first: int, after: int) -> bool:
    return job.started_at < after and (job.ended_at is None or job.ended_at > first)


def dollars_in(life: Life, quarter: int) -> int:
    """What a person earned in a quarter, in whole dollars, cut not rounded.

    Hourly pay for 40 hours a week, by the second for which each rate of pay held. A full quarter
    of 91 days is 13 weeks (TAC 17-01, attachment III: hourly pay * hours * 13).
    """
    first, after = quarter_span(quarter)
    cent_seconds = 0
    for job in life.jobs:
        if not _overlaps(job, first, after):
            continue
        until = min(after, after if job.ended_at is None else job.ended_at)
        since = [at for at, _ in job.pay] + [until]
        for (start, cents), stop in zip(job.pay, since[1:], strict=True):
            cent_seconds += cents * max(0, min(stop, until) - max(start, first))
    return cent_seconds * HOURS_A_WEEK // (7 * DAY * 100)


def first_outcome(life: Life, after: int) -> int | None:
    """The first good thing at work after an instant.

    An interview held, a job started, a promotion, or a rise in pay, at any employer.
    """
    found = [p.kept_at - 60 for p in life.promises if p.kept_at and p.guaranteed_at]
    for job in life.jobs:
        found.append(job.started_at)
        found += [at for at, _ in job.pay[1:]]
        found += [at for at, _, _ in job.promotions]
    return min((at for at in found if at > after), default=None)


def promise_standing(promise: Promise, window: Window) -> str:
    """How a promise stands at until.

    offered: not accepted. open: accepted, something left to do. due: all done, days left.
    kept: what was promised came by the day it was due. kept_late: it came after. lapsed: it is
    past due and did not come (also when nobody has said so yet).
    """
    if promise.accepted_at is None:
        return "offered"
    if promise.due_by is None:
        return "open"
    if promise.kept_at is not None:
        return "kept" if promise.kept_at <= promise.due_by else "kept_late"
    return "lapsed" if promise.due_by < window.until else "due"
