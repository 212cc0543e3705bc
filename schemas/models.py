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
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class AccessRequested(StoryEvent):
    """An organisation asked this person to share part of the record."""

    event_type: ClassVar[str] = "AccessRequested"
    own_names: ClassVar[tuple[str, ...]] = ('request_id', 'recipient_id', 'categories', 'purposes', 'expires_at')
    type: Literal["AccessRequested"] = "AccessRequested"
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
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
    url: Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?([/?#][!#-;=?-~]{0,1900})?$")]
    state: Literal["UNKNOWN", "ACTIVE", "PAUSED", "ENDED"]
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    purpose: Annotated[str, Field(pattern=r"^(hiring|advancement|training_support|programme_outcomes)$")]


class ConsentExpired(StoryEvent):
    """An agreement came to its end."""

    event_type: ClassVar[str] = "ConsentExpired"
    own_names: ClassVar[tuple[str, ...]] = ('grant_id', 'recipient_id')
    type: Literal["ConsentExpired"] = "ConsentExpired"
    grant_id: UUID
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


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
    wording_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    wording_language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    wording_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None


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
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    criterion: Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]
    caused_by: UUID


class CriterionUnmet(StoryEvent):
    """What showed that one of the things was done no longer does."""

    event_type: ClassVar[str] = "CriterionUnmet"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'criterion', 'caused_by')
    type: Literal["CriterionUnmet"] = "CriterionUnmet"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    criterion: Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]
    caused_by: UUID


class DemographicsDeclared(StoryEvent):
    """This person said something about themselves, for counting in large groups alone."""

    event_type: ClassVar[str] = "DemographicsDeclared"
    own_names: ClassVar[tuple[str, ...]] = ('gender', 'ethnicity', 'birth_year', 'disability', 'veteran')
    type: Literal["DemographicsDeclared"] = "DemographicsDeclared"
    gender: Annotated[str, Field(pattern=r"^(woman|man|nonbinary|other|not_stated)$")] | None = None
    ethnicity: Annotated[str, Field(pattern=r"^(american_indian|asian|black|hispanic|pacific_islander|white|several|other|not_stated)$")] | None = None
    birth_year: Annotated[str, Field(pattern=r"^(19|20)[0-9]{2}$")] | None = None
    disability: Annotated[str, Field(pattern=r"^(yes|no|not_stated)$")] | None = None
    veteran: Annotated[str, Field(pattern=r"^(yes|no|not_stated)$")] | None = None


class DisclosureAttempted(StoryEvent):
    """The hub sent something of the record, or refused to send it."""

    event_type: ClassVar[str] = "DisclosureAttempted"
    own_names: ClassVar[tuple[str, ...]] = ('message_id', 'connection_id', 'recipient_id', 'grant_id', 'subject_event_id', 'subject_type', 'subject_category', 'outcome', 'reason', 'http_status', 'attempt', 'decided_at')
    type: Literal["DisclosureAttempted"] = "DisclosureAttempted"
    message_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    grant_id: UUID | None = None
    subject_event_id: UUID
    subject_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    subject_category: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    outcome: Literal["UNKNOWN", "DELIVERED", "FAILED", "REFUSED", "PARKED"]
    reason: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None
    attempt: Annotated[int, Field(ge=1, le=1000000)]
    decided_at: AwareDatetime


class DisclosureRecalled(StoryEvent):
    """The hub told a receiver to delete what it got."""

    event_type: ClassVar[str] = "DisclosureRecalled"
    own_names: ClassVar[tuple[str, ...]] = ('recall_id', 'recipient_id', 'connection_id', 'grant_id', 'categories', 'reason', 'messages', 'due_at')
    type: Literal["DisclosureRecalled"] = "DisclosureRecalled"
    recall_id: UUID
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    grant_id: UUID | None = None
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    reason: Literal["UNKNOWN", "WITHDRAWN", "EXPIRED", "ERASED", "CORRECTED", "WRONG_PERSON"]
    messages: Annotated[int, Field(ge=0, le=2147483647)]
    due_at: AwareDatetime


