"""The read model: every table, the events that feed it, and how two values merge.

This page is all there is to declare. The tables, the fold over a batch, the merge in PostgreSQL
and `docs/read-model.md` are made from it. To show a new fact, add a column line.
Names ending in `_at` are instants in UTC. Sealed fields stay sealed (bytes).
"""

from __future__ import annotations

import sys

from schemas.events import (
    AccessDeclined,
    AccessRequested,
    AssessmentTaken,
    ConnectionConfigured,
    ConsentGranted,
    ConsentWithdrawn,
    ContactChanged,
    CredentialAwarded,
    CredentialRevoked,
    CriterionMet,
    CriterionUnmet,
    DisclosureAttempted,
    EmploymentEnded,
    EmploymentStarted,
    InterviewGuaranteed,
    InterviewHeld,
    OrganizationRegistered,
    PathwayPublished,
    ProgrammePublished,
    PromiseAccepted,
    PromiseDeclined,
    PromiseDue,
    PromiseKept,
    PromiseLapsed,
    PromiseMade,
    Promoted,
    RecordCorrected,
    RecordVoided,
    RoleChanged,
    SharingAgreementSigned,
    SkillAttested,
    SkillClaimed,
    SourceRecordLinked,
    SourceRecordUnlinked,
    SupportGiven,
    TrainingAcknowledged,
    TrainingCompleted,
    TrainingEnrolled,
    TrainingExited,
    TrainingOffered,
    TrainingProgressed,
    WageChanged,
    WorkerRegistered,
    WorkersMerged,
    WorkersSplit,
)
from services.common.emit import HUB
from services.common.staying import STAYING
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


class Worker(Projection):
    """One row per person: when the record began, and how to speak to them."""

    key = Key("worker_id")
    registered_at = Earliest(WorkerRegistered.occurred_at)
    registered_by = Earliest(WorkerRegistered.source)
    display_name = Latest(WorkerRegistered.display_name, ContactChanged.display_name)
    contact_email = Latest(WorkerRegistered.contact_email, ContactChanged.contact_email)
    language = Latest(WorkerRegistered.language, ContactChanged.language)


class IdentityLink(Projection):
    """One row per record of an organisation that counts, or counted, as this person's."""

    key = Key("worker_id", "link_id")
    organization_id = Latest(
        SourceRecordLinked.organization_id, SourceRecordUnlinked.organization_id
    )
    evidence = Latest(SourceRecordLinked.evidence)
    linked_at = Earliest(SourceRecordLinked.occurred_at)
    unlinked_at = Earliest(SourceRecordUnlinked.occurred_at)
    unlink_reason = Latest(SourceRecordUnlinked.reason)


class IdentityMove(Projection):
    """One row per merge that this record took part in. The old id's answer is `into_worker_id`."""

    key = Key("worker_id", "merge_id")
    from_worker_id = Latest(WorkersMerged.from_worker_id)
    into_worker_id = Latest(WorkersMerged.into_worker_id)
    merged_at = Earliest(WorkersMerged.occurred_at)


class IdentitySplit(Projection):
    """One row per split that this record took part in."""

    key = Key("worker_id", "split_id")
    from_worker_id = Latest(WorkersSplit.from_worker_id)
    into_worker_id = Latest(WorkersSplit.into_worker_id)
    reason = Latest(WorkersSplit.reason)
    split_at = Earliest(WorkersSplit.occurred_at)


