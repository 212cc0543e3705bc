"""Generated from the .avsc files by `make events`. Do not edit."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.edge import DirectoryEvent, EdgeEvent, StoryEvent

class AccessDeclined(StoryEvent):
    """This person said no to a request."""

    event_type: ClassVar[str] = "AccessDeclined"
    own_names: ClassVar[tuple[str, ...]] = ('request_id', 'recipient_id')
    type: Literal["AccessDeclined"] = "AccessDeclined"
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class AccessRequested(StoryEvent):
    """An organisation asked this person to share part of the record."""

    event_type: ClassVar[str] = "AccessRequested"
    own_names: ClassVar[tuple[str, ...]] = ('request_id', 'recipient_id', 'categories', 'purposes', 'expires_at')
    type: Literal["AccessRequested"] = "AccessRequested"
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    purposes: Annotated[list[Annotated[str, Field(pattern=r"^(hiring|advancement|training_support|programme_outcomes)$")]], Field(max_length=50)]
    expires_at: AwareDatetime


class AssessmentTaken(StoryEvent):
    """This person took a test."""

    event_type: ClassVar[str] = "AssessmentTaken"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'assessment_id', 'phase', 'score', 'carried_over')
    type: Literal["AssessmentTaken"] = "AssessmentTaken"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    assessment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    phase: Literal["UNKNOWN", "BEFORE", "DURING", "AFTER"]
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    carried_over: bool


class ConnectionConfigured(DirectoryEvent):
    """A receiver's system was connected, changed, paused or ended."""

    event_type: ClassVar[str] = "ConnectionConfigured"
    own_names: ClassVar[tuple[str, ...]] = ('connector', 'url', 'state', 'categories', 'purpose')
    type: Literal["ConnectionConfigured"] = "ConnectionConfigured"
    connector: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    state: Literal["UNKNOWN", "ACTIVE", "PAUSED", "ENDED"]
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    purpose: Annotated[str, Field(pattern=r"^(hiring|advancement|training_support|programme_outcomes)$")]


class ConsentGranted(StoryEvent):
    """This person agreed that an organisation may see part of the record."""

    event_type: ClassVar[str] = "ConsentGranted"
    own_names: ClassVar[tuple[str, ...]] = ('grant_id', 'recipient_id', 'categories', 'purposes', 'valid_from', 'valid_until', 'wording_version', 'wording_language', 'wording_sha256', 'request_id')
    type: Literal["ConsentGranted"] = "ConsentGranted"
    grant_id: UUID
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    purposes: Annotated[list[Annotated[str, Field(pattern=r"^(hiring|advancement|training_support|programme_outcomes)$")]], Field(max_length=50)]
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    wording_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    wording_language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    wording_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None


class ConsentWithdrawn(StoryEvent):
    """This person ended an agreement."""

    event_type: ClassVar[str] = "ConsentWithdrawn"
    own_names: ClassVar[tuple[str, ...]] = ('grant_id', 'recipient_id', 'channel')
    type: Literal["ConsentWithdrawn"] = "ConsentWithdrawn"
    grant_id: UUID
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    channel: Literal["UNKNOWN", "PORTAL", "API", "OPERATOR"]


class ContactChanged(StoryEvent):
    """This person changed what they want to be called or how to reach them."""

    event_type: ClassVar[str] = "ContactChanged"
    own_names: ClassVar[tuple[str, ...]] = ('display_name', 'contact_email', 'language')
    type: Literal["ContactChanged"] = "ContactChanged"
    display_name: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    contact_email: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None


class CredentialAwarded(StoryEvent):
    """This person was given a certificate or licence."""

    event_type: ClassVar[str] = "CredentialAwarded"
    own_names: ClassVar[tuple[str, ...]] = ('credential_id', 'credential_kind', 'expires_at')
    type: Literal["CredentialAwarded"] = "CredentialAwarded"
    credential_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    credential_kind: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    expires_at: AwareDatetime | None = None


