"""Decisions about pathways, promises, answers and disputes; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.common.emit import Actor, Event, about_organization, about_worker
from services.common.errors import FieldError, Problem
from services.common.ids import derived_id
from services.common.vault import Place
from services.promises.requests import DisputeOrder, PathwayOrder

# What an employer asks to see when a person says yes: how the promise goes, and the training that
# leads there.
ASKED_CATEGORIES = ("promise", "training")
ASKED_PURPOSE = "advancement"
_OVER = {
    "declined": "You said no to this promise.",
    "withdrawn": "The employer took this promise back.",
}


def content_of(order: PathwayOrder) -> dict[str, Any]:
    """What a version of a pathway says."""
    return {
        "title": order.title,
        "criteria": order.criteria.codes(),
        "outcome": order.outcome,
        "due_in_days": order.due_in_days,
    }


def pathway_event(
    organization_id: str,
    pathway_id: str,
    version: int,
    content: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> Event:
    return about_organization(
        "PathwayPublished",
        derived_id("PathwayPublished", organization_id, pathway_id, version),
        organization_id,
        actor,
        at=now,
        entity_id=pathway_id,
        version=version,
        **content,
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of a pathway, promised to one person: the same again is the same promise."""

    employer_id: str
    pathway_id: str
    version: int
    worker_id: UUID

    @property
    def promise_id(self) -> str:
        parts = (self.employer_id, self.pathway_id, self.version, self.worker_id)
        return str(derived_id("promise", *parts))

    def event(self, pathway: Mapping[str, Any], actor: Actor, now: datetime) -> Event:
        """The promise says itself what it asks for: no later version changes it."""
        return about_worker(
            "PromiseMade",
            derived_id("PromiseMade", self.promise_id),
            self.worker_id,
            actor,
            at=now,
            promise_id=self.promise_id,
            employer_id=self.employer_id,
            pathway_id=self.pathway_id,
            pathway_version=self.version,
            outcome=pathway["outcome"],
            due_in_days=pathway["due_in_days"],
            criteria=list(pathway["criteria"]),
        )


def answer_event(worker_id: UUID, promise_id: str, answer: str, now: datetime) -> Event:
    name = "PromiseAccepted" if answer == "accept" else "PromiseDeclined"
    return about_worker(
        name,
        derived_id(name, worker_id, promise_id),
        worker_id,
        Actor("WORKER", "self"),
        at=now,
        promise_id=promise_id,
    )


# Of one promise: as many as are shown of it.
MOST_DISPUTES: Final = 20


def check_dispute(reason: str, promise: Mapping[str, Any]) -> None:
    """Whether a person may say this of a promise as it stands.

    That it was not kept: from the moment that it is due, also when others say that it was kept.
    A question: until it is kept. Raises Problem 409 that says what may be said.
    """
    state = promise["state"]
    if state in _OVER:
        raise Problem(409, state, f"{_OVER[state]} Nothing more can be said of it here.")
    if len(promise["dispute_ids"]) >= MOST_DISPUTES:
        fix = "Talk to the employer, or to who helps you."
        raise Problem(409, "said-enough", f"You have said {MOST_DISPUTES} things of it. {fix}")
    was_due = any(promise[name] for name in ("due_at", "outcome_at", "lapsed_at"))
    if reason == "NOT_KEPT" and not was_due:
        raise _not_now("not-due", "it is not due yet", "Ask about it: send QUESTION.")
    if reason == "QUESTION" and promise["outcome_at"]:
        raise _not_now("kept", "it was kept", "If that is wrong, say so: send NOT_KEPT.")


def _not_now(code: str, problem: str, fix: str) -> Problem:
    error = FieldError("reason", problem, fix)
    return Problem(409, code, f"reason: {problem}. {fix}", errors=[error])


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a person says of a promise: the same id again is the same event."""

    worker_id: UUID
    promise_id: str
    reason: str
    dispute_id: UUID

    @classmethod
    def of(cls, worker_id: UUID, promise_id: str, order: DisputeOrder) -> Dispute:
        one = derived_id("dispute", worker_id, promise_id, order.reason)
        return cls(worker_id, promise_id, order.reason, order.dispute_id or one)

    @property
    def subject(self) -> str:
        return f"dispute:{self.worker_id}:{self.promise_id}:{self.dispute_id}"

    @property
    def event_id(self) -> UUID:
        """Not from the words: an id that follows from them would tell them to who guesses."""
        return derived_id("PromiseDisputed", self.worker_id, self.promise_id, self.dispute_id)

    @property
    def place(self) -> Place:
        """Where the words are sealed."""
        return Place("stories", self.event_id, self.worker_id, "statement")

    def event(self, statement: bytes | None, now: datetime) -> Event:
        return about_worker(
            "PromiseDisputed",
            self.event_id,
            self.worker_id,
            Actor("WORKER", "self"),
            at=now,
            promise_id=self.promise_id,
            reason=self.reason,
            statement=statement,
        )


def request_event(
    worker_id: UUID, promise_id: str, employer_id: str, lasts: timedelta, now: datetime
) -> Event:
    """The employer asks to see how its promise goes. Nothing is shared by asking."""
    request_id = request_id_of(promise_id, worker_id)
    return about_worker(
        "AccessRequested",
        derived_id("AccessRequested", employer_id, request_id),
        worker_id,
        Actor("EMPLOYER", "promise", employer_id),
        at=now,
        request_id=request_id,
        recipient_id=employer_id,
        categories=list(ASKED_CATEGORIES),
        purposes=[ASKED_PURPOSE],
        expires_at=now + lasts,
    )


def request_id_of(promise_id: str, worker_id: UUID) -> str:
    return str(derived_id("request", promise_id, worker_id))


def notice_event(
    worker_id: UUID, training: Mapping[str, Any], employer_id: str, actor: Actor, now: datetime
) -> Event:
    """The employer has seen that the person finished a course."""
    return about_worker(
        "TrainingAcknowledged",
        derived_id("TrainingAcknowledged", employer_id, worker_id, training["enrolment_id"]),
        worker_id,
        actor,
        at=now,
        enrolment_id=training["enrolment_id"],
        course_id=training["course_id"],
        employer_id=employer_id,
    )