class Training(Projection):
    """One row per enrolment: from offered to noticed by the employer."""

    key = Key("worker_id", "enrolment_id")
    course_id = Latest(
        TrainingOffered.course_id,
        TrainingEnrolled.course_id,
        TrainingProgressed.course_id,
        TrainingCompleted.course_id,
        TrainingExited.course_id,
        TrainingAcknowledged.course_id,
    )
    provider_id = Latest(
        TrainingOffered.provider_id,
        TrainingEnrolled.provider_id,
        TrainingCompleted.provider_id,
        TrainingExited.provider_id,
    )
    offered_at = Earliest(TrainingOffered.occurred_at)
    offered_by = Earliest(TrainingOffered.source)
    enrolled_at = Earliest(TrainingEnrolled.occurred_at)
    sessions = Count(TrainingProgressed)
    progress = Latest(TrainingProgressed.progress)
    progressed_at = Latest(TrainingProgressed.occurred_at)
    completed_at = Latest(TrainingCompleted.occurred_at)
    result = Current(TrainingCompleted.result)
    score = Current(TrainingCompleted.score)
    # A provider that knows no day says the last one it can have been; a day it knows is earlier.
    exited_at = Earliest(TrainingExited.occurred_at)
    exit_reason = Latest(TrainingExited.reason)
    exit_day_known = Latest(TrainingExited.day_known)
    noticed_at = Earliest(TrainingAcknowledged.occurred_at)
    noticed_by = Union(TrainingAcknowledged.employer_id)


class Assessment(Projection):
    """One row per test within an enrolment; the latest try counts."""

    key = Key("worker_id", "enrolment_id", "assessment_id")
    course_id = Current(AssessmentTaken.course_id)
    phase = Current(AssessmentTaken.phase)
    score = Current(AssessmentTaken.score)
    carried_over = Current(AssessmentTaken.carried_over)
    taken_at = Latest(AssessmentTaken.occurred_at)
    attempts = Count(AssessmentTaken)


class Skill(Projection):
    """One row per skill of a person: what they say themselves, and what others saw."""

    key = Key("worker_id", "skill_id")
    claimed_level = Latest(SkillClaimed.level)
    claimed_at = Latest(SkillClaimed.occurred_at)
    attested_level = Latest(SkillAttested.level)
    attested_at = Latest(SkillAttested.occurred_at)
    attested_by = Union(SkillAttested.attested_by)
    attested_by_organizations = Union(SkillAttested.source)
    attestations = Count(SkillAttested)


class Credential(Projection):
    """One row per certificate or licence."""

    key = Key("worker_id", "credential_id")
    credential_kind = Current(CredentialAwarded.credential_kind)
    awarded_at = Earliest(CredentialAwarded.occurred_at)
    awarded_by = Current(CredentialAwarded.source)
    expires_at = Current(CredentialAwarded.expires_at)
    revoked_at = Latest(CredentialRevoked.occurred_at)


class Employment(Projection):
    """One row per job: from start to end, with its level and pay as they are now."""

    key = Key("worker_id", "employment_id")
    indexes = (("employer_id",),)
    employer_id = Latest(
        EmploymentStarted.employer_id,
        RoleChanged.employer_id,
        Promoted.employer_id,
        WageChanged.employer_id,
        EmploymentEnded.employer_id,
    )
    occupation = Latest(EmploymentStarted.occupation, RoleChanged.occupation, Promoted.occupation)
    job_level = Latest(EmploymentStarted.job_level, Promoted.job_level)
    started_at = Earliest(EmploymentStarted.occurred_at)
    wage_amount = Current(EmploymentStarted.wage_amount, WageChanged.wage_amount)
    wage_currency = Current(EmploymentStarted.wage_currency, WageChanged.wage_currency)
    wage_period = Current(EmploymentStarted.wage_period, WageChanged.wage_period)
    wage_changed_at = Latest(WageChanged.occurred_at)
    role_changed_at = Latest(RoleChanged.occurred_at)
    promotions = Count(Promoted)
    promoted_at = Latest(Promoted.occurred_at)
    ended_at = Latest(EmploymentEnded.occurred_at)
    end_reason = Latest(EmploymentEnded.reason)


class Support(Projection):
    """One row per act of support: who helped, how, and who started it."""

    key = Key("worker_id", "support_id")
    kind = Current(SupportGiven.kind)
    started_by = Current(SupportGiven.started_by)
    minutes = Current(SupportGiven.minutes)
    given_by = Current(SupportGiven.source)
    given_at = Latest(SupportGiven.occurred_at)


