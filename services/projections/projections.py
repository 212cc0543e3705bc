"""The read model: every table, the events that feed it, and how two values merge.

This page is all there is to declare. The tables, the fold over a batch, the merge in PostgreSQL,
the state of a worker at an earlier moment and `docs/read-model.md` are made from it. To show a new
fact, add a column line.

A column with `_at` is an instant in UTC. What can be taken back by itself has a row of its own,
and sums over such rows are views. Sealed fields stay sealed (bytes).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from schemas import events as e
from services.common.emit import HUB
from services.common.staying import ERASURE, STAYING
from services.projections.declaration import (
    Count,
    Current,
    Earliest,
    Key,
    Latest,
    Projection,
    Union,
    Where,
    declared_in,
)
from services.projections.retractions import Retractions
from services.projections.views import View, views_of

# -- who it is ------------------------------------------------------------------------------------


class Worker(Projection):
    """One row per person: when the record began, and how to speak to them."""

    key = Key("worker_id")
    registered_at = Earliest(e.WorkerRegistered.occurred_at)
    registered_by = Earliest(e.WorkerRegistered.source)
    display_name = Latest(e.WorkerRegistered.display_name, e.ContactChanged.display_name)
    contact_email = Latest(e.WorkerRegistered.contact_email, e.ContactChanged.contact_email)
    language = Latest(e.WorkerRegistered.language, e.ContactChanged.language)


class IdentityLink(Projection):
    """One row per record of an organisation that counts, or counted, as this person's."""

    key = Key("worker_id", "link_id")
    organization_id = Latest(
        e.SourceRecordLinked.organization_id, e.SourceRecordUnlinked.organization_id
    )
    evidence = Latest(e.SourceRecordLinked.evidence)
    linked_at = Earliest(e.SourceRecordLinked.occurred_at)
    unlinked_at = Earliest(e.SourceRecordUnlinked.occurred_at)
    unlink_reason = Latest(e.SourceRecordUnlinked.reason)


class IdentityMove(Projection):
    """One row per merge that this record took part in. The old id's answer is `into_worker_id`."""

    key = Key("worker_id", "merge_id")
    from_worker_id = Latest(e.WorkersMerged.from_worker_id)
    into_worker_id = Latest(e.WorkersMerged.into_worker_id)
    merged_at = Earliest(e.WorkersMerged.occurred_at)


class IdentitySplit(Projection):
    """One row per split that this record took part in."""

    key = Key("worker_id", "split_id")
    from_worker_id = Latest(e.WorkersSplit.from_worker_id)
    into_worker_id = Latest(e.WorkersSplit.into_worker_id)
    reason = Latest(e.WorkersSplit.reason)
    split_at = Earliest(e.WorkersSplit.occurred_at)


# -- training, skills, experience, support --------------------------------------------------------


class TrainingRequest(Projection):
    """One row per request for a course: who asked, who decided, and why not."""

    key = Key("worker_id", "request_id")
    course_id = Latest(e.TrainingRequested.course_id, e.TrainingDecided.course_id)
    provider_id = Latest(e.TrainingRequested.provider_id)
    requested_by = Latest(e.TrainingRequested.requested_by)
    requested_at = Earliest(e.TrainingRequested.occurred_at)
    reason = Latest(e.TrainingRequested.reason)
    decision = Current(e.TrainingDecided.decision)
    decided_at = Latest(e.TrainingDecided.occurred_at)
    decided_by = Current(e.TrainingDecided.decided_by)
    decider_id = Current(e.TrainingDecided.decider_id)
    paid_by = Current(e.TrainingDecided.paid_by)
    decision_reason = Current(e.TrainingDecided.reason)
    explanation = Current(e.TrainingDecided.explanation)


class Training(Projection):
    """One row per enrolment: from offered to noticed by the employer."""

    key = Key("worker_id", "enrolment_id")
    course_id = Latest(
        e.TrainingOffered.course_id,
        e.TrainingEnrolled.course_id,
        e.TrainingProgressed.course_id,
        e.TrainingCompleted.course_id,
        e.TrainingExited.course_id,
        e.TrainingAcknowledged.course_id,
    )
    provider_id = Latest(
        e.TrainingOffered.provider_id,
        e.TrainingEnrolled.provider_id,
        e.TrainingCompleted.provider_id,
        e.TrainingExited.provider_id,
    )
    offered_at = Earliest(e.TrainingOffered.occurred_at)
    offered_by = Earliest(e.TrainingOffered.source)
    enrolled_at = Earliest(e.TrainingEnrolled.occurred_at)
    sessions = Count(e.TrainingProgressed)
    progress = Latest(e.TrainingProgressed.progress)
    progressed_at = Latest(e.TrainingProgressed.occurred_at)
    completed_at = Latest(e.TrainingCompleted.occurred_at)
    result = Current(e.TrainingCompleted.result)
    score = Current(e.TrainingCompleted.score)
    # A provider that knows no day says the last one it can have been; a day it knows is earlier.
    exited_at = Earliest(e.TrainingExited.occurred_at)
    exit_reason = Latest(e.TrainingExited.reason)
    exit_day_known = Latest(e.TrainingExited.day_known)
    noticed_at = Earliest(e.TrainingAcknowledged.occurred_at)
    noticed_by = Union(e.TrainingAcknowledged.employer_id)