class DisputeAnswered(StoryEvent):
    """Who wrote what is in dispute has answered."""

    event_type: ClassVar[str] = "DisputeAnswered"
    own_names: ClassVar[tuple[str, ...]] = ('dispute_id', 'disputed_event_id', 'answer', 'explanation')
    type: Literal["DisputeAnswered"] = "DisputeAnswered"
    dispute_id: UUID
    disputed_event_id: UUID
    answer: Literal["UNKNOWN", "CORRECTED", "VOIDED", "KEPT"]
    explanation: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class EmploymentEnded(StoryEvent):
    """This person's job ended."""

    event_type: ClassVar[str] = "EmploymentEnded"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'reason')
    type: Literal["EmploymentEnded"] = "EmploymentEnded"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    reason: Literal["UNKNOWN", "QUIT", "LAID_OFF", "DISMISSED", "RETIRED", "CONTRACT_ENDED", "OTHER"]


class EmploymentStarted(StoryEvent):
    """This person started a job."""

    event_type: ClassVar[str] = "EmploymentStarted"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'occupation', 'job_level', 'wage_amount', 'wage_currency', 'wage_period')
    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = (('wage_amount', 'wage_currency', 'wage_period'),)
    type: Literal["EmploymentStarted"] = "EmploymentStarted"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    job_level: Annotated[int, Field(ge=0, le=100)] | None = None
    wage_amount: Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)] | None = None
    wage_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    wage_period: Literal["UNKNOWN", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]


class ErasureCompleted(StoryEvent):
    """The erasure is done."""

    event_type: ClassVar[str] = "ErasureCompleted"
    own_names: ClassVar[tuple[str, ...]] = ('erasure_id', 'keys', 'stores', 'recipients', 'acknowledged', 'certificate_sha256')
    type: Literal["ErasureCompleted"] = "ErasureCompleted"
    erasure_id: UUID
    keys: Annotated[int, Field(ge=0, le=2147483647)]
    stores: Annotated[int, Field(ge=0, le=2147483647)]
    recipients: Annotated[int, Field(ge=0, le=2147483647)]
    acknowledged: Annotated[int, Field(ge=0, le=2147483647)]
    certificate_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ErasureDecided(StoryEvent):
    """It was checked who asked for the erasure, and whether a law stands against it."""

    event_type: ClassVar[str] = "ErasureDecided"
    own_names: ClassVar[tuple[str, ...]] = ('erasure_id', 'decision', 'ground', 'held_until')
    type: Literal["ErasureDecided"] = "ErasureDecided"
    erasure_id: UUID
    decision: Literal["UNKNOWN", "APPROVED", "HELD", "REFUSED"]
    ground: Literal["UNKNOWN", "LEGAL_RETENTION", "LEGAL_CLAIM", "NOT_THE_PERSON"]
    held_until: AwareDatetime | None = None


class ErasureKeysDestroyed(StoryEvent):
    """The keys to what is sealed on the record were destroyed."""

    event_type: ClassVar[str] = "ErasureKeysDestroyed"
    own_names: ClassVar[tuple[str, ...]] = ('erasure_id', 'keys', 'categories')
    type: Literal["ErasureKeysDestroyed"] = "ErasureKeysDestroyed"
    erasure_id: UUID
    keys: Annotated[int, Field(ge=0, le=2147483647)]
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)] = []


class ErasureRecipientNotified(StoryEvent):
    """A receiver was told of the erasure."""

    event_type: ClassVar[str] = "ErasureRecipientNotified"
    own_names: ClassVar[tuple[str, ...]] = ('erasure_id', 'recipient_id', 'recall_id')
    type: Literal["ErasureRecipientNotified"] = "ErasureRecipientNotified"
    erasure_id: UUID
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    recall_id: UUID


class ErasureRequested(StoryEvent):
    """This person wants the record erased."""

    event_type: ClassVar[str] = "ErasureRequested"
    own_names: ClassVar[tuple[str, ...]] = ('erasure_id', 'categories', 'channel', 'due_at')
    type: Literal["ErasureRequested"] = "ErasureRequested"
    erasure_id: UUID
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    channel: Literal["UNKNOWN", "PORTAL", "API", "OPERATOR"]
    due_at: AwareDatetime


