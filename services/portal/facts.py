"""Each thing that happened as one short fact, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.codec import Decoded
from services.portal.i18n import Language
from services.portal.sayings import SAY, Known, other
from services.portal.words import occupation

# Not on the time line: the sharing page has these, or they are too many to read one by one.
NOT_ON_TIME_LINE = frozenset(
    {
        "AccessDeclined",
        "AccessRequested",
        "AssessmentTaken",
        "ConsentExpired",
        "ConsentGranted",
        "ConsentWithdrawn",
        "DisclosureAttempted",
        "DisclosureRecalled",
        "ErasureKeysDestroyed",
        "ErasureRecipientNotified",
        "ErasureStorePurged",
        "PromiseAccepted",
        "RecallAcknowledged",
        "TrainingProgressed",
    }
)


@dataclass(frozen=True, slots=True)
class State:
    """A word at the side of a fact: `code` is one of checked, you, open, kept, late, broken."""

    code: str
    word: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the story."""

    event_id: UUID
    kind: str  # the part of the record it belongs to
    label: str
    name: str | None  # what it is about, in the words of whoever published it
    who: str
    at: datetime
    when: str
    state: State | None
    extra: str | None = None
    language: str | None = None  # of the name, when it is known and not the page's own


def fact_of(event: Decoded, t: Language, known: Known) -> Fact:
    """The fact that an event is, for the person it is about."""
    fields = event.fields
    label, name, extra = SAY.get(event.name, other)(fields, t, known)
    by_worker = fields["actor_role"] == "WORKER"
    who = t.gettext("You") if by_worker else known.name(fields["source"])
    day_known = fields.get("day_known", True)
    return Fact(
        event_id=event.event_id,
        kind=event.event_type.category,
        label=label,
        name=None if name == who else name,
        who=who,
        at=fields["occurred_at"],
        when=t.date(fields["occurred_at"]) if day_known else t.gettext("Day not known"),
        state=_state(event, by_worker, t, known),
        extra=extra,
        language="en" if occupation(fields.get("occupation")) and t.code == "es" else None,
    )


def promise_state(promise: Mapping[str, Any], t: Language, now: datetime) -> State:
    """Kept, not kept, late or open, at `now`."""
    due, kept = promise.get("due_at"), promise.get("kept_at")
    if kept:
        in_time = due is None or kept <= due
        return State("kept", t.gettext("Kept") if in_time else t.gettext("Kept late"))
    if promise.get("lapsed_at"):
        return State("broken", t.gettext("Not kept"))
    if promise.get("declined_at"):
        return State("you", t.gettext("You said no"))
    if due and due < now:
        return State("late", t.gettext("Late"))
    return State("open", t.gettext("Open"))


def _state(event: Decoded, by_worker: bool, t: Language, known: Known) -> State | None:
    if event.name == "PromiseMade":
        promise = known.promises.get(event.fields["promise_id"], {})
        return promise_state(promise, t, known.now)
    if event.name in ("WorkerRegistered", "ContactChanged"):
        return None
    if by_worker:
        return State("you", t.gettext("From you"))
    return State("checked", t.gettext("Checked"))