class Assessment(Projection):
    """One row per test within an enrolment; the latest try counts."""

    key = Key("worker_id", "enrolment_id", "assessment_id")
    course_id = Current(e.AssessmentTaken.course_id)
    phase = Current(e.AssessmentTaken.phase)
    score = Current(e.AssessmentTaken.score)
    carried_over = Current(e.AssessmentTaken.carried_over)
    taken_at = Latest(e.AssessmentTaken.occurred_at)
    attempts = Count(e.AssessmentTaken)


class Credential(Projection):
    """One row per certificate or licence: awarded, renewed, revoked."""

    key = Key("worker_id", "credential_id")
    credential_kind = Current(e.CredentialAwarded.credential_kind)
    awarded_at = Earliest(e.CredentialAwarded.occurred_at)
    renewed_at = Latest(e.CredentialAwarded.occurred_at)
    awarded_by = Current(e.CredentialAwarded.source)
    expires_at = Current(e.CredentialAwarded.expires_at)
    revoked_at = Latest(e.CredentialRevoked.occurred_at)
    revoked_by = Latest(e.CredentialRevoked.source)


class Skill(Projection):
    """One row per skill that a person says they have. What others saw is in `attestation`."""

    key = Key("worker_id", "skill_id")
    claimed_level = Current(e.SkillClaimed.level)
    claimed_at = Latest(e.SkillClaimed.occurred_at)
    framework = Current(e.SkillClaimed.framework)
    framework_code = Current(e.SkillClaimed.framework_code)
    words = Current(e.SkillClaimed.words)


class Attestation(Projection):
    """One row per statement of somebody who saw a skill. Only its own source can withdraw it."""

    key = Key("worker_id", "source", "attestation_id")
    skill_id = Current(e.SkillAttested.skill_id)
    level = Current(e.SkillAttested.level)
    attested_by = Current(e.SkillAttested.attested_by)
    attested_at = Latest(e.SkillAttested.occurred_at)
    evidence = Current(e.SkillAttested.evidence)
    framework = Current(e.SkillAttested.framework)
    framework_code = Current(e.SkillAttested.framework_code)
    words = Current(e.SkillAttested.words)
    withdrawn_at = Latest(e.SkillAttestationWithdrawn.occurred_at)
    withdrawal_reason = Latest(e.SkillAttestationWithdrawn.reason)


class Experience(Projection):
    """One row per piece of experience: job, volunteering, military, gig, care, abroad."""

    key = Key("worker_id", "experience_id")
    kind = Current(e.ExperienceRecorded.kind)
    occupation = Current(e.ExperienceRecorded.occupation)
    organization_name = Current(e.ExperienceRecorded.organization_name)
    duties = Current(e.ExperienceRecorded.duties)
    country = Current(e.ExperienceRecorded.country)
    started_at = Current(e.ExperienceRecorded.started_at)
    ended_at = Current(e.ExperienceRecorded.ended_at)
    hours_per_week = Current(e.ExperienceRecorded.hours_per_week)
    recorded_by = Current(e.ExperienceRecorded.source)


class Support(Projection):
    """One row per act of support: who helped, how, and who started it."""

    key = Key("worker_id", "support_id")
    kind = Current(e.SupportGiven.kind)
    started_by = Current(e.SupportGiven.started_by)
    minutes = Current(e.SupportGiven.minutes)
    given_by = Current(e.SupportGiven.source)
    given_at = Latest(e.SupportGiven.occurred_at)


class Nudge(Projection):
    """One row per suggestion of the hub to help this person: to whom, and what it saw."""

    key = Key("worker_id", "nudge_id")
    reason = Current(e.NudgeSuggested.reason)
    addressee = Current(e.NudgeSuggested.addressee)
    recipient_id = Current(e.NudgeSuggested.recipient_id)
    course_id = Current(e.NudgeSuggested.course_id)
    after_days = Current(e.NudgeSuggested.after_days)
    caused_by = Current(e.NudgeSuggested.caused_by)
    suggested_at = Latest(e.NudgeSuggested.occurred_at)


# -- promises and opportunities -------------------------------------------------------------------


# A question is no dispute.
_WRONG = Where(
    e.PromiseDisputed.reason, "UNKNOWN", "NOT_KEPT", "WRONG_TERMS", "CRITERION_MET", "OTHER"
)
_ASKED = Where(e.PromiseDisputed.reason, "QUESTION")