class ErasureStorePurged(StoryEvent):
    """One store of the hub has nothing of the record left."""

    event_type: ClassVar[str] = "ErasureStorePurged"
    own_names: ClassVar[tuple[str, ...]] = ('erasure_id', 'store', 'rows')
    type: Literal["ErasureStorePurged"] = "ErasureStorePurged"
    erasure_id: UUID
    store: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{1,62}$")]
    rows: Annotated[int, Field(ge=0, le=2147483647)]


class ExperienceRecorded(StoryEvent):
    """This person did work elsewhere, paid or not."""

    event_type: ClassVar[str] = "ExperienceRecorded"
    own_names: ClassVar[tuple[str, ...]] = ('experience_id', 'kind', 'occupation', 'organization_name', 'duties', 'country', 'started_at', 'ended_at', 'hours_per_week')
    type: Literal["ExperienceRecorded"] = "ExperienceRecorded"
    experience_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    kind: Literal["UNKNOWN", "JOB", "VOLUNTEER", "MILITARY", "GIG", "CAREGIVING", "ABROAD"]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    organization_name: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    duties: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    hours_per_week: Annotated[int, Field(ge=1, le=168)] | None = None


class FeedSubscribed(DirectoryEvent):
    """An organisation gets a feed of published numbers, or no longer does."""

    event_type: ClassVar[str] = "FeedSubscribed"
    own_names: ClassVar[tuple[str, ...]] = ('feed_id', 'channel', 'format', 'connection_id', 'ended')
    type: Literal["FeedSubscribed"] = "FeedSubscribed"
    feed_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    channel: Literal["UNKNOWN", "WEBHOOK", "KAFKA", "PULL"]
    format: Literal["UNKNOWN", "JSON", "CSV", "PARQUET", "SDMX_CSV", "SDMX_ML"]
    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    ended: bool = False


class GoalStated(StoryEvent):
    """This person said where they want to go, or that they want to stay."""

    event_type: ClassVar[str] = "GoalStated"
    own_names: ClassVar[tuple[str, ...]] = ('goal_id', 'kind', 'occupation', 'skill_id', 'framework', 'framework_code', 'wage_amount', 'wage_currency', 'wage_period', 'wanted_by', 'ended', 'words')
    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = (('wage_amount', 'wage_currency', 'wage_period'),)
    type: Literal["GoalStated"] = "GoalStated"
    goal_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    kind: Literal["UNKNOWN", "ROLE", "WAGE", "SKILL", "CREDENTIAL", "MORE_HOURS", "NO_PROMOTION", "OTHER"]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80}$")] | None = None
    framework: Literal["UNKNOWN", "ONET", "CASE", "CTDL", "ESCO", "LOCAL"]
    framework_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    wage_amount: Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)] | None = None
    wage_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    wage_period: Literal["UNKNOWN", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]
    wanted_by: AwareDatetime | None = None
    ended: bool = False
    words: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class InterestExpressed(StoryEvent):
    """This person is interested in a job, a pathway or an employer."""

    event_type: ClassVar[str] = "InterestExpressed"
    own_names: ClassVar[tuple[str, ...]] = ('interest_id', 'employer_id', 'pathway_id', 'opening_id', 'occupation', 'words')
    type: Literal["InterestExpressed"] = "InterestExpressed"
    interest_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")] | None = None
    pathway_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None
    opening_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    words: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class InterviewGuaranteed(StoryEvent):
    """An employer guaranteed this person an interview."""

    event_type: ClassVar[str] = "InterviewGuaranteed"
    own_names: ClassVar[tuple[str, ...]] = ('interview_id', 'employer_id', 'promise_id')
    type: Literal["InterviewGuaranteed"] = "InterviewGuaranteed"
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None


class InterviewHeld(StoryEvent):
    """The interview took place."""

    event_type: ClassVar[str] = "InterviewHeld"
    own_names: ClassVar[tuple[str, ...]] = ('interview_id', 'employer_id', 'promise_id')
    type: Literal["InterviewHeld"] = "InterviewHeld"
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None


