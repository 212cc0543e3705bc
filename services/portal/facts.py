"""Each thing that happened as one short fact, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
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

# A promise whose days have passed is late, and waits on the pages, for so long. Then it was broken.
LATE_FOR: Final = timedelta(days=90)
OVER: Final = frozenset({"kept", "kept_late", "broken", "declined", "withdrawn"})


@dataclass(frozen=True, slots=True)
class State:
    """A word beside a fact: `code` is one of checked, you, open, kept, late, broken, gone."""

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
    """How a promise stands at `now`, in a word."""
    return {
        "declined": State("you", t.gettext("You said no")),
        "kept": State("kept", t.gettext("Kept")),
        "kept_late": State("kept", t.gettext("Kept late")),
        "withdrawn": State("gone", t.gettext("Taken back")),
        "broken": State("broken", t.gettext("Not kept")),
        "late": State("late", t.gettext("Late")),
        "open": State("open", t.gettext("Open")),
    }[promise_code(promise, now)]


def promise_code(promise: Mapping[str, Any], now: datetime) -> str:
    """How a row of `read.promise` stands at `now`: open, late, or one of `OVER`."""
    due, kept, lapsed = (promise.get(name) for name in ("due_at", "kept_at", "lapsed_at"))
    if promise.get("declined_at"):
        return "declined"
    if kept:
        return "kept" if due is None or kept <= due else "kept_late"
    if is_withdrawn(promise):
        return "withdrawn"
    last = due or lapsed
    if last is None or last >= now:
        return "open"
    return "broken" if lapsed and now - last > LATE_FOR else "late"


def is_withdrawn(promise: Mapping[str, Any]) -> bool:
    """Whether whoever made it took it back, not later than its last day: as `read` has it."""
    if promise.get("employer_id") not in (promise.get("withdrawn_by") or ()):
        return False
    due = promise.get("due_at")
    return due is None or promise["withdrawn_at"] <= due


def _state(event: Decoded, by_worker: bool, t: Language, known: Known) -> State | None:
    if event.name == "PromiseMade":
        promise = known.promises.get(event.fields["promise_id"], {})
        return promise_state(promise, t, known.now)
    if event.name in ("WorkerRegistered", "ContactChanged"):
        return None
    if by_worker:
        return State("you", t.gettext("From you"))
    return State("checked", t.gettext("Checked"))