class Promise(Projection):
    """One row per promise: made, accepted, due, and kept or lapsed.

    It is kept when `kept_at` is not after `due_at`, also when it had lapsed before that was known.
    A withdrawal counts when `withdrawn_by` names the employer who made it, and not after `due_at`.
    """

    key = Key("worker_id", "promise_id")
    indexes = (("employer_id",),)
    employer_id = Latest(e.PromiseMade.employer_id)
    pathway_id = Latest(e.PromiseMade.pathway_id)
    pathway_version = Latest(e.PromiseMade.pathway_version)
    outcome = Latest(e.PromiseMade.outcome)
    due_in_days = Latest(e.PromiseMade.due_in_days)
    criteria = Latest(e.PromiseMade.criteria)
    made_at = Earliest(e.PromiseMade.occurred_at)
    accepted_at = Earliest(e.PromiseAccepted.occurred_at)
    declined_at = Earliest(e.PromiseDeclined.occurred_at)
    criteria_met_at = Earliest(e.PromiseDue.occurred_at)
    # A fact that comes late can only make it due earlier.
    due_at = Earliest(e.PromiseDue.due_at)
    kept_at = Earliest(e.PromiseKept.occurred_at)
    lapsed_at = Earliest(e.PromiseLapsed.occurred_at)
    disputed_at = Latest(e.PromiseDisputed.occurred_at, where=_WRONG)
    dispute_reason = Current(e.PromiseDisputed.reason, where=_WRONG)
    dispute_statement = Current(e.PromiseDisputed.statement, where=_WRONG)
    asked_at = Latest(e.PromiseDisputed.occurred_at, where=_ASKED)
    question = Current(e.PromiseDisputed.statement, where=_ASKED)
    # When the hub was told, so that nobody dates away what is late.
    withdrawn_at = Earliest(e.PromiseWithdrawn.recorded_at)
    withdrawn_by = Union(e.PromiseWithdrawn.employer_id)
    withdrawal_reason = Current(e.PromiseWithdrawn.reason)
    withdrawal_explanation = Current(e.PromiseWithdrawn.explanation)


class PromiseCriterion(Projection):
    """One row per criterion of a promise that was ever met: it is when `met_at` is the later."""

    key = Key("worker_id", "promise_id", "criterion")
    met_at = Latest(e.CriterionMet.occurred_at)
    met_by = Latest(e.CriterionMet.caused_by)
    unmet_at = Latest(e.CriterionUnmet.occurred_at)


class Goal(Projection):
    """One row per goal of a person, also the goal to stay where they are."""

    key = Key("worker_id", "goal_id")
    kind = Current(e.GoalStated.kind)
    occupation = Current(e.GoalStated.occupation)
    skill_id = Current(e.GoalStated.skill_id)
    framework = Current(e.GoalStated.framework)
    framework_code = Current(e.GoalStated.framework_code)
    wage_amount = Current(e.GoalStated.wage_amount)
    wage_currency = Current(e.GoalStated.wage_currency)
    wage_period = Current(e.GoalStated.wage_period)
    wanted_by = Current(e.GoalStated.wanted_by)
    ended = Current(e.GoalStated.ended)
    words = Current(e.GoalStated.words)
    stated_at = Latest(e.GoalStated.occurred_at)


class Interest(Projection):
    """One row per interest of a person in a job, a pathway or an employer."""

    key = Key("worker_id", "interest_id")
    employer_id = Current(e.InterestExpressed.employer_id)
    pathway_id = Current(e.InterestExpressed.pathway_id)
    opening_id = Current(e.InterestExpressed.opening_id)
    occupation = Current(e.InterestExpressed.occupation)
    words = Current(e.InterestExpressed.words)
    expressed_at = Latest(e.InterestExpressed.occurred_at)


class Interview(Projection):
    """One row per interview: guaranteed, scheduled, held, or missed and by whom."""

    key = Key("worker_id", "interview_id")
    employer_id = Latest(
        e.InterviewGuaranteed.employer_id,
        e.InterviewScheduled.employer_id,
        e.InterviewHeld.employer_id,
        e.InterviewMissed.employer_id,
    )
    promise_id = Latest(
        e.InterviewGuaranteed.promise_id,
        e.InterviewScheduled.promise_id,
        e.InterviewHeld.promise_id,
        e.InterviewMissed.promise_id,
    )
    guaranteed_at = Earliest(e.InterviewGuaranteed.occurred_at)
    scheduled_at = Latest(e.InterviewScheduled.occurred_at)
    scheduled_for = Current(e.InterviewScheduled.scheduled_for)
    format = Current(e.InterviewScheduled.format)
    held_at = Earliest(e.InterviewHeld.occurred_at)
    missed_at = Latest(e.InterviewMissed.occurred_at)
    missed_by = Current(e.InterviewMissed.missed_by)
    missed_reason = Current(e.InterviewMissed.reason)


class Offer(Projection):
    """One row per offer of a job, and what the person answered."""

    key = Key("worker_id", "offer_id")
    employer_id = Latest(e.OfferMade.employer_id, e.OfferAnswered.employer_id)
    promise_id = Current(e.OfferMade.promise_id)
    interview_id = Current(e.OfferMade.interview_id)
    occupation = Current(e.OfferMade.occupation)
    job_level = Current(e.OfferMade.job_level)
    wage_amount = Current(e.OfferMade.wage_amount)
    wage_currency = Current(e.OfferMade.wage_currency)
    wage_period = Current(e.OfferMade.wage_period)
    starts_at = Current(e.OfferMade.starts_at)
    answer_by = Current(e.OfferMade.answer_by)
    made_at = Latest(e.OfferMade.occurred_at)
    answer = Current(e.OfferAnswered.answer)
    words = Current(e.OfferAnswered.words)
    answered_at = Latest(e.OfferAnswered.occurred_at)


# -- work and pay ---------------------------------------------------------------------------------


