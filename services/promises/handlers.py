"""Decisions about pathways, promises and answers; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.common.emit import Actor, Event, about_organization, about_worker
from services.common.ids import derived_id
from services.promises.requests import PathwayOrder

# What an employer asks to see when a person says yes: how the promise goes, and the training that
# leads there.
ASKED_CATEGORIES = ("promise", "training")
ASKED_PURPOSE = "advancement"


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