class Promise(Projection):
    """One row per promise: made, accepted, due, and kept or lapsed.

    It is kept when `kept_at` is not after `due_at`, also when it had lapsed before that was known.
    """

    key = Key("worker_id", "promise_id")
    indexes = (("employer_id",),)
    employer_id = Latest(PromiseMade.employer_id)
    pathway_id = Latest(PromiseMade.pathway_id)
    pathway_version = Latest(PromiseMade.pathway_version)
    outcome = Latest(PromiseMade.outcome)
    due_in_days = Latest(PromiseMade.due_in_days)
    criteria = Latest(PromiseMade.criteria)
    made_at = Earliest(PromiseMade.occurred_at)
    accepted_at = Earliest(PromiseAccepted.occurred_at)
    declined_at = Earliest(PromiseDeclined.occurred_at)
    criteria_met_at = Earliest(PromiseDue.occurred_at)
    # A fact that comes late can only make it due earlier.
    due_at = Earliest(PromiseDue.due_at)
    kept_at = Earliest(PromiseKept.occurred_at)
    lapsed_at = Earliest(PromiseLapsed.occurred_at)


class PromiseCriterion(Projection):
    """One row per criterion of a promise that was ever met: it is when `met_at` is the later."""

    key = Key("worker_id", "promise_id", "criterion")
    met_at = Latest(CriterionMet.occurred_at)
    met_by = Latest(CriterionMet.caused_by)
    unmet_at = Latest(CriterionUnmet.occurred_at)


class Interview(Projection):
    """One row per interview that an employer guaranteed or held."""

    key = Key("worker_id", "interview_id")
    employer_id = Latest(InterviewGuaranteed.employer_id, InterviewHeld.employer_id)
    promise_id = Latest(InterviewGuaranteed.promise_id, InterviewHeld.promise_id)
    guaranteed_at = Earliest(InterviewGuaranteed.occurred_at)
    held_at = Earliest(InterviewHeld.occurred_at)


class AccessRequest(Projection):
    """One row per request to see part of a record, and what the person answered."""

    key = Key("worker_id", "request_id")
    recipient_id = Latest(
        AccessRequested.recipient_id, AccessDeclined.recipient_id, ConsentGranted.recipient_id
    )
    categories = Latest(AccessRequested.categories)
    purposes = Latest(AccessRequested.purposes)
    requested_at = Earliest(AccessRequested.occurred_at)
    expires_at = Latest(AccessRequested.expires_at)
    declined_at = Latest(AccessDeclined.occurred_at)
    granted_at = Latest(ConsentGranted.occurred_at)
    grant_id = Latest(ConsentGranted.grant_id)


class AccessGrant(Projection):
    """One row per agreement. Whether it is live is decided in `services.common`, not here."""

    key = Key("worker_id", "grant_id")
    indexes = (("recipient_id",),)
    recipient_id = Latest(ConsentGranted.recipient_id, ConsentWithdrawn.recipient_id)
    categories = Current(ConsentGranted.categories)
    purposes = Current(ConsentGranted.purposes)
    valid_from = Current(ConsentGranted.valid_from)
    valid_until = Current(ConsentGranted.valid_until)
    wording_version = Current(ConsentGranted.wording_version)
    wording_language = Current(ConsentGranted.wording_language)
    wording_sha256 = Current(ConsentGranted.wording_sha256)
    request_id = Current(ConsentGranted.request_id)
    granted_at = Earliest(ConsentGranted.occurred_at)
    withdrawn_at = Earliest(ConsentWithdrawn.occurred_at)
    withdrawn_through = Earliest(ConsentWithdrawn.channel)


class Disclosure(Projection):
    """One row per message to one recipient: what was sent or refused, and under which grant."""

    key = Key("worker_id", "message_id")
    recipient_id = Current(DisclosureAttempted.recipient_id)
    connection_id = Current(DisclosureAttempted.connection_id)
    grant_id = Current(DisclosureAttempted.grant_id)
    subject_event_id = Current(DisclosureAttempted.subject_event_id)
    subject_type = Current(DisclosureAttempted.subject_type)
    subject_category = Current(DisclosureAttempted.subject_category)
    outcome = Current(DisclosureAttempted.outcome)
    reason = Current(DisclosureAttempted.reason)
    http_status = Current(DisclosureAttempted.http_status)
    attempts = Count(DisclosureAttempted)
    first_at = Earliest(DisclosureAttempted.occurred_at)
    last_at = Latest(DisclosureAttempted.occurred_at)
    delivered_at = Earliest(
        DisclosureAttempted.occurred_at, where=Where(DisclosureAttempted.outcome, "DELIVERED")
    )