class Employment(Projection):
    """One row per job: from start to end, with its level and pay as they are now."""

    key = Key("worker_id", "employment_id")
    indexes = (("employer_id",),)
    employer_id = Latest(
        e.EmploymentStarted.employer_id,
        e.RoleChanged.employer_id,
        e.Promoted.employer_id,
        e.WageChanged.employer_id,
        e.SupervisorAssigned.employer_id,
        e.EmploymentEnded.employer_id,
    )
    occupation = Latest(
        e.EmploymentStarted.occupation, e.RoleChanged.occupation, e.Promoted.occupation
    )
    job_level = Latest(e.EmploymentStarted.job_level, e.Promoted.job_level)
    started_at = Earliest(e.EmploymentStarted.occurred_at)
    started_by = Earliest(e.EmploymentStarted.source)
    wage_amount = Current(e.EmploymentStarted.wage_amount, e.WageChanged.wage_amount)
    wage_currency = Current(e.EmploymentStarted.wage_currency, e.WageChanged.wage_currency)
    wage_period = Current(e.EmploymentStarted.wage_period, e.WageChanged.wage_period)
    wage_changed_at = Latest(e.WageChanged.occurred_at)
    role_changed_at = Latest(e.RoleChanged.occurred_at)
    duties = Latest(e.RoleChanged.duties)
    promotions = Count(e.Promoted)
    promoted_at = Latest(e.Promoted.occurred_at)
    supervisor_id = Current(e.SupervisorAssigned.supervisor_id)
    ended_at = Latest(e.EmploymentEnded.occurred_at)
    end_reason = Latest(e.EmploymentEnded.reason)


class Wage(Projection):
    """One row per wage: at the start of a job, empty when none was told, and at each change."""

    key = Key("worker_id", "employment_id", wage_id="event_id")
    employer_id = Current(e.EmploymentStarted.employer_id, e.WageChanged.employer_id)
    amount = Current(e.EmploymentStarted.wage_amount, e.WageChanged.wage_amount)
    currency = Current(e.EmploymentStarted.wage_currency, e.WageChanged.wage_currency)
    period = Current(e.EmploymentStarted.wage_period, e.WageChanged.wage_period)
    told_by = Current(e.EmploymentStarted.source, e.WageChanged.source)
    paid_from_at = Latest(e.EmploymentStarted.occurred_at, e.WageChanged.occurred_at)


class Promotion(Projection):
    """One row per promotion."""

    key = Key("worker_id", "employment_id", promotion_id="event_id")
    employer_id = Current(e.Promoted.employer_id)
    occupation = Current(e.Promoted.occupation)
    job_level = Current(e.Promoted.job_level)
    promoted_at = Latest(e.Promoted.occurred_at)


class Supervision(Projection):
    """One row per time that somebody became a person's supervisor; nobody when it is null."""

    key = Key("worker_id", "employment_id", assignment_id="event_id")
    employer_id = Current(e.SupervisorAssigned.employer_id)
    supervisor_id = Current(e.SupervisorAssigned.supervisor_id)
    assigned_at = Latest(e.SupervisorAssigned.occurred_at)


# -- consent, and who saw what --------------------------------------------------------------------


class AccessRequest(Projection):
    """One row per request to see part of a record, and what the person answered to who asked."""

    key = Key("worker_id", "request_id", "recipient_id")
    indexes = (("recipient_id", "request_id"),)
    categories = Latest(e.AccessRequested.categories)
    purposes = Latest(e.AccessRequested.purposes)
    requested_at = Earliest(e.AccessRequested.occurred_at)
    expires_at = Latest(e.AccessRequested.expires_at)
    declined_at = Latest(e.AccessDeclined.occurred_at)
    granted_at = Latest(e.ConsentGranted.occurred_at)
    grant_id = Latest(e.ConsentGranted.grant_id)


class AccessGrant(Projection):
    """One row per agreement. Whether it is live is decided in `services.common`, not here."""

    key = Key("worker_id", "grant_id")
    indexes = (("recipient_id",),)
    recipient_id = Latest(
        e.ConsentGranted.recipient_id,
        e.ConsentWithdrawn.recipient_id,
        e.ConsentExpired.recipient_id,
    )
    categories = Current(e.ConsentGranted.categories)
    purposes = Current(e.ConsentGranted.purposes)
    valid_from = Current(e.ConsentGranted.valid_from)
    valid_until = Current(e.ConsentGranted.valid_until)
    wording_version = Current(e.ConsentGranted.wording_version)
    wording_language = Current(e.ConsentGranted.wording_language)
    wording_sha256 = Current(e.ConsentGranted.wording_sha256)
    request_id = Current(e.ConsentGranted.request_id)
    granted_at = Earliest(e.ConsentGranted.occurred_at)
    withdrawn_at = Earliest(e.ConsentWithdrawn.occurred_at)
    withdrawn_through = Earliest(e.ConsentWithdrawn.channel)
    expired_at = Earliest(e.ConsentExpired.occurred_at)


class Restriction(Projection):
    """One row per wish that parts of a record are kept, and neither shared nor counted."""

    key = Key("worker_id", "restriction_id")
    categories = Current(
        e.ProcessingRestricted.categories, where=Where(e.ProcessingRestricted.lifted, False)
    )
    restricted_at = Earliest(
        e.ProcessingRestricted.occurred_at, where=Where(e.ProcessingRestricted.lifted, False)
    )
    lifted_at = Latest(
        e.ProcessingRestricted.occurred_at, where=Where(e.ProcessingRestricted.lifted, True)
    )