class InterviewMissed(StoryEvent):
    """The interview did not take place."""

    event_type: ClassVar[str] = "InterviewMissed"
    own_names: ClassVar[tuple[str, ...]] = ('interview_id', 'employer_id', 'promise_id', 'missed_by', 'reason')
    type: Literal["InterviewMissed"] = "InterviewMissed"
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    missed_by: Literal["UNKNOWN", "WORKER", "EMPLOYER", "BOTH"]
    reason: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class InterviewScheduled(StoryEvent):
    """A day was set for an interview."""

    event_type: ClassVar[str] = "InterviewScheduled"
    own_names: ClassVar[tuple[str, ...]] = ('interview_id', 'employer_id', 'promise_id', 'scheduled_for', 'format')
    type: Literal["InterviewScheduled"] = "InterviewScheduled"
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    scheduled_for: AwareDatetime
    format: Literal["UNKNOWN", "IN_PERSON", "PHONE", "VIDEO"]


class NudgeSuggested(StoryEvent):
    """The hub suggested to somebody to help this person."""

    event_type: ClassVar[str] = "NudgeSuggested"
    own_names: ClassVar[tuple[str, ...]] = ('nudge_id', 'reason', 'addressee', 'recipient_id', 'course_id', 'after_days', 'caused_by')
    type: Literal["NudgeSuggested"] = "NudgeSuggested"
    nudge_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    reason: Literal["UNKNOWN", "UNNOTICED_TRAINING", "NO_SUPPORT"]
    addressee: Literal["UNKNOWN", "SUPERVISOR", "COACH"]
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")] | None = None
    after_days: Annotated[int, Field(ge=1, le=3650)]
    caused_by: UUID


class OfferAnswered(StoryEvent):
    """This person answered an offer."""

    event_type: ClassVar[str] = "OfferAnswered"
    own_names: ClassVar[tuple[str, ...]] = ('offer_id', 'employer_id', 'answer', 'words')
    type: Literal["OfferAnswered"] = "OfferAnswered"
    offer_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    answer: Literal["UNKNOWN", "ACCEPTED", "DECLINED", "COUNTERED"]
    words: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class OfferMade(StoryEvent):
    """An employer offered this person a job."""

    event_type: ClassVar[str] = "OfferMade"
    own_names: ClassVar[tuple[str, ...]] = ('offer_id', 'employer_id', 'promise_id', 'interview_id', 'occupation', 'job_level', 'wage_amount', 'wage_currency', 'wage_period', 'starts_at', 'answer_by')
    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = (('wage_amount', 'wage_currency', 'wage_period'),)
    type: Literal["OfferMade"] = "OfferMade"
    offer_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    interview_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    job_level: Annotated[int, Field(ge=0, le=100)] | None = None
    wage_amount: Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)] | None = None
    wage_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    wage_period: Literal["UNKNOWN", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]
    starts_at: AwareDatetime | None = None
    answer_by: AwareDatetime | None = None


