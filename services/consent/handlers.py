"""Decisions about requests, grants and withdrawals; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.common.emit import Actor, Event, about_worker
from services.common.errors import FieldError, Problem
from services.common.ids import derived_id
from services.consent.requests import AccessRequest, GrantOrder
from services.consent.wording import Wording, wordings


@dataclass(frozen=True, slots=True)
class Given:
    """A grant as it was given, whether its event is on the log yet or not."""

    grant_id: UUID
    worker_id: UUID
    recipient_id: str
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    wording_version: str
    wording_language: str
    wording_sha256: str
    request_id: str | None
    granted_at: datetime

    def event(self) -> Event:
        """The same grant is always the same event."""
        return about_worker(
            "ConsentGranted",
            derived_id("ConsentGranted", self.grant_id),
            self.worker_id,
            Actor("WORKER", "self"),
            at=self.granted_at,
            grant_id=self.grant_id.bytes,
            recipient_id=self.recipient_id,
            categories=list(self.categories),
            purposes=list(self.purposes),
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            wording_version=self.wording_version,
            wording_language=self.wording_language,
            wording_sha256=self.wording_sha256,
            request_id=self.request_id,
        )

    def answers(self, order: GrantOrder, worker_id: UUID) -> bool:
        """Whether the order, sent again, asks for exactly this grant."""
        return (
            self.worker_id == worker_id
            and self.recipient_id == order.recipient_id
            and set(self.categories) == order.categories
            and set(self.purposes) == order.purposes
            and order.valid_from in (None, self.valid_from)
            and self.valid_until == order.valid_until
            and self.wording_version == order.wording_version
            and self.wording_language == order.wording_language
            and self.request_id == order.request_id
        )


def grant(
    order: GrantOrder, grant_id: UUID, worker_id: UUID, *, longest: timedelta, now: datetime
) -> Given:
    """The grant that an order makes. Raises Problem 422 naming the field and the fix."""
    valid_from = order.valid_from or now
    _check_span(valid_from, order.valid_until, longest, now)
    shown = _shown(order)
    return Given(
        grant_id=grant_id,
        worker_id=worker_id,
        recipient_id=order.recipient_id,
        categories=tuple(sorted(order.categories)),
        purposes=tuple(sorted(order.purposes)),
        valid_from=valid_from,
        valid_until=order.valid_until,
        wording_version=shown.version,
        wording_language=shown.language,
        wording_sha256=shown.sha256,
        request_id=order.request_id,
        granted_at=now,
    )


def _check_span(start: datetime, end: datetime, longest: timedelta, now: datetime) -> None:
    if end <= max(start, now):
        raise invalid("valid_until", "it has passed or is before valid_from", "Give a later day.")
    if end > max(start, now) + longest:
        raise invalid(
            "valid_until", f"it is over {longest.days} days away", "Agree for at most 12 months."
        )


def _shown(order: GrantOrder) -> Wording:
    """The words that the person saw."""
    shown = wordings().get((order.wording_version, order.wording_language))
    if shown is None:
        known = ", ".join(f"{version} in {language}" for version, language in wordings())
        raise invalid("wording_version", "there are no such words", f"Show one of: {known}.")
    if order.wording_sha256 not in (None, shown.sha256):
        raise invalid("wording_sha256", "it is not of those words", f"Expected {shown.sha256}.")
    return shown


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for access, as it was made."""

    request_id: str
    worker_id: UUID
    recipient_id: str
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime

    def event(self, actor: Actor) -> Event:
        return about_worker(
            "AccessRequested",
            derived_id("AccessRequested", self.recipient_id, self.request_id),
            self.worker_id,
            actor,
            at=self.requested_at,
            request_id=self.request_id,
            recipient_id=self.recipient_id,
            categories=list(self.categories),
            purposes=list(self.purposes),
            expires_at=self.expires_at,
        )

    def same_as(self, other: Asked) -> bool:
        """Whether both ask for the same, whoever is asked."""
        mine, theirs = (
            (a.recipient_id, a.categories, a.purposes, a.expires_at) for a in (self, other)
        )
        return mine == theirs


def ask(
    order: AccessRequest,
    request_id: str,
    worker_id: UUID,
    recipient_id: str,
    *,
    longest: timedelta,
    now: datetime,
) -> Asked:
    """The request that an order makes. Raises Problem 422 naming the field and the fix."""
    if not now < order.expires_at <= now + longest:
        raise invalid(
            "expires_at",
            f"it is not within the next {longest.days} days",
            "Say until when the person can answer.",
        )
    return Asked(
        request_id=request_id,
        worker_id=worker_id,
        recipient_id=recipient_id,
        categories=tuple(sorted(order.categories)),
        purposes=tuple(sorted(order.purposes)),
        requested_at=now,
        expires_at=order.expires_at,
    )


def check_request(order: GrantOrder, asked: Mapping[str, Any] | None, *, now: datetime) -> None:
    """Whether a grant may name this request to its giver as what it answers.

    A no, and a yes that was withdrawn, may be followed by another yes. Raises Problem 422 or 409
    that names `request_id` and the fix.
    """
    if asked is None:
        fix = "Use an id of GET /v1/access-requests, or leave it out."
        raise invalid("request_id", "you were not asked by such a request", fix)
    if asked["recipient_id"] != order.recipient_id:
        problem = f"it is a request of {asked['recipient_id']}, not of {order.recipient_id}"
        fix = "Name who asked as recipient_id, or leave request_id out."
        raise invalid("request_id", problem, fix)
    if now >= asked["expires_at"]:
        raise _too_late("expired", f"it could be answered until {asked['expires_at']:%Y-%m-%d}")


def answered() -> Problem:
    return _too_late("answered", "a grant that answers it is in force")


def _too_late(code: str, problem: str) -> Problem:
    fix = "Leave request_id out: a grant needs no request."
    error = FieldError("request_id", problem, fix)
    return Problem(409, code, f"request_id: {problem}. {fix}", errors=[error])


def decline(request_id: str, worker_id: UUID, recipient_id: str, *, now: datetime) -> Event:
    return about_worker(
        "AccessDeclined",
        derived_id("AccessDeclined", worker_id, request_id),
        worker_id,
        Actor("WORKER", "self"),
        at=now,
        request_id=request_id,
        recipient_id=recipient_id,
    )


def withdraw(
    grant_id: UUID, worker_id: UUID, recipient_id: str, *, channel: str, now: datetime
) -> Event:
    """Withdrawing twice is the same event."""
    return about_worker(
        "ConsentWithdrawn",
        derived_id("ConsentWithdrawn", grant_id),
        worker_id,
        Actor("WORKER", "self"),
        at=now,
        grant_id=grant_id.bytes,
        recipient_id=recipient_id,
        channel=channel,
    )


def invalid(field: str, problem: str, fix: str) -> Problem:
    return Problem(
        422,
        "invalid",
        f"{field}: {problem}. {fix}",
        errors=[FieldError(field, problem, fix)],
    )


def conflict(what: str) -> Problem:
    return Problem(409, "conflict", f"This {what} id is taken by one that says something else.")