class CredentialRevoked(StoryEvent):
    """A certificate or licence of this person is no longer good."""

    event_type: ClassVar[str] = "CredentialRevoked"
    own_names: ClassVar[tuple[str, ...]] = ('credential_id', 'credential_kind')
    type: Literal["CredentialRevoked"] = "CredentialRevoked"
    credential_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    credential_kind: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]


class CriterionMet(StoryEvent):
    """This person did one of the things that a promise asks for."""

    event_type: ClassVar[str] = "CriterionMet"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'criterion', 'caused_by')
    type: Literal["CriterionMet"] = "CriterionMet"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    criterion: Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]
    caused_by: UUID


class CriterionUnmet(StoryEvent):
    """What showed that one of the things was done no longer does."""

    event_type: ClassVar[str] = "CriterionUnmet"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'criterion', 'caused_by')
    type: Literal["CriterionUnmet"] = "CriterionUnmet"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    criterion: Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]
    caused_by: UUID


class DisclosureAttempted(StoryEvent):
    """The hub sent something of the record, or refused to send it."""

    event_type: ClassVar[str] = "DisclosureAttempted"
    own_names: ClassVar[tuple[str, ...]] = ('message_id', 'connection_id', 'recipient_id', 'grant_id', 'subject_event_id', 'subject_type', 'subject_category', 'outcome', 'reason', 'http_status', 'attempt', 'decided_at')
    type: Literal["DisclosureAttempted"] = "DisclosureAttempted"
    message_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    grant_id: UUID | None = None
    subject_event_id: UUID
    subject_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    subject_category: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    outcome: Literal["UNKNOWN", "DELIVERED", "FAILED", "REFUSED", "PARKED"]
    reason: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None
    attempt: Annotated[int, Field(ge=1, le=1000000)]
    decided_at: AwareDatetime


class EmploymentEnded(StoryEvent):
    """This person's job ended."""

    event_type: ClassVar[str] = "EmploymentEnded"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'reason')
    type: Literal["EmploymentEnded"] = "EmploymentEnded"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    reason: Literal["UNKNOWN", "QUIT", "LAID_OFF", "DISMISSED", "RETIRED", "CONTRACT_ENDED", "OTHER"]


class EmploymentStarted(StoryEvent):
    """This person started a job."""

    event_type: ClassVar[str] = "EmploymentStarted"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'occupation', 'job_level', 'wage_amount', 'wage_currency', 'wage_period')
    type: Literal["EmploymentStarted"] = "EmploymentStarted"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    job_level: Annotated[int, Field(ge=0, le=100)] | None = None
    wage_amount: Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)] | None = None
    wage_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    wage_period: Literal["UNKNOWN", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]


class FeedSubscribed(DirectoryEvent):
    """An organisation gets a feed of published numbers, or no longer does."""

    event_type: ClassVar[str] = "FeedSubscribed"
    own_names: ClassVar[tuple[str, ...]] = ('feed_id', 'channel', 'format', 'connection_id', 'ended')
    type: Literal["FeedSubscribed"] = "FeedSubscribed"
    feed_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    channel: Literal["UNKNOWN", "WEBHOOK", "KAFKA", "PULL"]
    format: Literal["UNKNOWN", "JSON", "CSV", "PARQUET", "SDMX_CSV", "SDMX_ML"]
    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None
    ended: bool = False


class InterviewGuaranteed(StoryEvent):
    """An employer guaranteed this person an interview."""

    event_type: ClassVar[str] = "InterviewGuaranteed"
    own_names: ClassVar[tuple[str, ...]] = ('interview_id', 'employer_id', 'promise_id')
    type: Literal["InterviewGuaranteed"] = "InterviewGuaranteed"
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None


class InterviewHeld(StoryEvent):
    """The interview took place."""

    event_type: ClassVar[str] = "InterviewHeld"
    own_names: ClassVar[tuple[str, ...]] = ('interview_id', 'employer_id', 'promise_id')
    type: Literal["InterviewHeld"] = "InterviewHeld"
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None