class OrganizationRegistered(DirectoryEvent):
    """An organisation takes part."""

    event_type: ClassVar[str] = "OrganizationRegistered"
    own_names: ClassVar[tuple[str, ...]] = ('name', 'kind', 'city', 'region', 'postal_code', 'website')
    type: Literal["OrganizationRegistered"] = "OrganizationRegistered"
    name: Annotated[str, Field(min_length=1, max_length=300)]
    kind: Literal["UNKNOWN", "EMPLOYER", "PROVIDER", "AGENCY", "OPERATOR"]
    city: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    postal_code: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9 -]{1,9}$")] | None = None
    website: Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?([/?#][!#-;=?-~]{0,400})?$")] | None = None


class PathwayPublished(DirectoryEvent):
    """An employer says what leads to what: do these things to gain this."""

    event_type: ClassVar[str] = "PathwayPublished"
    own_names: ClassVar[tuple[str, ...]] = ('title', 'criteria', 'outcome', 'due_in_days')
    type: Literal["PathwayPublished"] = "PathwayPublished"
    title: Annotated[str, Field(min_length=1, max_length=300)]
    criteria: Annotated[list[Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]], Field(max_length=50)]
    outcome: Literal["UNKNOWN", "INTERVIEW", "ROLE", "WAGE_STEP", "BONUS"]
    due_in_days: Annotated[int, Field(ge=1, le=3650)]


class ProcessingRestricted(StoryEvent):
    """This person wants the record kept, and neither shared nor counted; or lifted that."""

    event_type: ClassVar[str] = "ProcessingRestricted"
    own_names: ClassVar[tuple[str, ...]] = ('restriction_id', 'categories', 'lifted', 'channel')
    type: Literal["ProcessingRestricted"] = "ProcessingRestricted"
    restriction_id: UUID
    categories: Annotated[list[Annotated[str, Field(pattern=r"^(identity|training|credential|skill|experience|support|promise|opportunity|employment|wage)$")]], Field(max_length=50)]
    lifted: bool = False
    channel: Literal["UNKNOWN", "PORTAL", "API", "OPERATOR"]


class ProgrammePublished(DirectoryEvent):
    """A provider offers a course or programme."""

    event_type: ClassVar[str] = "ProgrammePublished"
    own_names: ClassVar[tuple[str, ...]] = ('title', 'cip', 'occupations', 'weeks', 'contact_hours', 'delivery_method', 'tuition', 'currency', 'credential_name', 'website')
    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = (('tuition', 'currency', None),)
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
    website: Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?([/?#][!#-;=?-~]{0,400})?$")] | None = None


class PromiseAccepted(StoryEvent):
    """This person said yes to a promise."""

    event_type: ClassVar[str] = "PromiseAccepted"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseAccepted"] = "PromiseAccepted"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]


class PromiseDeclined(StoryEvent):
    """This person said no to a promise."""

    event_type: ClassVar[str] = "PromiseDeclined"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseDeclined"] = "PromiseDeclined"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]


class PromiseDisputed(StoryEvent):
    """This person says that a promise was not dealt with rightly, or asks about it."""

    event_type: ClassVar[str] = "PromiseDisputed"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'reason', 'statement')
    type: Literal["PromiseDisputed"] = "PromiseDisputed"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    reason: Literal["UNKNOWN", "NOT_KEPT", "WRONG_TERMS", "CRITERION_MET", "OTHER", "QUESTION"]
    statement: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class PromiseDue(StoryEvent):
    """Everything is done; the days count from now."""

    event_type: ClassVar[str] = "PromiseDue"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'due_at')
    type: Literal["PromiseDue"] = "PromiseDue"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    due_at: AwareDatetime


class PromiseKept(StoryEvent):
    """What was promised came."""

    event_type: ClassVar[str] = "PromiseKept"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseKept"] = "PromiseKept"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]


class PromiseLapsed(StoryEvent):
    """The days passed and what was promised did not come."""

    event_type: ClassVar[str] = "PromiseLapsed"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id',)
    type: Literal["PromiseLapsed"] = "PromiseLapsed"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]


class PromiseMade(StoryEvent):
    """An employer promised this person something in return for something."""

    event_type: ClassVar[str] = "PromiseMade"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'employer_id', 'pathway_id', 'pathway_version', 'outcome', 'due_in_days', 'criteria')
    type: Literal["PromiseMade"] = "PromiseMade"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    pathway_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    pathway_version: Annotated[int, Field(ge=1, le=1000000)]
    outcome: Literal["UNKNOWN", "INTERVIEW", "ROLE", "WAGE_STEP", "BONUS"]
    due_in_days: Annotated[int, Field(ge=1, le=3650)]
    criteria: Annotated[list[Annotated[str, Field(pattern=r"^(training:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}|skill:[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80};attested_by=(ANY|SUPERVISOR|MENTOR|ASSESSOR|PEER);times=[1-9][0-9]?|assessment:[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149};at_least=(0[.][0-9]{1,4}|1)|employed_days:[1-9][0-9]{0,4})$")]], Field(max_length=50)] = []