class Disclosure(Projection):
    """One row per message to one recipient: what was sent or refused, and under which grant."""

    key = Key("worker_id", "message_id")
    recipient_id = Current(e.DisclosureAttempted.recipient_id)
    connection_id = Current(e.DisclosureAttempted.connection_id)
    grant_id = Current(e.DisclosureAttempted.grant_id)
    subject_event_id = Current(e.DisclosureAttempted.subject_event_id)
    subject_type = Current(e.DisclosureAttempted.subject_type)
    subject_category = Current(e.DisclosureAttempted.subject_category)
    outcome = Current(e.DisclosureAttempted.outcome)
    reason = Current(e.DisclosureAttempted.reason)
    http_status = Current(e.DisclosureAttempted.http_status)
    attempts = Count(e.DisclosureAttempted)
    first_at = Earliest(e.DisclosureAttempted.occurred_at)
    last_at = Latest(e.DisclosureAttempted.occurred_at)
    delivered_at = Earliest(
        e.DisclosureAttempted.occurred_at, where=Where(e.DisclosureAttempted.outcome, "DELIVERED")
    )


class Recall(Projection):
    """One row per notice to a receiver to delete what it got, and what it answered."""

    key = Key("worker_id", "recall_id")
    recipient_id = Latest(e.DisclosureRecalled.recipient_id, e.RecallAcknowledged.recipient_id)
    connection_id = Current(e.DisclosureRecalled.connection_id)
    grant_id = Current(e.DisclosureRecalled.grant_id)
    categories = Current(e.DisclosureRecalled.categories)
    reason = Current(e.DisclosureRecalled.reason)
    messages = Current(e.DisclosureRecalled.messages)
    due_at = Current(e.DisclosureRecalled.due_at)
    recalled_at = Earliest(e.DisclosureRecalled.occurred_at)
    outcome = Current(e.RecallAcknowledged.outcome)
    acknowledged_at = Latest(e.RecallAcknowledged.occurred_at)


# -- what is wrong, and what is forgotten ---------------------------------------------------------


class Dispute(Projection):
    """One row per dispute: the event that is said to be wrong, and the answer."""

    key = Key("worker_id", "dispute_id")
    disputed_event_id = Latest(
        e.RecordDisputed.disputed_event_id, e.DisputeAnswered.disputed_event_id
    )
    field = Current(e.RecordDisputed.field)
    reason = Current(e.RecordDisputed.reason)
    statement = Current(e.RecordDisputed.statement)
    disputed_at = Earliest(e.RecordDisputed.occurred_at)
    answer = Current(e.DisputeAnswered.answer)
    explanation = Current(e.DisputeAnswered.explanation)
    answered_by = Union(e.DisputeAnswered.source)
    answered_at = Latest(e.DisputeAnswered.occurred_at)


class Correction(Projection):
    """One row per event that says of another that it was wrong, and what stands in its place."""

    key = Key("worker_id", correction_id="event_id")
    corrected_event_id = Current(
        e.RecordCorrected.corrected_event_id, e.RecordVoided.voided_event_id
    )
    replacement_event_id = Latest(e.RecordCorrected.replacement_event_id)
    dispute_id = Current(e.RecordCorrected.dispute_id, e.RecordVoided.dispute_id)
    reason = Current(e.RecordCorrected.reason, e.RecordVoided.reason)
    corrected_by = Current(e.RecordCorrected.source, e.RecordVoided.source)
    corrected_at = Latest(e.RecordCorrected.occurred_at, e.RecordVoided.occurred_at)


class Erasure(Projection):
    """One row per erasure that was asked for: each step, up to the certificate."""

    key = Key("worker_id", "erasure_id")
    categories = Current(e.ErasureRequested.categories)
    channel = Current(e.ErasureRequested.channel)
    due_at = Current(e.ErasureRequested.due_at)
    requested_at = Earliest(e.ErasureRequested.occurred_at)
    decision = Current(e.ErasureDecided.decision)
    ground = Current(e.ErasureDecided.ground)
    held_until = Current(e.ErasureDecided.held_until)
    decided_at = Latest(e.ErasureDecided.occurred_at)
    keys_destroyed_at = Earliest(e.ErasureKeysDestroyed.occurred_at)
    stores_purged = Union(e.ErasureStorePurged.store)
    recipients_notified = Union(e.ErasureRecipientNotified.recipient_id)
    keys = Current(e.ErasureCompleted.keys)
    recipients = Current(e.ErasureCompleted.recipients)
    acknowledged = Current(e.ErasureCompleted.acknowledged)
    certificate_sha256 = Current(e.ErasureCompleted.certificate_sha256)
    completed_at = Latest(e.ErasureCompleted.occurred_at)


# -- the directory --------------------------------------------------------------------------------


class Organization(Projection):
    """One row per organisation; the highest version is in force."""

    key = Key("organization_id")
    version = Current(e.OrganizationRegistered.version)
    name = Current(e.OrganizationRegistered.name)
    kind = Current(e.OrganizationRegistered.kind)
    city = Current(e.OrganizationRegistered.city)
    region = Current(e.OrganizationRegistered.region)
    postal_code = Current(e.OrganizationRegistered.postal_code)
    website = Current(e.OrganizationRegistered.website)
    registered_at = Earliest(e.OrganizationRegistered.occurred_at)