class OrganizationRegistered(DirectoryEvent):
    """An organisation takes part."""

    event_type: ClassVar[str] = "OrganizationRegistered"
    own_names: ClassVar[tuple[str, ...]] = ('name', 'kind', 'city', 'region', 'postal_code', 'website')
    type: Literal["OrganizationRegistered"] = "OrganizationRegistered"
    name: Annotated[str, Field(min_length=1, max_length=300)]
    kind: Literal["UNKNOWN", "EMPLOYER", "PROVIDER", "AGENCY", "OPERATOR"]
    city: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    postal_code: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    website: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class PathwayPublished(DirectoryEvent):
    """An employer says what leads to what: do these things to gain this."""

    event_type: ClassVar[str] = "PathwayPublished"
    own_names: ClassVar[tuple[str, ...]] = ('title', 'criteria', 'outcome', 'due_in_days')
    type: Literal["PathwayPublished"] = "PathwayPublished"
    title: Annotated[str, Field(min_length=1, max_length=300)]
    criteria: Annotated[list[Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]], Field(max_length=50)]
    outcome: Literal["UNKNOWN", "INTERVIEW", "ROLE", "WAGE_STEP", "BONUS"]
    due_in_days: Annotated[int, Field(ge=1, le=3650)]


class ProgrammePublished(DirectoryEvent):
    """A provider offers a course or programme."""

    event_type: ClassVar[str] = "ProgrammePublished"
    own_names: ClassVar[tuple[str, ...]] = ('title', 'cip', 'occupations', 'weeks', 'contact_hours', 'delivery_method', 'tuition', 'currency', 'credential_name', 'website')
    type: Literal["ProgrammePublished"] = "ProgrammePublished"
    title: Annotated[str, Field(min_length=1, max_length=500)]
    cip: Annotated[str, Field(pattern=r"^[0-9]{2}\.[0-9]{4}$")] | None = None
    occupations: Annotated[list[Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")]], Field(max_length=50)]
    weeks: Annotated[int, Field(ge=0, le=2000)] | None = None
    contact_hours: Annotated[int, Field(ge=0, le=100000)] | None = None
    delivery_method: Literal["UNKNOWN", "IN_PERSON", "ONLINE", "HYBRID"]
    tuition: Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    credential_name: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    website: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class PromiseAccepted(StoryEvent):
    """This person said yes to a promise."""

    event_type: ClassVar[str] = "PromiseAccepted"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseAccepted"] = "PromiseAccepted"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]


class PromiseDeclined(StoryEvent):
    """This person said no to a promise."""

    event_type: ClassVar[str] = "PromiseDeclined"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseDeclined"] = "PromiseDeclined"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]


class PromiseDue(StoryEvent):
    """Everything is done; the days count from now."""

    event_type: ClassVar[str] = "PromiseDue"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'due_at')
    type: Literal["PromiseDue"] = "PromiseDue"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    due_at: AwareDatetime


class PromiseKept(StoryEvent):
    """What was promised came."""

    event_type: ClassVar[str] = "PromiseKept"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseKept"] = "PromiseKept"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]


class PromiseLapsed(StoryEvent):
    """The days passed and what was promised did not come."""

    event_type: ClassVar[str] = "PromiseLapsed"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseLapsed"] = "PromiseLapsed"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]


class PromiseMade(StoryEvent):
    """An employer promised this person something in return for something."""

    event_type: ClassVar[str] = "PromiseMade"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'employer_id', 'pathway_id', 'pathway_version', 'outcome', 'due_in_days', 'criteria')
    type: Literal["PromiseMade"] = "PromiseMade"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    pathway_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    pathway_version: Annotated[int, Field(ge=1, le=1000000)]
    outcome: Literal["UNKNOWN", "INTERVIEW", "ROLE", "WAGE_STEP", "BONUS"]
    due_in_days: Annotated[int, Field(ge=1, le=3650)]
    criteria: Annotated[list[Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]], Field(max_length=50)] = []