class PromiseWithdrawn(StoryEvent):
    """An employer took back a promise."""

    event_type: ClassVar[str] = "PromiseWithdrawn"
    own_names: ClassVar[tuple[str, ...]] = ('promise_id', 'employer_id', 'reason', 'explanation')
    type: Literal["PromiseWithdrawn"] = "PromiseWithdrawn"
    promise_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    reason: Literal["UNKNOWN", "POSITION_CLOSED", "BUSINESS_CLOSED", "MISTAKE", "OTHER"]
    explanation: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class Promoted(StoryEvent):
    """This person moved to a higher job."""

    event_type: ClassVar[str] = "Promoted"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'occupation', 'job_level')
    type: Literal["Promoted"] = "Promoted"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    job_level: Annotated[int, Field(ge=0, le=100)] | None = None


class RecallAcknowledged(StoryEvent):
    """A receiver answered that it deleted what it got, or why not."""

    event_type: ClassVar[str] = "RecallAcknowledged"
    own_names: ClassVar[tuple[str, ...]] = ('recall_id', 'recipient_id', 'outcome')
    type: Literal["RecallAcknowledged"] = "RecallAcknowledged"
    recall_id: UUID
    recipient_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    outcome: Literal["UNKNOWN", "DELETED", "KEPT_BY_LAW", "NOT_HELD"]


class RecordCorrected(StoryEvent):
    """An event was wrong, and another one stands in its place."""

    event_type: ClassVar[str] = "RecordCorrected"
    own_names: ClassVar[tuple[str, ...]] = ('corrected_event_id', 'replacement_event_id', 'dispute_id', 'reason')
    type: Literal["RecordCorrected"] = "RecordCorrected"
    corrected_event_id: UUID
    replacement_event_id: UUID
    dispute_id: UUID | None = None
    reason: Literal["UNKNOWN", "MISTAKE", "DUPLICATE", "WRONG_PERSON", "DISPUTE", "OTHER"]


class RecordDisputed(StoryEvent):
    """This person says that something on the record is wrong."""

    event_type: ClassVar[str] = "RecordDisputed"
    own_names: ClassVar[tuple[str, ...]] = ('dispute_id', 'disputed_event_id', 'field', 'reason', 'statement')
    type: Literal["RecordDisputed"] = "RecordDisputed"
    dispute_id: UUID
    disputed_event_id: UUID
    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")] | None = None
    reason: Literal["UNKNOWN", "WRONG", "NOT_ME", "OUT_OF_DATE", "OTHER"]
    statement: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class RecordVoided(StoryEvent):
    """An event was wrong, and nothing stands in its place."""

    event_type: ClassVar[str] = "RecordVoided"
    own_names: ClassVar[tuple[str, ...]] = ('voided_event_id', 'dispute_id', 'reason')
    type: Literal["RecordVoided"] = "RecordVoided"
    voided_event_id: UUID
    dispute_id: UUID | None = None
    reason: Literal["UNKNOWN", "MISTAKE", "DUPLICATE", "WRONG_PERSON", "DISPUTE", "OTHER"]


class RoleChanged(StoryEvent):
    """This person's duties changed, at the same level."""

    event_type: ClassVar[str] = "RoleChanged"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'occupation', 'change', 'duties')
    type: Literal["RoleChanged"] = "RoleChanged"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}\.[0-9]{2}$")] | None = None
    change: Literal["UNKNOWN", "LATERAL_MOVE", "NEW_DUTIES"] = 'UNKNOWN'
    duties: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


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


class SkillAttestationWithdrawn(StoryEvent):
    """Who said that this person can do something takes it back."""

    event_type: ClassVar[str] = "SkillAttestationWithdrawn"
    own_names: ClassVar[tuple[str, ...]] = ('attestation_id', 'skill_id', 'reason')
    type: Literal["SkillAttestationWithdrawn"] = "SkillAttestationWithdrawn"
    attestation_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80}$")]
    reason: Literal["UNKNOWN", "MISTAKE", "NO_LONGER_TRUE", "WRONG_PERSON", "OTHER"]


