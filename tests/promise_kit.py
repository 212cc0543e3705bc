"""For the tests of promises: the facts of one worker's story, and the events that carry them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from services.common.codec import decode
from services.common.emit import HUB, Actor, Event, about_worker
from services.promises.facts import Fact, fact_of

ANA = UUID("a0000000-0000-4000-8000-000000000001")
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
ACME, COLLEGE = "acme", "river-college"
CRITERIA = [
    "training:c-101",
    "skill:onet:2.B.1;attested_by=SUPERVISOR;times=2",
    "assessment:a-7;at_least=0.8",
]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def event(name: str, at: float, source: str = ACME, *, of: UUID = ANA, **own: Any) -> Event:
    """An event on a day. Its id follows from what it says."""
    superseded: UUID | None = own.pop("supersedes", None)
    told = sorted((key, str(value)) for key, value in own.items())
    event_id = uuid5(of, f"{name} {at} {source} {told} {superseded}")
    return about_worker(
        name,
        event_id,
        of,
        Actor("EMPLOYER", "test", source),
        at=day(at),
        supersedes=superseded.bytes if superseded else None,
        **own,
    )


def fact(name: str, at: float, source: str = ACME, **own: Any) -> Fact:
    return fact_of(decode(event(name, at, source, **own).value))


def made(at: float = 0, *, criteria: list[str] | None = None, **own: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "promise_id": "p-1",
        "employer_id": ACME,
        "pathway_id": "to-lead",
        "pathway_version": 1,
        "outcome": "INTERVIEW",
        "due_in_days": 30,
        "criteria": CRITERIA if criteria is None else criteria,
    }
    return {"name": "PromiseMade", "at": at, **given, **own}


def accepted(at: float = 1) -> dict[str, Any]:
    return {"name": "PromiseAccepted", "at": at, "promise_id": "p-1"}


def withdrawn(at: float, by: str = ACME, promise_id: str = "p-1") -> dict[str, Any]:
    own = {"promise_id": promise_id, "employer_id": by, "reason": "POSITION_CLOSED"}
    return {"name": "PromiseWithdrawn", "at": at, "source": by, **own}


def disputed(at: float, reason: str = "NOT_KEPT") -> dict[str, Any]:
    own = {"promise_id": "p-1", "reason": reason, "statement": None}
    return {"name": "PromiseDisputed", "at": at, "source": HUB, **own}


def finished(at: float, result: str = "PASSED", course: str = "c-101") -> dict[str, Any]:
    own = {"enrolment_id": f"e-{at}", "course_id": course, "provider_id": COLLEGE}
    return {
        "name": "TrainingCompleted",
        "at": at,
        "source": COLLEGE,
        **own,
        "result": result,
        "score": None,
    }


def attested(at: float, number: int, by: str = "SUPERVISOR") -> dict[str, Any]:
    own = {"attestation_id": f"s-{number}", "skill_id": "onet:2.B.1", "level": "CAN_DO"}
    return {"name": "SkillAttested", "at": at, **own, "attested_by": by, "evidence": None}


def scored(at: float, score: float) -> dict[str, Any]:
    own = {"enrolment_id": "e-1", "course_id": "c-101", "assessment_id": "a-7", "phase": "AFTER"}
    return {
        "name": "AssessmentTaken",
        "at": at,
        "source": COLLEGE,
        **own,
        "score": score,
        "carried_over": False,
    }


def interviewed(at: float, by: str = ACME, promise_id: str | None = None) -> dict[str, Any]:
    own = {"interview_id": f"i-{at}", "employer_id": by, "promise_id": promise_id}
    return {"name": "InterviewHeld", "at": at, "source": by, **own}


def hired(at: float, job: str = "j-1", wage: str | None = "20.00") -> dict[str, Any]:
    own = {"employment_id": job, "employer_id": ACME, "occupation": None, "job_level": None}
    pay = {"wage_amount": Decimal(wage) if wage else None, "wage_currency": "USD"}
    return {"name": "EmploymentStarted", "at": at, **own, **pay, "wage_period": "HOUR"}


def paid(at: float, wage: str, job: str = "j-1", period: str = "HOUR") -> dict[str, Any]:
    own = {"employment_id": job, "employer_id": ACME, "wage_amount": Decimal(wage)}
    return {"name": "WageChanged", "at": at, **own, "wage_currency": "USD", "wage_period": period}


def left(at: float, job: str = "j-1", **own: Any) -> dict[str, Any]:
    return {
        "name": "EmploymentEnded",
        "at": at,
        "employment_id": job,
        "employer_id": ACME,
        "reason": "QUIT",
        **own,
    }


def facts(*told: dict[str, Any]) -> list[Fact]:
    return [fact(**one) for one in told]