class Promoted(StoryEvent):
    """This person moved to a higher job."""

    event_type: ClassVar[str] = "Promoted"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'occupation', 'job_level')
    type: Literal["Promoted"] = "Promoted"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    job_level: Annotated[int, Field(ge=0, le=100)] | None = None


class RoleChanged(StoryEvent):
    """This person's duties changed, at the same level."""

    event_type: ClassVar[str] = "RoleChanged"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'occupation')
    type: Literal["RoleChanged"] = "RoleChanged"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None


class SharingAgreementSigned(DirectoryEvent):
    """An organisation agreed what it sends to the hub or another party, what it gets, and until when."""

    event_type: ClassVar[str] = "SharingAgreementSigned"
    own_names: ClassVar[tuple[str, ...]] = ('other_party', 'sends', 'receives', 'purposes', 'valid_from', 'valid_until', 'ended', 'document_sha256')
    type: Literal["SharingAgreementSigned"] = "SharingAgreementSigned"
    other_party: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    sends: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]{2,20}([.][A-Z][A-Za-z]{1,60})?$")]], Field(max_length=50)]
    receives: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    purposes: Annotated[list[Annotated[str, Field(pattern=r"^(hiring|advancement|training_support|programme_outcomes)$")]], Field(max_length=50)]
    valid_from: AwareDatetime
    valid_until: AwareDatetime | None = None
    ended: bool = False
    document_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class SkillAttested(StoryEvent):
    """Somebody who saw it says that this person can do something."""

    event_type: ClassVar[str] = "SkillAttested"
    own_names: ClassVar[tuple[str, ...]] = ('attestation_id', 'skill_id', 'level', 'attested_by', 'evidence')
    type: Literal["SkillAttested"] = "SkillAttested"
    attestation_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]+:[A-Za-z0-9._-]{1,80}$")]
    level: Literal["UNKNOWN", "BEGINNER", "CAN_DO", "CAN_TEACH"]
    attested_by: Literal["UNKNOWN", "SUPERVISOR", "MENTOR", "ASSESSOR", "PEER"]
    evidence: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class SkillClaimed(StoryEvent):
    """This person says they can do something."""

    event_type: ClassVar[str] = "SkillClaimed"
    own_names: ClassVar[tuple[str, ...]] = ('skill_id', 'level')
    type: Literal["SkillClaimed"] = "SkillClaimed"
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]+:[A-Za-z0-9._-]{1,80}$")]
    level: Literal["UNKNOWN", "BEGINNER", "CAN_DO", "CAN_TEACH"]


class SkillNeedPublished(DirectoryEvent):
    """An employer or agency says which skill it looks for."""

    event_type: ClassVar[str] = "SkillNeedPublished"
    own_names: ClassVar[tuple[str, ...]] = ('skill_id', 'framework', 'framework_code', 'title', 'level', 'occupation', 'region', 'openings', 'needed_by', 'ended')
    type: Literal["SkillNeedPublished"] = "SkillNeedPublished"
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]+:[A-Za-z0-9._-]{1,80}$")]
    framework: Literal["UNKNOWN", "ONET", "CASE", "CTDL", "ESCO", "LOCAL"]
    framework_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None
    title: Annotated[str, Field(min_length=1, max_length=300)]
    level: Literal["UNKNOWN", "BEGINNER", "CAN_DO", "CAN_TEACH"]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    openings: Annotated[int, Field(ge=1, le=1000000)] | None = None
    needed_by: AwareDatetime | None = None
    ended: bool = False


class SourceRecordLinked(StoryEvent):
    """An organisation's record of a person now counts as this person's."""

    event_type: ClassVar[str] = "SourceRecordLinked"
    own_names: ClassVar[tuple[str, ...]] = ('link_id', 'organization_id', 'record_id', 'evidence')
    type: Literal["SourceRecordLinked"] = "SourceRecordLinked"
    link_id: UUID
    organization_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    record_id: Annotated[str, Field(min_length=1, max_length=2000)]
    evidence: Literal["UNKNOWN", "FIRST_SEEN", "CLAIM_CODE", "OPERATOR_REVIEW"]