class SkillAttested(StoryEvent):
    """Somebody who saw it says that this person can do something."""

    event_type: ClassVar[str] = "SkillAttested"
    own_names: ClassVar[tuple[str, ...]] = ('attestation_id', 'skill_id', 'level', 'attested_by', 'evidence', 'framework', 'framework_code', 'words')
    type: Literal["SkillAttested"] = "SkillAttested"
    attestation_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80}$")]
    level: Literal["UNKNOWN", "BEGINNER", "CAN_DO", "CAN_TEACH"]
    attested_by: Literal["UNKNOWN", "SUPERVISOR", "MENTOR", "ASSESSOR", "PEER"]
    evidence: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    framework: Literal["UNKNOWN", "ONET", "CASE", "CTDL", "ESCO", "LOCAL"] = 'UNKNOWN'
    framework_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    words: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class SkillClaimed(StoryEvent):
    """This person says they can do something."""

    event_type: ClassVar[str] = "SkillClaimed"
    own_names: ClassVar[tuple[str, ...]] = ('skill_id', 'level', 'framework', 'framework_code', 'words')
    type: Literal["SkillClaimed"] = "SkillClaimed"
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80}$")]
    level: Literal["UNKNOWN", "BEGINNER", "CAN_DO", "CAN_TEACH"]
    framework: Literal["UNKNOWN", "ONET", "CASE", "CTDL", "ESCO", "LOCAL"] = 'UNKNOWN'
    framework_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
    words: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class SkillNeedPublished(DirectoryEvent):
    """An employer or agency says which skill it looks for."""

    event_type: ClassVar[str] = "SkillNeedPublished"
    own_names: ClassVar[tuple[str, ...]] = ('skill_id', 'framework', 'framework_code', 'title', 'level', 'occupation', 'region', 'openings', 'needed_by', 'ended')
    type: Literal["SkillNeedPublished"] = "SkillNeedPublished"
    skill_id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80}$")]
    framework: Literal["UNKNOWN", "ONET", "CASE", "CTDL", "ESCO", "LOCAL"]
    framework_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None
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


class SupervisorAssigned(StoryEvent):
    """This person has another supervisor."""

    event_type: ClassVar[str] = "SupervisorAssigned"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'supervisor_id')
    type: Literal["SupervisorAssigned"] = "SupervisorAssigned"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    employer_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    supervisor_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")] | None = None


class SupportGiven(StoryEvent):
    """Somebody helped this person."""

    event_type: ClassVar[str] = "SupportGiven"
    own_names: ClassVar[tuple[str, ...]] = ('support_id', 'kind', 'started_by', 'minutes')
    type: Literal["SupportGiven"] = "SupportGiven"
    support_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
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


class TrainingDecided(StoryEvent):
    """Somebody said yes or no to a request for a course."""

    event_type: ClassVar[str] = "TrainingDecided"
    own_names: ClassVar[tuple[str, ...]] = ('request_id', 'course_id', 'decider_id', 'decision', 'decided_by', 'paid_by', 'reason', 'explanation')
    type: Literal["TrainingDecided"] = "TrainingDecided"
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    decider_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    decision: Literal["UNKNOWN", "APPROVED", "REFUSED"]
    decided_by: Literal["UNKNOWN", "SUPERVISOR", "PERSONNEL_OFFICE", "CASE_WORKER"]
    paid_by: Literal["UNKNOWN", "NOBODY", "EMPLOYER", "AGENCY", "WORKER", "SHARED"]
    reason: Literal["UNKNOWN", "NO_BUDGET", "NO_TIME", "NOT_RELATED", "NOT_ELIGIBLE", "FULL", "OTHER"]
    explanation: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


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