class Programme(Projection):
    """One row per course or programme of a provider; the highest version is in force."""

    key = Key("organization_id", programme_id="entity_id")
    indexes = (("programme_id",),)
    version = Current(e.ProgrammePublished.version)
    title = Current(e.ProgrammePublished.title)
    cip = Current(e.ProgrammePublished.cip)
    occupations = Current(e.ProgrammePublished.occupations)
    weeks = Current(e.ProgrammePublished.weeks)
    contact_hours = Current(e.ProgrammePublished.contact_hours)
    delivery_method = Current(e.ProgrammePublished.delivery_method)
    tuition = Current(e.ProgrammePublished.tuition)
    currency = Current(e.ProgrammePublished.currency)
    credential_name = Current(e.ProgrammePublished.credential_name)
    website = Current(e.ProgrammePublished.website)
    published_at = Current(e.ProgrammePublished.occurred_at)


class Pathway(Projection):
    """One row per version of a pathway; the highest is in force, older ones still bind."""

    key = Key("organization_id", "version", pathway_id="entity_id")
    title = Current(e.PathwayPublished.title)
    criteria = Current(e.PathwayPublished.criteria)
    outcome = Current(e.PathwayPublished.outcome)
    due_in_days = Current(e.PathwayPublished.due_in_days)
    published_at = Current(e.PathwayPublished.occurred_at)


class SkillNeed(Projection):
    """One row per skill that an employer looks for; the highest version is in force."""

    key = Key("organization_id", need_id="entity_id")
    version = Current(e.SkillNeedPublished.version)
    skill_id = Current(e.SkillNeedPublished.skill_id)
    framework = Current(e.SkillNeedPublished.framework)
    framework_code = Current(e.SkillNeedPublished.framework_code)
    title = Current(e.SkillNeedPublished.title)
    level = Current(e.SkillNeedPublished.level)
    occupation = Current(e.SkillNeedPublished.occupation)
    region = Current(e.SkillNeedPublished.region)
    openings = Current(e.SkillNeedPublished.openings)
    needed_by = Current(e.SkillNeedPublished.needed_by)
    ended = Current(e.SkillNeedPublished.ended)
    published_at = Current(e.SkillNeedPublished.occurred_at)


class Connection(Projection):
    """One row per connected system of an organisation; the highest version is in force."""

    key = Key("organization_id", connection_id="entity_id")
    version = Current(e.ConnectionConfigured.version)
    connector = Current(e.ConnectionConfigured.connector)
    url = Current(e.ConnectionConfigured.url)
    state = Current(e.ConnectionConfigured.state)
    categories = Current(e.ConnectionConfigured.categories)
    purpose = Current(e.ConnectionConfigured.purpose)
    configured_at = Current(e.ConnectionConfigured.occurred_at)


class SharingAgreement(Projection):
    """One row per agreement of an organisation; the highest version is in force."""

    key = Key("organization_id", agreement_id="entity_id")
    indexes = (("agreement_id",),)
    version = Current(e.SharingAgreementSigned.version)
    other_party = Current(e.SharingAgreementSigned.other_party)
    sends = Current(e.SharingAgreementSigned.sends)
    receives = Current(e.SharingAgreementSigned.receives)
    purposes = Current(e.SharingAgreementSigned.purposes)
    valid_from = Current(e.SharingAgreementSigned.valid_from)
    valid_until = Current(e.SharingAgreementSigned.valid_until)
    ended = Current(e.SharingAgreementSigned.ended)
    document_sha256 = Current(e.SharingAgreementSigned.document_sha256)
    signed_at = Current(e.SharingAgreementSigned.occurred_at)


class FeedSubscription(Projection):
    """One row per subscription of an organisation to a feed; the highest version is in force."""

    key = Key("organization_id", subscription_id="entity_id")
    version = Current(e.FeedSubscribed.version)
    feed_id = Current(e.FeedSubscribed.feed_id)
    channel = Current(e.FeedSubscribed.channel)
    format = Current(e.FeedSubscribed.format)
    connection_id = Current(e.FeedSubscribed.connection_id)
    ended = Current(e.FeedSubscribed.ended)
    subscribed_at = Current(e.FeedSubscribed.occurred_at)


# -- standing: what is true now, or at another moment where one is asked about --------------------


class OpenDispute(View):
    """One row per dispute that neither who wrote the event nor the hub has answered yet."""

    of = (Dispute,)
    sql = f"""
SELECT d.worker_id, d.dispute_id, d.disputed_event_id, d.field, d.reason, d.disputed_at,
       y.source AS written_by, y.event_type, y.category
FROM dispute d
JOIN story y ON y.worker_id = d.worker_id AND y.event_id = d.disputed_event_id
WHERE d.disputed_at <= now() AND NOT ARRAY[y.source, '{HUB}'] && d.answered_by
"""  # noqa: S608 - the only name in it is ours


class CurrentJob(View):
    """One row per job that a person has now, with its level and wage."""

    of = (Employment, OpenDispute)
    sql = """
SELECT j.worker_id, j.employment_id, j.employer_id, j.occupation, j.job_level, j.started_at,
       j.wage_amount, j.wage_currency, j.wage_period,
       coalesce(j.wage_changed_at, j.started_at) AS paid_from_at,
       j.supervisor_id, j.promotions, j.promoted_at,
       EXISTS (SELECT FROM open_dispute d WHERE d.worker_id = j.worker_id
           AND d.disputed_event_id = ANY (events_of(j))) AS in_dispute
FROM employment j
WHERE j.started_at <= now() AND (j.ended_at IS NULL OR j.ended_at > now())
"""