class SourceRecordUnlinked(StoryEvent):
    """An organisation's record no longer counts as this person's."""

    event_type: ClassVar[str] = "SourceRecordUnlinked"
    own_names: ClassVar[tuple[str, ...]] = ('link_id', 'organization_id', 'record_id', 'reason')
    type: Literal["SourceRecordUnlinked"] = "SourceRecordUnlinked"
    link_id: UUID
    organization_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    record_id: Annotated[str, Field(min_length=1, max_length=2000)]
    reason: Literal["UNKNOWN", "NOT_ME", "WRONG_PERSON", "OTHER"]


class SupportGiven(StoryEvent):
    """Somebody helped this person."""

    event_type: ClassVar[str] = "SupportGiven"
    own_names: ClassVar[tuple[str, ...]] = ('support_id', 'kind', 'started_by', 'minutes')
    type: Literal["SupportGiven"] = "SupportGiven"
    support_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    kind: Literal["UNKNOWN", "NUDGE", "MENTORING", "MENTORING_CIRCLE", "COACHING", "TUITION", "PAID_TIME", "CHILDCARE", "TRANSPORT"]
    started_by: Literal["UNKNOWN", "WORKER", "SUPERVISOR", "PROVIDER", "SYSTEM"]
    minutes: Annotated[int, Field(ge=1, le=100000)] | None = None


class TrainingAcknowledged(StoryEvent):
    """The employer has seen that this person finished a course."""

    event_type: ClassVar[str] = "TrainingAcknowledged"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'employer_id')
    type: Literal["TrainingAcknowledged"] = "TrainingAcknowledged"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class TrainingCompleted(StoryEvent):
    """This person reached the end of a course."""

    event_type: ClassVar[str] = "TrainingCompleted"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'provider_id', 'result', 'score')
    type: Literal["TrainingCompleted"] = "TrainingCompleted"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    provider_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    result: Literal["UNKNOWN", "COMPLETED", "PASSED", "DISTINCTION", "FAILED"]
    score: Annotated[float, Field(ge=0, le=1)] | None = None


class TrainingEnrolled(StoryEvent):
    """This person has a place in a course."""

    event_type: ClassVar[str] = "TrainingEnrolled"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'provider_id')
    type: Literal["TrainingEnrolled"] = "TrainingEnrolled"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    provider_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class TrainingExited(StoryEvent):
    """This person left a course before its end."""

    event_type: ClassVar[str] = "TrainingExited"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'provider_id', 'reason', 'day_known')
    type: Literal["TrainingExited"] = "TrainingExited"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    provider_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    reason: Literal["UNKNOWN", "WITHDREW", "NO_SHOW", "TRANSFERRED", "FOUND_WORK", "DISMISSED", "OTHER"]
    day_known: bool


class TrainingOffered(StoryEvent):
    """Somebody offered this person a place in a course."""

    event_type: ClassVar[str] = "TrainingOffered"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'provider_id')
    type: Literal["TrainingOffered"] = "TrainingOffered"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    provider_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class TrainingProgressed(StoryEvent):
    """This person worked on a course."""

    event_type: ClassVar[str] = "TrainingProgressed"
    own_names: ClassVar[tuple[str, ...]] = ('enrolment_id', 'course_id', 'activity_id', 'verb', 'progress')
    type: Literal["TrainingProgressed"] = "TrainingProgressed"
    enrolment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    activity_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None
    verb: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    progress: Annotated[float, Field(ge=0, le=1)] | None = None


class WageChanged(StoryEvent):
    """This person's pay changed."""

    event_type: ClassVar[str] = "WageChanged"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'wage_amount', 'wage_currency', 'wage_period')
    type: Literal["WageChanged"] = "WageChanged"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    wage_amount: Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)] | None = None
    wage_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    wage_period: Literal["UNKNOWN", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]