class TrainingRequested(StoryEvent):
    """Somebody asked that this person may take a course."""

    event_type: ClassVar[str] = "TrainingRequested"
    own_names: ClassVar[tuple[str, ...]] = ('request_id', 'course_id', 'provider_id', 'requested_by', 'reason')
    type: Literal["TrainingRequested"] = "TrainingRequested"
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
    course_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
    provider_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")] | None = None
    requested_by: Literal["UNKNOWN", "WORKER", "SUPERVISOR", "EMPLOYER", "AGENCY"]
    reason: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class WageChanged(StoryEvent):
    """This person's pay changed."""

    event_type: ClassVar[str] = "WageChanged"
    own_names: ClassVar[tuple[str, ...]] = ('employment_id', 'employer_id', 'wage_amount', 'wage_currency', 'wage_period')
    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = (('wage_amount', 'wage_currency', 'wage_period'),)
    type: Literal["WageChanged"] = "WageChanged"
    employment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
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
    "ConsentExpired": ConsentExpired,
    "ConsentGranted": ConsentGranted,
    "ConsentWithdrawn": ConsentWithdrawn,
    "ContactChanged": ContactChanged,
    "CredentialAwarded": CredentialAwarded,
    "CredentialRevoked": CredentialRevoked,
    "CriterionMet": CriterionMet,
    "CriterionUnmet": CriterionUnmet,
    "DemographicsDeclared": DemographicsDeclared,
    "DisclosureAttempted": DisclosureAttempted,
    "DisclosureRecalled": DisclosureRecalled,
    "DisputeAnswered": DisputeAnswered,
    "EmploymentEnded": EmploymentEnded,
    "EmploymentStarted": EmploymentStarted,
    "ErasureCompleted": ErasureCompleted,
    "ErasureDecided": ErasureDecided,
    "ErasureKeysDestroyed": ErasureKeysDestroyed,
    "ErasureRecipientNotified": ErasureRecipientNotified,
    "ErasureRequested": ErasureRequested,
    "ErasureStorePurged": ErasureStorePurged,
    "ExperienceRecorded": ExperienceRecorded,
    "FeedSubscribed": FeedSubscribed,
    "GoalStated": GoalStated,
    "InterestExpressed": InterestExpressed,
    "InterviewGuaranteed": InterviewGuaranteed,
    "InterviewHeld": InterviewHeld,
    "InterviewMissed": InterviewMissed,
    "InterviewScheduled": InterviewScheduled,
    "NudgeSuggested": NudgeSuggested,
    "OfferAnswered": OfferAnswered,
    "OfferMade": OfferMade,
    "OrganizationRegistered": OrganizationRegistered,
    "PathwayPublished": PathwayPublished,
    "ProcessingRestricted": ProcessingRestricted,
    "ProgrammePublished": ProgrammePublished,
    "PromiseAccepted": PromiseAccepted,
    "PromiseDeclined": PromiseDeclined,
    "PromiseDisputed": PromiseDisputed,
    "PromiseDue": PromiseDue,
    "PromiseKept": PromiseKept,
    "PromiseLapsed": PromiseLapsed,
    "PromiseMade": PromiseMade,
    "PromiseWithdrawn": PromiseWithdrawn,
    "Promoted": Promoted,
    "RecallAcknowledged": RecallAcknowledged,
    "RecordCorrected": RecordCorrected,
    "RecordDisputed": RecordDisputed,
    "RecordVoided": RecordVoided,
    "RoleChanged": RoleChanged,
    "SharingAgreementSigned": SharingAgreementSigned,
    "SkillAttestationWithdrawn": SkillAttestationWithdrawn,
    "SkillAttested": SkillAttested,
    "SkillClaimed": SkillClaimed,
    "SkillNeedPublished": SkillNeedPublished,
    "SourceRecordLinked": SourceRecordLinked,
    "SourceRecordUnlinked": SourceRecordUnlinked,
    "SupervisorAssigned": SupervisorAssigned,
    "SupportGiven": SupportGiven,
    "TrainingAcknowledged": TrainingAcknowledged,
    "TrainingCompleted": TrainingCompleted,
    "TrainingDecided": TrainingDecided,
    "TrainingEnrolled": TrainingEnrolled,
    "TrainingExited": TrainingExited,
    "TrainingOffered": TrainingOffered,
    "TrainingProgressed": TrainingProgressed,
    "TrainingRequested": TrainingRequested,
    "WageChanged": WageChanged,
    "WorkerRegistered": WorkerRegistered,
    "WorkersMerged": WorkersMerged,
    "WorkersSplit": WorkersSplit,
}