class LiveCredential(View):
    """One row per certificate or licence that counts now: neither expired nor revoked."""

    of = (Credential, OpenDispute)
    sql = """
SELECT c.worker_id, c.credential_id, c.credential_kind, c.awarded_at, c.renewed_at, c.awarded_by,
       c.expires_at, event_of(c.awarded_by) AS event_id,
       EXISTS (SELECT FROM open_dispute d WHERE d.worker_id = c.worker_id
           AND d.disputed_event_id = ANY (events_of(c))) AS in_dispute
FROM credential c
WHERE c.awarded_at <= now() AND (c.expires_at IS NULL OR c.expires_at > now())
  AND (c.revoked_at IS NULL OR c.revoked_at > now() OR c.revoked_at < c.renewed_at)
"""


class LiveAttestation(View):
    """One row per statement about a skill that its source has not withdrawn: the evidence."""

    of = (Attestation, OpenDispute)
    sql = """
SELECT a.worker_id, a.source, a.attestation_id, a.skill_id, a.level, a.attested_by, a.attested_at,
       a.evidence, a.framework, a.framework_code, a.words, event_of(a.level) AS event_id,
       EXISTS (SELECT FROM open_dispute d WHERE d.worker_id = a.worker_id
           AND d.disputed_event_id = ANY (events_of(a))) AS in_dispute
FROM attestation a
WHERE a.attested_at <= now()
  AND (a.withdrawn_at IS NULL OR a.withdrawn_at > now() OR a.withdrawn_at < a.attested_at)
"""


class SkillStanding(View):
    """One row per skill: what the person says, and what others saw, with their newest level."""

    of = (Skill, LiveAttestation, OpenDispute)
    sql = """
SELECT k.worker_id, k.skill_id, max(k.claimed_level) AS claimed_level,
       max(k.claimed_at) AS claimed_at,
       (array_agg(k.level ORDER BY k.attested_at DESC, k.event_id DESC)
           FILTER (WHERE k.attested_at IS NOT NULL))[1] AS attested_level,
       max(k.attested_at) AS attested_at, count(k.attested_at) AS attestations,
       array_remove(array_agg(DISTINCT k.attested_by), NULL) AS attested_by,
       array_remove(array_agg(DISTINCT k.source), NULL) AS attested_by_organizations,
       bool_or(k.in_dispute) AS in_dispute
FROM (
    SELECT s.worker_id, s.skill_id, s.claimed_level, s.claimed_at, NULL::text AS level,
           NULL::timestamptz AS attested_at, NULL::text AS attested_by, NULL::text AS source,
           NULL::uuid AS event_id,
           EXISTS (SELECT FROM open_dispute d WHERE d.worker_id = s.worker_id
               AND d.disputed_event_id = ANY (events_of(s))) AS in_dispute
    FROM skill s WHERE s.claimed_at <= now()
    UNION ALL
    SELECT a.worker_id, a.skill_id, NULL, NULL, a.level, a.attested_at, a.attested_by, a.source,
           a.event_id, a.in_dispute
    FROM live_attestation a
) k
GROUP BY k.worker_id, k.skill_id
"""


class PromiseStanding(View):
    """One row per promise: its state (MADE, ACCEPTED, DUE, LATE, LAPSED, KEPT, KEPT_LATE,
    DECLINED, WITHDRAWN), and the criteria that are met with since when, in the same order."""

    of = (Promise, PromiseCriterion, OpenDispute)
    sql = """
SELECT p.worker_id, p.promise_id, p.employer_id, p.pathway_id, p.pathway_version, p.outcome,
       p.due_in_days, p.criteria,
       ARRAY(SELECT c.criterion FROM promise_criterion c
             WHERE c.worker_id = p.worker_id AND c.promise_id = p.promise_id
               AND c.met_at > coalesce(c.unmet_at, '-infinity') ORDER BY c.criterion) AS met,
       ARRAY(SELECT c.met_at FROM promise_criterion c
             WHERE c.worker_id = p.worker_id AND c.promise_id = p.promise_id
               AND c.met_at > coalesce(c.unmet_at, '-infinity') ORDER BY c.criterion) AS met_at,
       p.made_at, p.accepted_at, p.declined_at, p.criteria_met_at, p.due_at, p.kept_at,
       p.lapsed_at, p.disputed_at, p.asked_at,
       CASE WHEN p.declined_at IS NOT NULL THEN 'DECLINED'
            WHEN p.kept_at > p.due_at THEN 'KEPT_LATE' WHEN p.kept_at IS NOT NULL THEN 'KEPT'
            WHEN p.employer_id = ANY (p.withdrawn_by)
                AND p.withdrawn_at <= coalesce(p.due_at, 'infinity') THEN 'WITHDRAWN'
            WHEN p.lapsed_at IS NOT NULL THEN 'LAPSED'
            WHEN p.due_at < now() THEN 'LATE' WHEN p.due_at IS NOT NULL THEN 'DUE'
            WHEN p.accepted_at IS NOT NULL THEN 'ACCEPTED' ELSE 'MADE' END AS state,
       p.disputed_at IS NOT NULL
           OR EXISTS (SELECT FROM open_dispute d WHERE d.worker_id = p.worker_id
               AND d.disputed_event_id = ANY (events_of(p))) AS in_dispute
FROM promise p
WHERE p.made_at <= now()
"""