class WorkerRegistered(StoryEvent):
    """A person has a record here."""

    event_type: ClassVar[str] = "WorkerRegistered"
    own_names: ClassVar[tuple[str, ...]] = ('display_name', 'contact_email', 'language')
    type: Literal["WorkerRegistered"] = "WorkerRegistered"
    display_name: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    contact_email: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None


class WorkersMerged(StoryEvent):
    """Two records here turned out to be one person and were put together."""

    event_type: ClassVar[str] = "WorkersMerged"
    own_names: ClassVar[tuple[str, ...]] = ('merge_id', 'from_worker_id', 'into_worker_id', 'evidence', 'events')
    type: Literal["WorkersMerged"] = "WorkersMerged"
    merge_id: UUID
    from_worker_id: UUID
    into_worker_id: UUID
    evidence: Literal["UNKNOWN", "FIRST_SEEN", "CLAIM_CODE", "OPERATOR_REVIEW"]
    events: Annotated[int, Field(ge=0, le=2147483647)]


class WorkersSplit(StoryEvent):
    """A record here held two people and was taken apart."""

    event_type: ClassVar[str] = "WorkersSplit"
    own_names: ClassVar[tuple[str, ...]] = ('split_id', 'from_worker_id', 'into_worker_id', 'merge_id', 'reason', 'events')
    type: Literal["WorkersSplit"] = "WorkersSplit"
    split_id: UUID
    from_worker_id: UUID
    into_worker_id: UUID
    merge_id: UUID | None = None
    reason: Literal["UNKNOWN", "NOT_ME", "WRONG_PERSON", "OTHER"]
    events: Annotated[int, Field(ge=0, le=2147483647)]


MODELS: dict[str, type[EdgeEvent]] = {
    "AccessDeclined": AccessDeclined,
    "AccessRequested": AccessRequested,
    "AssessmentTaken": AssessmentTaken,
    "ConnectionConfigured": ConnectionConfigured,
    "ConsentGranted": ConsentGranted,
    "ConsentWithdrawn": ConsentWithdrawn,
    "ContactChanged": ContactChanged,
    "CredentialAwarded": CredentialAwarded,
    "CredentialRevoked": CredentialRevoked,
    "CriterionMet": CriterionMet,
    "CriterionUnmet": CriterionUnmet,
    "DisclosureAttempted": DisclosureAttempted,
    "EmploymentEnded": EmploymentEnded,
    "EmploymentStarted": EmploymentStarted,
    "FeedSubscribed": FeedSubscribed,
    "InterviewGuaranteed": InterviewGuaranteed,
    "InterviewHeld": InterviewHeld,
    "OrganizationRegistered": OrganizationRegistered,
    "PathwayPublished": PathwayPublished,
    "ProgrammePublished": ProgrammePublished,
    "PromiseAccepted": PromiseAccepted,
    "PromiseDeclined": PromiseDeclined,
    "PromiseDue": PromiseDue,
    "PromiseKept": PromiseKept,
    "PromiseLapsed": PromiseLapsed,
    "PromiseMade": PromiseMade,
    "Promoted": Promoted,
    "RoleChanged": RoleChanged,
    "SharingAgreementSigned": SharingAgreementSigned,
    "SkillAttested": SkillAttested,
    "SkillClaimed": SkillClaimed,
    "SkillNeedPublished": SkillNeedPublished,
    "SourceRecordLinked": SourceRecordLinked,
    "SourceRecordUnlinked": SourceRecordUnlinked,
    "SupportGiven": SupportGiven,
    "TrainingAcknowledged": TrainingAcknowledged,
    "TrainingCompleted": TrainingCompleted,
    "TrainingEnrolled": TrainingEnrolled,
    "TrainingExited": TrainingExited,
    "TrainingOffered": TrainingOffered,
    "TrainingProgressed": TrainingProgressed,
    "WageChanged": WageChanged,
    "WorkerRegistered": WorkerRegistered,
    "WorkersMerged": WorkersMerged,
    "WorkersSplit": WorkersSplit,
}
