"""From a life to its events, in order. forms.py has the forms that they travel in."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

from services.demo.model import DAY, Enrolment, Job, Life, Promise, Skill, SupportAct, instant
from services.demo.places import OPERATOR, SELF, Organization

Fields = dict[str, Any]


class Happening(NamedTuple):
    """One event of a life: when, what, by whom, and its own fields (instants, Decimals, text)."""

    at: int
    event_type: str
    author: Organization
    actor: str
    own: Fields


def happenings(life: Life, until: int) -> list[Happening]:
    """Everything that happened in a life up to until, in order; the registration first."""
    told = [
        Happening(
            life.registered_at,
            "WorkerRegistered",
            OPERATOR,
            "registration",
            {"display_name": life.name, "contact_email": life.email, "language": life.language},
        )
    ]
    for job in life.jobs:
        told += _job(job)
    for enrolment in life.enrolments:
        told += _enrolment(enrolment)
    for promise in life.promises:
        told += _promise(promise, until)
    told += [_support(life, n, act) for n, act in enumerate(life.support, 1)]
    told += [_skill(life, n, skill) for n, skill in enumerate(life.skills, 1)]
    told.sort(key=itemgetter(0))
    return told


def _money(cents: int) -> Fields:
    return {
        "wage_amount": Decimal(cents).scaleb(-2),
        "wage_currency": "USD",
        "wage_period": "HOUR",
    }


def _job(job: Job) -> Iterator[Happening]:
    employer = job.employer
    ids = {"employment_id": job.code, "employer_id": employer.id}

    def tell(at: int, event_type: str, own: Fields) -> Happening:
        return Happening(at, event_type, employer, "hr", {**ids, **own})

    place = {"occupation": job.occupation, "job_level": job.level}
    yield tell(job.started_at, "EmploymentStarted", {**place, **_money(job.pay[0][1])})
    for at, cents in job.pay[1:]:
        yield tell(at, "WageChanged", _money(cents))
    for at, occupation, level in job.promotions:
        yield tell(at, "Promoted", {"occupation": occupation, "job_level": level})
    for at, occupation in job.role_changes:
        yield tell(at, "RoleChanged", {"occupation": occupation})
    if job.ended_at is not None:
        yield tell(job.ended_at, "EmploymentEnded", {"reason": job.end_reason})


def _enrolment(enrolment: Enrolment) -> Iterator[Happening]:
    course, provider = enrolment.course, enrolment.course.provider
    ids = {"enrolment_id": enrolment.code, "course_id": course.id}
    run = {**ids, "provider_id": provider.id}
    if enrolment.offered_at is not None and enrolment.offered_by is not None:
        by = enrolment.offered_by
        yield Happening(enrolment.offered_at, "TrainingOffered", by, "adviser", run)
    if enrolment.enrolled_at is not None:
        yield Happening(enrolment.enrolled_at, "TrainingEnrolled", provider, "office", run)
    for number, (at, done) in enumerate(enrolment.sessions, 1):
        own = {**ids, "activity_id": f"unit-{number}", "verb": "attended", "progress": done}
        yield Happening(at, "TrainingProgressed", provider, "lms", own)
    for at, phase, mark in enrolment.tests:
        test = {"assessment_id": f"{course.id}-{phase.lower()}", "phase": phase, "score": mark}
        own = {**ids, **test, "carried_over": False}
        yield Happening(at, "AssessmentTaken", provider, "lms", own)
    yield from _ends(enrolment, ids, run)


def _ends(enrolment: Enrolment, ids: Fields, run: Fields) -> Iterator[Happening]:
    course, provider = enrolment.course, enrolment.course.provider
    if enrolment.left_at is not None:
        own = {**run, "reason": enrolment.left_why, "day_known": True}
        yield Happening(enrolment.left_at, "TrainingExited", provider, "office", own)
    if enrolment.completed_at is not None:
        own = {**run, "result": enrolment.result, "score": enrolment.mark}
        yield Happening(enrolment.completed_at, "TrainingCompleted", provider, "office", own)
    if enrolment.credential_at is not None:
        at = enrolment.credential_at
        good_for = course.valid_years * 365 * DAY
        own = {
            "credential_id": f"c-{enrolment.code}",
            "credential_kind": course.id,
            "expires_at": instant(at + good_for) if good_for else None,
        }
        yield Happening(at, "CredentialAwarded", provider, "office", own)
    if enrolment.noticed_at is not None and enrolment.employer is not None:
        own = {**ids, "employer_id": enrolment.employer.id}
        at = enrolment.noticed_at
        yield Happening(at, "TrainingAcknowledged", enrolment.employer, "supervisor", own)


def _promise(promise: Promise, until: int) -> Iterator[Happening]:
    pathway, employer = promise.pathway, promise.pathway.employer
    past = promise.is_past(until)
    which = {"promise_id": promise.code}
    own = {
        **which,
        "employer_id": employer.id,
        "pathway_id": pathway.id,
        "pathway_version": pathway.version,
        "outcome": pathway.outcome,
        "due_in_days": pathway.days,
        # What is past is believed as told; what has criteria, the hub itself says when it is due.
        "criteria": [] if past else pathway.criteria,
    }
    yield Happening(promise.made_at, "PromiseMade", employer, "supervisor", own)
    if promise.accepted_at is not None:
        yield Happening(promise.accepted_at, "PromiseAccepted", SELF, "self", which)
    if past and promise.met_at is not None and promise.due_by is not None:
        due = {**which, "due_at": instant(promise.due_by)}
        yield Happening(promise.met_at, "PromiseDue", OPERATOR, "promises", due)
    if promise.lapsed_at is not None:
        yield Happening(promise.lapsed_at, "PromiseLapsed", OPERATOR, "promises", which)
    interview = {"interview_id": f"i-{promise.code}", "employer_id": employer.id, **which}
    if promise.guaranteed_at is not None:
        yield Happening(promise.guaranteed_at, "InterviewGuaranteed", employer, "hr", interview)
    if promise.kept_at is not None:
        if pathway.outcome == "INTERVIEW":
            yield Happening(promise.kept_at - 60, "InterviewHeld", employer, "hr", interview)
        yield Happening(promise.kept_at, "PromiseKept", OPERATOR, "promises", which)


def _support(life: Life, number: int, act: SupportAct) -> Happening:
    own = {
        "support_id": f"s-{life.code}-{number}",
        "kind": act.kind,
        "started_by": act.started_by,
        "minutes": act.minutes,
    }
    return Happening(act.at, "SupportGiven", act.giver, act.started_by.lower(), own)


def _skill(life: Life, number: int, skill: Skill) -> Happening:
    said = {"skill_id": skill.skill_id, "level": skill.level}
    if skill.by is None:
        return Happening(skill.at, "SkillClaimed", SELF, "self", said)
    own = {
        "attestation_id": f"a-{life.code}-{number}",
        **said,
        "attested_by": skill.role,
        "evidence": skill.evidence,
    }
    return Happening(skill.at, "SkillAttested", skill.by, skill.actor, own)
