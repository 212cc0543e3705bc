"""Work: one job after the other, time without work between them, pay and steps up."""

from __future__ import annotations

from typing import Final

from services.demo.model import DAY, HOUR, Chance, Enrolment, Job, Life, Promise, Window
from services.demo.places import EMPLOYERS, Employer, Step

_WEIGHTS: Final = tuple(employer.weight for employer in EMPLOYERS)
_END_REASONS: Final = ("QUIT", "LAID_OFF", "DISMISSED", "CONTRACT_ENDED", "RETIRED")
_END_WEIGHTS: Final = (52, 19, 8, 17, 4)
# Days that short, middling and long jobs last.
_LENGTHS: Final = ((25, 150), (150, 560), (560, 2400))
_YEAR: Final = 365 * DAY
# A late promise comes within these, or not at all.
_LATE: Final = 80 * DAY
# Pay of each group against the ladder's, as found in too many regions.
_PAID: Final = {"women": 0.95, "men": 1.0, "not_stated": 0.98}


def work(life: Life, chance: Chance, window: Window) -> None:
    """Give the person jobs until the window ends. Pay and promotions come later: see advance."""
    at = life.registered_at + DAY
    if not chance.yes(0.58):
        at += chance.between(60, 1000) * DAY
    while at < window.until - 10 * DAY:
        employer = EMPLOYERS[chance.weighted(*_WEIGHTS)]
        job = _job(life, chance, window, employer, chance.working_hours(at))
        life.jobs.append(job)
        if job.ended_at is None:
            return
        at = job.ended_at + chance.between(4, chance.between(40, 500)) * DAY


def find_work(life: Life, chance: Chance, window: Window, after: int) -> None:
    """A finished course may end a long time without work."""
    if life.job_at(after) is not None or not chance.yes(0.6):
        return
    following = min((j.started_at for j in life.jobs if j.started_at > after), default=None)
    start = chance.working_hours(after + chance.between(7, 75) * DAY)
    if start + 30 * DAY > (following or window.until):
        return
    job = _job(life, chance, window, EMPLOYERS[chance.weighted(*_WEIGHTS)], start)
    if following is not None and (job.ended_at is None or job.ended_at >= following):
        job.ended_at, job.end_reason = following - 3 * DAY, "QUIT"
    life.jobs.append(job)
    life.jobs.sort(key=lambda job: job.started_at)


def _job(life: Life, chance: Chance, window: Window, employer: Employer, start: int) -> Job:
    step = employer.ladder[min(chance.weighted(70, 22, 7, 1), len(employer.ladder) - 1)]
    low, high = _LENGTHS[chance.weighted(24 * employer.quits, 34 * employer.quits, 42)]
    end = chance.working_hours(start + chance.between(low, high) * DAY)
    ended_at = window.seen(end)
    return Job(
        code=f"j-{life.code}-{len(life.jobs) + 1}",
        employer=employer,
        started_at=start,
        ended_at=ended_at,
        end_reason=_END_REASONS[chance.weighted(*_END_WEIGHTS)] if ended_at else None,
        occupation=step.occupation,
        level=step.level,
        pay=[(start, _first_pay(step, life, chance))],
    )


def _first_pay(step: Step, life: Life, chance: Chance) -> int:
    share = _PAID[life.group] * (0.94 + 0.14 * chance.roll())
    return round(step.hourly_cents * share)


def advance(life: Life, chance: Chance, window: Window) -> None:
    """Yearly talks, and what promises brought, in the order in which they came."""
    for job in life.jobs:
        promises = [p for p in life.promises if p.pathway.employer is job.employer]
        steps: list[tuple[int, Promise | None]] = [
            (p.kept_at, p) for p in promises if p.kept_at is not None and job.held_at(p.kept_at)
        ]
        steps += [(at, None) for at in _talks(job, promises, chance, window)]
        for at, promise in sorted(steps, key=lambda step: step[0]):
            if promise is None:
                _talk(job, life, chance, at)
            else:
                _keep(promise, job, chance, window)


def _talks(job: Job, promises: list[Promise], chance: Chance, window: Window) -> list[int]:
    """When a job is talked about: yearly, but not while a promise of the employer runs."""
    end = job.ended_at or window.until
    running = [(p.made_at, (p.due_by or window.until) + _LATE) for p in promises if p.accepted_at]
    talks = []
    at = chance.working_hours(job.started_at + chance.between(190, 380) * DAY)
    while at < end:
        if not any(since <= at <= until for since, until in running):
            talks.append(at)
        at = chance.working_hours(at + chance.between(280, 400) * DAY)
    return talks


def _keep(promise: Promise, job: Job, chance: Chance, window: Window) -> None:
    """Do what was promised. A higher role can't be given at the top of the ladder."""
    assert promise.kept_at is not None
    assert promise.due_by is not None
    outcome, at = promise.pathway.outcome, promise.kept_at
    if outcome == "ROLE" and not promote(job, at - 120):
        promise.kept_at, promise.lapsed_at = None, window.seen(promise.due_by + HOUR)
    elif outcome in ("ROLE", "WAGE_STEP"):
        raise_pay(job, at - 60, 1.05 + 0.05 * chance.roll())


def _talk(job: Job, life: Life, chance: Chance, at: int) -> None:
    """A step up, other duties, a raise, or nothing. Noticed training makes a step up likelier."""
    if chance.yes(_promotion_share(life.enrolments, at)) and promote(job, at):
        raise_pay(job, at + 60, 1.06 + 0.07 * chance.roll())
    elif chance.yes(0.07):
        job.role_changes.append((at, chance.pick(job.employer.ladder).occupation))
    elif chance.yes(0.72):
        fair = _PAID[life.group]
        raise_pay(job, at, 1.0 + 0.06 * chance.roll() * job.employer.raises * fair)


def _promotion_share(enrolments: list[Enrolment], at: int) -> float:
    recent = [e for e in enrolments if e.finished and 0 <= at - (e.completed_at or 0) < _YEAR]
    if any(e.noticed_at is not None and e.noticed_at <= at for e in recent):
        return 0.33
    return 0.15 if recent else 0.07


def promote(job: Job, at: int) -> bool:
    """Move the person one rung up; False at the top of the ladder."""
    level = job.promotions[-1][2] if job.promotions else job.level
    for step in job.employer.ladder:
        if step.level > level and at > job.started_at:
            job.promotions.append((at, step.occupation, step.level))
            return True
    return False


def raise_pay(job: Job, at: int, factor: float) -> None:
    cents = round(job.pay[-1][1] * factor)
    if cents > job.pay[-1][1]:
        job.pay.append((at, cents))