class OpenPromise(View):
    """One row per promise that is neither kept, lapsed, declined nor withdrawn."""

    of = (PromiseStanding,)
    sql = """
SELECT p.worker_id, p.promise_id, p.employer_id, p.pathway_id, p.pathway_version, p.outcome,
       p.due_in_days, p.criteria, p.met, p.made_at, p.accepted_at, p.criteria_met_at, p.due_at,
       p.state, p.in_dispute
FROM promise_standing p
WHERE p.state IN ('MADE', 'ACCEPTED', 'DUE', 'LATE')
"""


class SupportReceived(View):
    """One row per kind of support: how often, how long, and who started it."""

    of = (Support, OpenDispute)
    sql = """
SELECT s.worker_id, s.kind, count(*) AS times, sum(s.minutes) AS minutes,
       min(s.given_at) AS first_at, max(s.given_at) AS last_at,
       count(*) FILTER (WHERE s.started_by = 'WORKER') AS started_by_worker,
       count(*) FILTER (WHERE s.started_by = 'SUPERVISOR') AS started_by_supervisor,
       count(*) FILTER (WHERE s.started_by = 'PROVIDER') AS started_by_provider,
       count(*) FILTER (WHERE s.started_by = 'SYSTEM') AS started_by_system,
       bool_or(EXISTS (SELECT FROM open_dispute d WHERE d.worker_id = s.worker_id
           AND d.disputed_event_id = ANY (events_of(s)))) AS in_dispute
FROM support s
WHERE s.given_at <= now()
GROUP BY s.worker_id, s.kind
"""


class Opportunity(View):
    """One row per interest, interview and offer, with the last that is known of it."""

    of = (Interest, Interview, Offer)
    sql = """
SELECT i.worker_id, 'INTEREST' AS kind, i.interest_id AS opportunity_id, i.employer_id,
       NULL::text AS promise_id, 'EXPRESSED' AS state, i.expressed_at AS happened_at
FROM interest i
UNION ALL
SELECT v.worker_id, 'INTERVIEW', v.interview_id, v.employer_id, v.promise_id,
       CASE WHEN v.held_at IS NOT NULL THEN 'HELD' WHEN v.missed_at >= v.scheduled_at THEN 'MISSED'
            WHEN v.scheduled_at IS NOT NULL THEN 'SCHEDULED'
            WHEN v.missed_at IS NOT NULL THEN 'MISSED' ELSE 'GUARANTEED' END,
       greatest(v.guaranteed_at, v.scheduled_at, v.held_at, v.missed_at)
FROM interview v
UNION ALL
SELECT o.worker_id, 'OFFER', o.offer_id, o.employer_id, o.promise_id,
       CASE WHEN o.answered_at >= o.made_at OR o.made_at IS NULL THEN o.answer
            WHEN o.answer_by < now() THEN 'UNANSWERED' ELSE 'MADE' END,
       greatest(o.made_at, o.answered_at)
FROM offer o
"""


# -- sums for the feeds ---------------------------------------------------------------------------


class WorkerMonth(View):
    """One row per person and month (UTC) with a service: how many, the first and the last.

    Days of silence follow exactly: within a month there are too few. Tuition, child care and
    transport are no services that keep a person in a programme (20 CFR 677.150(c)).
    """

    of = (Support,)
    sql = """
SELECT m.worker_id, m.month, count(*) AS services, sum(m.minutes) AS support_minutes,
       min(m.served_at) AS first_at, max(m.served_at) AS last_at
FROM (
    SELECT y.worker_id, y.occurred_at AS served_at, NULL::integer AS minutes,
           date_trunc('month', y.occurred_at AT TIME ZONE 'UTC')::date AS month
    FROM story y
    WHERE y.event_type IN ('TrainingEnrolled', 'TrainingProgressed', 'TrainingCompleted',
                           'TrainingExited', 'AssessmentTaken')
    UNION ALL
    SELECT s.worker_id, s.given_at, s.minutes,
           date_trunc('month', s.given_at AT TIME ZONE 'UTC')::date
    FROM support s WHERE s.kind IN ('MENTORING', 'MENTORING_CIRCLE', 'COACHING')
) m
GROUP BY m.worker_id, m.month
"""


# What takes events out of a story again. A source takes back what it said itself; the hub, in the
# name of a person or after a dispute, whatever anyone said. Consent stays with the id that gave it.
# From when its keys are destroyed a record is gone; what was said of that, and to whom, is kept.
RETRACTIONS = Retractions(
    voids=(e.RecordVoided.voided_event_id, e.RecordCorrected.corrected_event_id),
    everyone=HUB,
    moved=e.WorkersMerged.from_worker_id,
    staying=STAYING,
    erased=e.ErasureKeysDestroyed.categories,
    kept=ERASURE,
)

# What takes part of a story to an id of its own again, and says so under both.
DIVIDED = e.WorkersSplit.from_worker_id

# Events that feed no table, and why. They are in `story` like all others.
NO_TABLE: Mapping[str, str] = {
    "DemographicsDeclared": "for aggregates only; a table would invite other uses",
}

PROJECTIONS = declared_in(sys.modules[__name__])
VIEWS = views_of(PROJECTIONS)
