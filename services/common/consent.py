"""The consent decision. A `Disclosure` is the only thing that may leave, and only this module
builds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from schemas.catalog import EventType, envelope_names
from services.common.codec import Decoded

# What a person can share, and for what; the schemas of consent say the same.
Category = Literal[
    "identity",
    "training",
    "credential",
    "skill",
    "experience",
    "support",
    "promise",
    "opportunity",
    "employment",
    "wage",
]
Purpose = Literal["hiring", "advancement", "training_support", "programme_outcomes"]

# Events about consent and delivery are the worker's own business and never leave; nor does why
# somebody left a job or a course, which may tell of health or discipline.
NEVER_SHARED = frozenset({"consent", "demographic", "discipline", "envelope"})


class Reason(StrEnum):
    """Why nothing is sent, from the most to the least specific."""

    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    CATEGORY = "category"
    PURPOSE = "purpose"
    NO_LIVE_GRANT = "no_live_grant"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a worker agreed to with one recipient. `revoked` is true from the revocation on."""

    grant_id: UUID
    worker_id: UUID
    recipient_id: str
    categories: frozenset[str]
    purposes: frozenset[str]
    valid_from: datetime
    valid_until: datetime
    revoked: bool = False

    def denial(self, category: str, purpose: str, at: datetime) -> Reason | None:
        """Why this grant does not cover the category and purpose at `at`, or None if it does."""
        if category not in self.categories or category in NEVER_SHARED:
            return Reason.CATEGORY
        if purpose not in self.purposes:
            return Reason.PURPOSE
        if self.revoked:
            return Reason.WITHDRAWN
        if at >= self.valid_until:
            return Reason.EXPIRED
        return Reason.NOT_YET if at < self.valid_from else None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who would see it: an organisation's system, what it wants and what for."""

    recipient_id: str
    connection_id: str
    categories: frozenset[str]
    purpose: str


@dataclass(frozen=True, slots=True)
class Names:
    """What stands for the worker and the event towards this recipient."""

    subject: str  # pseudonym
    message_id: str
    sequence: int | None = None  # counts the messages about this worker to this receiver


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one recipient may see of one event. Built here and nowhere else."""

    message_id: str  # stable over retries, different for each recipient
    subject: str  # the worker's pseudonym for this recipient
    event_type: str
    occurred_at: datetime
    source: str
    fields: Mapping[str, object] = field(repr=False)  # redacted to the grant's categories
    recipient_id: str
    grant_id: UUID
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Nothing may be sent. `grant_id` is the grant that came nearest, if there ever was one."""

    reason: Reason
    grant_id: UUID | None = None


def decide(
    category: str,
    recipient: Recipient,
    grants: Iterable[Grant],
    *,
    worker_id: UUID,
    at: datetime,
) -> Grant | Denied:
    """Find the live grant of this worker that covers recipient, category and purpose at `at`.

    Total: any input gives a grant or a reason. Of several grants that cover it, the one that
    lasts longest; of several denials, the most specific.
    """
    if category not in recipient.categories:
        return Denied(Reason.NO_LIVE_GRANT)
    mine = [
        g for g in grants if g.recipient_id == recipient.recipient_id and g.worker_id == worker_id
    ]
    denials = [(g.denial(category, recipient.purpose, at), g) for g in mine]
    live = [g for denial, g in denials if denial is None]
    if live:
        return max(live, key=lambda g: (g.valid_until, g.grant_id))
    for reason in Reason:
        for denial, grant in denials:
            if denial is reason:
                return Denied(reason, grant.grant_id)
    return Denied(Reason.NO_LIVE_GRANT)


def disclose(
    event: Decoded,
    recipient: Recipient,
    grants: Iterable[Grant],
    *,
    names: Names,
    at: datetime,
    opened: Mapping[str, object] | None = None,
) -> Disclosure | Denied:
    """Decide at `at`, and say why when the answer is no.

    opened: plaintext of sealed fields by name; a sealed field that is not in it is left out.
    """
    category = event.event_type.category
    grant = decide(category, recipient, grants, worker_id=event.worker_id, at=at)
    if isinstance(grant, Denied):
        return grant
    allowed = (grant.categories & recipient.categories) - NEVER_SHARED
    return Disclosure(
        message_id=names.message_id,
        subject=names.subject,
        event_type=event.name,
        occurred_at=event.fields["occurred_at"],
        source=event.fields["source"],
        fields=_redacted(event, allowed, opened or {}),
        recipient_id=recipient.recipient_id,
        grant_id=grant.grant_id,
        sequence=names.sequence,
    )


def sealed_in_sight(
    event: Decoded, recipient: Recipient, grants: Iterable[Grant], *, at: datetime
) -> tuple[str, ...]:
    """The sealed fields that `disclose` would show at `at`: only these need to be opened."""
    grant = decide(event.event_type.category, recipient, grants, worker_id=event.worker_id, at=at)
    if isinstance(grant, Denied):
        return ()
    allowed = (grant.categories & recipient.categories) - NEVER_SHARED
    shareable = shareable_fields(event.event_type, event.fields)
    return tuple(
        kind.name
        for kind in event.event_type.sealed_fields
        if kind.category in allowed and shareable.get(kind.name) is not None
    )


def _redacted(
    event: Decoded, allowed: frozenset[str], opened: Mapping[str, object]
) -> dict[str, object]:
    """The event's own fields of the allowed categories, as plain JSON values."""
    kept: dict[str, object] = {}
    for name, value in shareable_fields(event.event_type, event.fields).items():
        kind = event.event_type.fields[name]
        if kind.category not in allowed:
            continue
        if kind.sealed:
            if name in opened:
                kept[name] = opened[name]
        else:
            kept[name] = plain_value(value)
    return kept


def shareable_fields(event_type: EventType, fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are not the envelope, which the recipient's own names replace."""
    envelope = envelope_names(event_type.topic)
    return {name: value for name, value in fields.items() if name not in envelope}


def plain_value(value: object) -> object:
    """A field's value as JSON has it: ids, instants and amounts of money as text."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    if isinstance(value, Decimal):
        return str(value)
    return value
