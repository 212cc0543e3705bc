"""Promises: made with a course, accepted, due when it is done, then kept, kept late, or not."""

from __future__ import annotations

from services.demo.model import DAY, HOUR, Chance, Enrolment, Life, Promise, Window
from services.demo.places import PROMISED, Pathway


def promise(life: Life, chance: Chance, window: Window) -> None:
    """Give some of the person's enrolments a promise of an employer."""
    for enrolment in life.enrolments:
        if enrolment.enrolled_at is None:
            continue
        for pathway in PROMISED[enrolment.course.id]:
            if chance.yes(0.55) and _may_be_made(life, pathway, enrolment.enrolled_at):
                life.promises.append(_promise(life, chance, window, pathway, enrolment))


def _may_be_made(life: Life, pathway: Pathway, at: int) -> bool:
    """Interviews are promised to anyone; what goes with a job, to the employer's own people."""
    job = life.job_at(at)
    own = job is not None and job.employer is pathway.employer
    return own or (job is None and pathway.outcome == "INTERVIEW")


def _promise(
    life: Life, chance: Chance, window: Window, pathway: Pathway, enrolment: Enrolment
) -> Promise:
    assert enrolment.enrolled_at is not None
    made_at = chance.working_hours(enrolment.enrolled_at + chance.between(1, 14) * DAY)
    made_at = min(made_at, window.until)
    made = Promise(f"p-{life.code}-{len(life.promises) + 1}", pathway, made_at)
    if life.claimed and chance.yes(0.88):
        made.accepted_at = window.seen(made_at + chance.between(1, 9 * 24) * HOUR)
    if made.accepted_at is not None and enrolment.finished:
        _fall_due(made, life, chance, window, enrolment)
    return made


def _fall_due(
    made: Promise, life: Life, chance: Chance, window: Window, enrolment: Enrolment
) -> None:
    assert enrolment.completed_at is not None
    assert made.accepted_at is not None
    met_at = max(enrolment.completed_at, made.accepted_at)
    if met_at > window.until:
        return
    made.met_at, made.due_by = met_at, met_at + made.pathway.days * DAY
    keeps = made.pathway.employer.keeps
    how = chance.weighted(keeps, (1 - keeps) * 0.35, (1 - keeps) * 0.65)  # in time, late, not
    if how == 0:
        kept_at = chance.working_hours(met_at + chance.between(2, made.pathway.days - 1) * DAY)
    else:
        kept_at = chance.working_hours(made.due_by + chance.between(3, 70) * DAY)
    possible = made.pathway.outcome == "INTERVIEW" or _still_there(life, made, kept_at)
    if how < 2 and possible:
        made.kept_at = window.seen(kept_at)
    if made.kept_at is None or made.kept_at > made.due_by:
        made.lapsed_at = window.seen(made.due_by + HOUR)
    if made.pathway.outcome == "INTERVIEW" and how < 2:
        made.guaranteed_at = window.seen(met_at + chance.between(2, 20) * HOUR)


def _still_there(life: Life, made: Promise, at: int) -> bool:
    job = life.job_at(at)
    return job is not None and job.employer is made.pathway.employer