class Organization(Projection):
    """One row per organisation; the highest version is in force."""

    key = Key("organization_id")
    version = Current(OrganizationRegistered.version)
    name = Current(OrganizationRegistered.name)
    kind = Current(OrganizationRegistered.kind)
    city = Current(OrganizationRegistered.city)
    region = Current(OrganizationRegistered.region)
    postal_code = Current(OrganizationRegistered.postal_code)
    website = Current(OrganizationRegistered.website)
    registered_at = Earliest(OrganizationRegistered.occurred_at)


class Programme(Projection):
    """One row per course or programme of a provider; the highest version is in force."""

    key = Key("organization_id", programme_id="entity_id")
    indexes = (("programme_id",),)
    version = Current(ProgrammePublished.version)
    title = Current(ProgrammePublished.title)
    cip = Current(ProgrammePublished.cip)
    occupations = Current(ProgrammePublished.occupations)
    weeks = Current(ProgrammePublished.weeks)
    contact_hours = Current(ProgrammePublished.contact_hours)
    delivery_method = Current(ProgrammePublished.delivery_method)
    tuition = Current(ProgrammePublished.tuition)
    currency = Current(ProgrammePublished.currency)
    credential_name = Current(ProgrammePublished.credential_name)
    website = Current(ProgrammePublished.website)
    published_at = Current(ProgrammePublished.occurred_at)


class Pathway(Projection):
    """One row per version of a pathway; the highest is in force, older ones still bind."""

    key = Key("organization_id", "version", pathway_id="entity_id")
    title = Current(PathwayPublished.title)
    criteria = Current(PathwayPublished.criteria)
    outcome = Current(PathwayPublished.outcome)
    due_in_days = Current(PathwayPublished.due_in_days)
    published_at = Current(PathwayPublished.occurred_at)


class Connection(Projection):
    """One row per connected system of an organisation; the highest version is in force."""

    key = Key("organization_id", connection_id="entity_id")
    version = Current(ConnectionConfigured.version)
    connector = Current(ConnectionConfigured.connector)
    url = Current(ConnectionConfigured.url)
    state = Current(ConnectionConfigured.state)
    categories = Current(ConnectionConfigured.categories)
    purpose = Current(ConnectionConfigured.purpose)
    configured_at = Current(ConnectionConfigured.occurred_at)


class SharingAgreement(Projection):
    """One row per agreement of an organisation; the highest version is in force."""

    key = Key("organization_id", agreement_id="entity_id")
    indexes = (("agreement_id",),)
    version = Current(SharingAgreementSigned.version)
    other_party = Current(SharingAgreementSigned.other_party)
    sends = Current(SharingAgreementSigned.sends)
    receives = Current(SharingAgreementSigned.receives)
    purposes = Current(SharingAgreementSigned.purposes)
    valid_from = Current(SharingAgreementSigned.valid_from)
    valid_until = Current(SharingAgreementSigned.valid_until)
    ended = Current(SharingAgreementSigned.ended)
    document_sha256 = Current(SharingAgreementSigned.document_sha256)
    signed_at = Current(SharingAgreementSigned.occurred_at)


# What takes events out of a story again. A source takes back what it said itself; the hub, in the
# name of a person or after a dispute, whatever anyone said. Consent stays with the id that gave it.
RETRACTIONS = Retractions(
    voids=(RecordVoided.voided_event_id, RecordCorrected.corrected_event_id),
    everyone=HUB,
    moved=WorkersMerged.from_worker_id,
    staying=STAYING,
)

PROJECTIONS = declared_in(sys.modules[__name__])
