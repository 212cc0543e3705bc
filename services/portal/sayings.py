"""What each kind of event says to the person it is about: a label, a name, and a little more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.portal.i18n import Language
from services.portal.words import (
    experience_words,
    goal_words,
    level_words,
    occupation,
    outcome_words,
    pay,
    readable,
    skill,
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


Said = tuple[str, str | None, str | None]
Fields = Mapping[str, Any]


def other(fields: Fields, t: Language, known: Known) -> Said:
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


def _disputed(fields: Fields, t: Language, known: Known) -> Said:
    label = {
        "NOT_KEPT": t.gettext("You said a promise was not kept"),
        "QUESTION": t.gettext("You asked about a promise"),
    }.get(fields["reason"], t.gettext("You said a promise is not right"))
    return _promise(lambda t: label)(fields, t, known)


def _decided(fields: Fields, t: Language, known: Known) -> Said:
    label = {
        "APPROVED": t.gettext("Your course was approved"),
        "REFUSED": t.gettext("Your course was not approved"),
    }.get(fields["decision"], t.gettext("An answer about a course"))
    return label, known.title(fields["course_id"]), None


def _unchecked(fields: Fields, t: Language, known: Known) -> Said:
    return t.gettext("A check of a skill was taken back"), skill(fields["skill_id"], t), None


def _experience(fields: Fields, t: Language, known: Known) -> Said:
    kind = experience_words(t).get(fields["kind"])
    name = occupation(fields["occupation"])
    return t.gettext("Work you did before or elsewhere"), name or kind, kind if name else None


def _goal(fields: Fields, t: Language, known: Known) -> Said:
    label = t.gettext("No longer your goal") if fields["ended"] else t.gettext("Your goal")
    of_skill = fields["skill_id"] and skill(fields["skill_id"], t)
    return (
        label,
        occupation(fields["occupation"]) or of_skill or goal_words(t).get(fields["kind"]),
        pay(fields, t),
    )


def _interest(fields: Fields, t: Language, known: Known) -> Said:
    employer, pathway = fields["employer_id"], fields["pathway_id"]
    name = occupation(fields["occupation"]) or (known.title(pathway) if pathway else None)
    return (
        t.gettext("You showed interest"),
        name or (known.name(employer) if employer else None),
        None,
    )


def _planned(fields: Fields, t: Language, known: Known) -> Said:
    when = t.gettext("On %(date)s", date=t.date(fields["scheduled_for"]))
    return t.gettext("Interview planned"), known.name(fields["employer_id"]), when


def _answered(fields: Fields, t: Language, known: Known) -> Said:
    label = {
        "ACCEPTED": t.gettext("You said yes to a job offer"),
        "DECLINED": t.gettext("You said no to a job offer"),
    }.get(fields["answer"], t.gettext("You answered a job offer"))
    return label, known.name(fields["employer_id"]), None


def _on_hold(fields: Fields, t: Language, known: Known) -> Said:
    if fields["lifted"]:
        return t.gettext("Your record is no longer on hold"), None, None
    return t.gettext("You put your record on hold"), None, None


def _joined(label: Callable[[Language], str]) -> Callable[[Fields, Language, Known], Said]:
    return lambda fields, t, known: (label(t), known.name(fields["organization_id"]), None)


SAY: Mapping[str, Callable[[Fields, Language, Known], Said]] = {
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
    "DemographicsDeclared": _said(lambda t: t.gettext("You told us about yourself")),
    "SourceRecordLinked": _joined(lambda t: t.gettext("A record was joined to yours")),
    "SourceRecordUnlinked": _joined(lambda t: t.gettext("A record was taken off yours")),
    "WorkersMerged": _said(lambda t: t.gettext("Two of your records became one")),
    "WorkersSplit": _said(lambda t: t.gettext("Your record was taken apart")),
    "TrainingRequested": _training(lambda t: t.gettext("Asked for a course")),
    "TrainingDecided": _decided,
    "SkillAttestationWithdrawn": _unchecked,
    "ExperienceRecorded": _experience,
    "NudgeSuggested": lambda f, t, known: (
        t.gettext("We asked somebody to help you"),
        known.name(f["recipient_id"]),
        None,
    ),
    "PromiseDisputed": _disputed,
    "PromiseWithdrawn": _promise(lambda t: t.gettext("A promise was taken back")),
    "GoalStated": _goal,
    "InterestExpressed": _interest,
    "InterviewScheduled": _planned,
    "InterviewMissed": _interview(lambda t: t.gettext("Interview did not take place")),
    "OfferMade": _job(lambda t: t.gettext("You were offered a job")),
    "OfferAnswered": _answered,
    "SupervisorAssigned": _interview(lambda t: t.gettext("You have a new supervisor")),
    "ProcessingRestricted": _on_hold,
    "RecordDisputed": _said(lambda t: t.gettext("You said something is wrong")),
    "DisputeAnswered": _said(lambda t: t.gettext("You got an answer about what is wrong")),
    "RecordCorrected": _said(lambda t: t.gettext("Something was put right")),
    "RecordVoided": _said(lambda t: t.gettext("Something wrong was taken off")),
    "ErasureRequested": _said(lambda t: t.gettext("You asked to erase your record")),
    "ErasureDecided": _said(lambda t: t.gettext("We checked if we may erase your record")),
    "ErasureCompleted": _said(lambda t: t.gettext("Your record was erased")),
}
