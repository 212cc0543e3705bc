"""Each thing that happened as one short fact, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.codec import Decoded
from services.portal.i18n import Language
from services.portal.words import level_words, occupation, outcome_words, pay, readable, skill

# Not on the time line: the sharing page has these, or they are too many to read one by one.
NOT_ON_TIME_LINE = frozenset(
    {
        "AccessDeclined",
        "AccessRequested",
        "AssessmentTaken",
        "DisclosureAttempted",
        "ConsentGranted",
        "ConsentWithdrawn",
        "PromiseAccepted",
        "TrainingProgressed",
    }
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the time line looks up: names and titles by id, promises by id, and the time."""

    now: datetime
    names: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    promises: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def name(self, organization_id: str) -> str:
        return self.names.get(organization_id) or readable(organization_id)

    def title(self, programme_id: str) -> str:
        return self.titles.get(programme_id) or readable(programme_id)


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
    label, name, extra = _SAY.get(event.name, _other)(fields, t, known)
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


Said = tuple[str, str | None, str | None]
Fields = Mapping[str, Any]


def _other(fields: Fields, t: Language, known: Known) -> Said:
    return t.gettext("Something new on your record"), None, None


def _said(label: Callable[[Language], str]) -> Callable[[Fields, Language, Known], Said]:
    return lambda fields, t, known: (label(t), None, None)


def _training(label: Callable[[Language], str]) -> Callable[[Fields, Language, Known], Said]:
    return lambda fields, t, known: (label(t), known.title(fields["course_id"]), None)


def _completed(fields: Fields, t: Language, known: Known) -> Said:
    label = {
        "FAILED": t.gettext("Did not pass"),
        "DISTINCTION": t.gettext("Finished with distinction"),
    }.get(fields["result"], t.gettext("Finished"))
    return label, known.title(fields["course_id"]), None


def _noticed(fields: Fields, t: Language, known: Known) -> Said:
    return t.gettext("Your employer saw that you finished"), known.title(fields["course_id"]), None


def _claimed(fields: Fields, t: Language, known: Known) -> Said:
    return t.gettext("Skill"), skill(fields["skill_id"], t), level_words(t).get(fields["level"])


def _attested(fields: Fields, t: Language, known: Known) -> Said:
    level = level_words(t).get(fields["level"])
    by = {
        "SUPERVISOR": t.gettext("Checked by your supervisor"),
        "MENTOR": t.gettext("Checked by your mentor"),
        "ASSESSOR": t.gettext("Checked by an assessor"),
        "PEER": t.gettext("Checked by a co-worker"),
    }.get(fields["attested_by"])
    return t.gettext("Skill"), skill(fields["skill_id"], t), ". ".join(filter(None, (level, by)))


def _awarded(fields: Fields, t: Language, known: Known) -> Said:
    until = fields["expires_at"]
    extra = t.gettext("Good until %(date)s", date=t.date(until)) if until else None
    return t.gettext("Got a certificate"), known.title(fields["credential_kind"]), extra


def _revoked(fields: Fields, t: Language, known: Known) -> Said:
    kind = fields.get("credential_kind")
    return t.gettext("Certificate taken back"), known.title(kind) if kind else None, None


def _supported(fields: Fields, t: Language, known: Known) -> Said:
    kinds = {
        "NUDGE": t.gettext("A reminder"),
        "MENTORING": t.gettext("A mentor"),
        "MENTORING_CIRCLE": t.gettext("A mentor group"),
        "COACHING": t.gettext("A coach"),
        "TUITION": t.gettext("Money for a course"),
        "PAID_TIME": t.gettext("Paid time to learn"),
        "CHILDCARE": t.gettext("Child care"),
        "TRANSPORT": t.gettext("Rides"),
    }
    return t.gettext("Got help"), kinds.get(fields["kind"]), None


def _interview(label: Callable[[Language], str]) -> Callable[[Fields, Language, Known], Said]:
    return lambda fields, t, known: (label(t), known.name(fields["employer_id"]), None)


def _job(label: Callable[[Language], str]) -> Callable[[Fields, Language, Known], Said]:
    def say(fields: Fields, t: Language, known: Known) -> Said:
        name = occupation(fields.get("occupation")) or known.name(fields["employer_id"])
        return label(t), name, pay(fields, t)

    return say


def _pay_changed(fields: Fields, t: Language, known: Known) -> Said:
    return t.gettext("Your pay changed"), pay(fields, t) or known.name(fields["employer_id"]), None


def _promise(label: Callable[[Language], str]) -> Callable[[Fields, Language, Known], Said]:
    def say(fields: Fields, t: Language, known: Known) -> Said:
        promise = known.promises.get(fields["promise_id"], {})
        outcome = fields.get("outcome") or promise.get("outcome")
        what = outcome_words(t).get(str(outcome))
        due = promise.get("due_at")
        by = t.gettext("Due by %(date)s", date=t.date(due)) if due else None
        return label(t), what, by if "due_in_days" in fields else None

    return say


_SAY: Mapping[str, Callable[[Fields, Language, Known], Said]] = {
    "WorkerRegistered": _said(lambda t: t.gettext("Your record started")),
    "TrainingOffered": _training(lambda t: t.gettext("Offered a course")),
    "TrainingEnrolled": _training(lambda t: t.gettext("Joined a course")),
    "TrainingCompleted": _completed,
    "TrainingExited": _training(lambda t: t.gettext("Left a course early")),
    "TrainingAcknowledged": _noticed,
    "AssessmentTaken": _training(lambda t: t.gettext("Took a test")),
    "SkillClaimed": _claimed,
    "SkillAttested": _attested,
    "CredentialAwarded": _awarded,
    "CredentialRevoked": _revoked,
    "ContactChanged": _said(lambda t: t.gettext("Your name or address changed")),
    "SupportGiven": _supported,
    "InterviewGuaranteed": _interview(lambda t: t.gettext("Interview promised")),
    "InterviewHeld": _interview(lambda t: t.gettext("Interview took place")),
    "EmploymentStarted": _job(lambda t: t.gettext("Started a job")),
    "RoleChanged": _job(lambda t: t.gettext("New duties")),
    "Promoted": _job(lambda t: t.gettext("Moved up")),
    "WageChanged": _pay_changed,
    "EmploymentEnded": _job(lambda t: t.gettext("Job ended")),
    "PromiseMade": _promise(lambda t: t.gettext("Promise")),
    "PromiseDue": _promise(lambda t: t.gettext("You did your part of a promise")),
    "PromiseDeclined": _promise(lambda t: t.gettext("You said no to a promise")),
    "CriterionMet": _promise(lambda t: t.gettext("You did one part of a promise")),
    "CriterionUnmet": _promise(lambda t: t.gettext("One part of a promise is open again")),
    "PromiseKept": _promise(lambda t: t.gettext("Promise kept")),
    "PromiseLapsed": _promise(lambda t: t.gettext("Promise not kept")),
}


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
