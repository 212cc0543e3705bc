"""Generated from the .avsc files by `make events`. Do not edit."""

from __future__ import annotations

from schemas.fields import FieldRef


class AccessDeclined:
    """This person said no to a request."""

    event_id = FieldRef("AccessDeclined", "event_id", "fixed", False, False)
    worker_id = FieldRef("AccessDeclined", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("AccessDeclined", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("AccessDeclined", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("AccessDeclined", "source", "string", False, False)
    source_record_id = FieldRef("AccessDeclined", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("AccessDeclined", "actor_role", "enum", False, False)
    actor_id = FieldRef("AccessDeclined", "actor_id", "string", False, False)
    correlation_id = FieldRef("AccessDeclined", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("AccessDeclined", "supersedes", "fixed", True, False)
    request_id = FieldRef("AccessDeclined", "request_id", "string", False, False)
    recipient_id = FieldRef("AccessDeclined", "recipient_id", "string", False, False)


class AccessRequested:
    """An organisation asked this person to share part of the record."""

    event_id = FieldRef("AccessRequested", "event_id", "fixed", False, False)
    worker_id = FieldRef("AccessRequested", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("AccessRequested", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("AccessRequested", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("AccessRequested", "source", "string", False, False)
    source_record_id = FieldRef("AccessRequested", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("AccessRequested", "actor_role", "enum", False, False)
    actor_id = FieldRef("AccessRequested", "actor_id", "string", False, False)
    correlation_id = FieldRef("AccessRequested", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("AccessRequested", "supersedes", "fixed", True, False)
    request_id = FieldRef("AccessRequested", "request_id", "string", False, False)
    recipient_id = FieldRef("AccessRequested", "recipient_id", "string", False, False)
    categories = FieldRef("AccessRequested", "categories", "array", False, False)
    purposes = FieldRef("AccessRequested", "purposes", "array", False, False)
    expires_at = FieldRef("AccessRequested", "expires_at", "timestamp-micros", False, False)


class AssessmentTaken:
    """This person took a test."""

    event_id = FieldRef("AssessmentTaken", "event_id", "fixed", False, False)
    worker_id = FieldRef("AssessmentTaken", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("AssessmentTaken", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("AssessmentTaken", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("AssessmentTaken", "source", "string", False, False)
    source_record_id = FieldRef("AssessmentTaken", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("AssessmentTaken", "actor_role", "enum", False, False)
    actor_id = FieldRef("AssessmentTaken", "actor_id", "string", False, False)
    correlation_id = FieldRef("AssessmentTaken", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("AssessmentTaken", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("AssessmentTaken", "enrolment_id", "string", False, False)
    course_id = FieldRef("AssessmentTaken", "course_id", "string", False, False)
    assessment_id = FieldRef("AssessmentTaken", "assessment_id", "string", False, False)
    phase = FieldRef("AssessmentTaken", "phase", "enum", False, False)
    score = FieldRef("AssessmentTaken", "score", "double", True, False)
    carried_over = FieldRef("AssessmentTaken", "carried_over", "boolean", False, False)


class ConnectionConfigured:
    """A receiver's system was connected, changed, paused or ended."""

    event_id = FieldRef("ConnectionConfigured", "event_id", "fixed", False, False)
    organization_id = FieldRef("ConnectionConfigured", "organization_id", "string", False, False)
    entity_id = FieldRef("ConnectionConfigured", "entity_id", "string", False, False)
    version = FieldRef("ConnectionConfigured", "version", "int", False, False)
    occurred_at = FieldRef("ConnectionConfigured", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ConnectionConfigured", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ConnectionConfigured", "source", "string", False, False)
    actor_role = FieldRef("ConnectionConfigured", "actor_role", "enum", False, False)
    actor_id = FieldRef("ConnectionConfigured", "actor_id", "string", False, False)
    connector = FieldRef("ConnectionConfigured", "connector", "string", False, False)
    url = FieldRef("ConnectionConfigured", "url", "string", False, False)
    state = FieldRef("ConnectionConfigured", "state", "enum", False, False)
    categories = FieldRef("ConnectionConfigured", "categories", "array", False, False)
    purpose = FieldRef("ConnectionConfigured", "purpose", "string", False, False)


class ConsentExpired:
    """An agreement came to its end."""

    event_id = FieldRef("ConsentExpired", "event_id", "fixed", False, False)
    worker_id = FieldRef("ConsentExpired", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ConsentExpired", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ConsentExpired", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ConsentExpired", "source", "string", False, False)
    source_record_id = FieldRef("ConsentExpired", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ConsentExpired", "actor_role", "enum", False, False)
    actor_id = FieldRef("ConsentExpired", "actor_id", "string", False, False)
    correlation_id = FieldRef("ConsentExpired", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ConsentExpired", "supersedes", "fixed", True, False)
    grant_id = FieldRef("ConsentExpired", "grant_id", "fixed", False, False)
    recipient_id = FieldRef("ConsentExpired", "recipient_id", "string", False, False)


class ConsentGranted:
    """This person agreed that an organisation may see part of the record."""

    event_id = FieldRef("ConsentGranted", "event_id", "fixed", False, False)
    worker_id = FieldRef("ConsentGranted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ConsentGranted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ConsentGranted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ConsentGranted", "source", "string", False, False)
    source_record_id = FieldRef("ConsentGranted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ConsentGranted", "actor_role", "enum", False, False)
    actor_id = FieldRef("ConsentGranted", "actor_id", "string", False, False)
    correlation_id = FieldRef("ConsentGranted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ConsentGranted", "supersedes", "fixed", True, False)
    grant_id = FieldRef("ConsentGranted", "grant_id", "fixed", False, False)
    recipient_id = FieldRef("ConsentGranted", "recipient_id", "string", False, False)
    categories = FieldRef("ConsentGranted", "categories", "array", False, False)
    purposes = FieldRef("ConsentGranted", "purposes", "array", False, False)
    valid_from = FieldRef("ConsentGranted", "valid_from", "timestamp-micros", False, False)
    valid_until = FieldRef("ConsentGranted", "valid_until", "timestamp-micros", False, False)
    wording_version = FieldRef("ConsentGranted", "wording_version", "string", False, False)
    wording_language = FieldRef("ConsentGranted", "wording_language", "string", False, False)
    wording_sha256 = FieldRef("ConsentGranted", "wording_sha256", "string", False, False)
    request_id = FieldRef("ConsentGranted", "request_id", "string", True, False)


class ConsentWithdrawn:
    """This person ended an agreement."""

    event_id = FieldRef("ConsentWithdrawn", "event_id", "fixed", False, False)
    worker_id = FieldRef("ConsentWithdrawn", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ConsentWithdrawn", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ConsentWithdrawn", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ConsentWithdrawn", "source", "string", False, False)
    source_record_id = FieldRef("ConsentWithdrawn", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ConsentWithdrawn", "actor_role", "enum", False, False)
    actor_id = FieldRef("ConsentWithdrawn", "actor_id", "string", False, False)
    correlation_id = FieldRef("ConsentWithdrawn", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ConsentWithdrawn", "supersedes", "fixed", True, False)
    grant_id = FieldRef("ConsentWithdrawn", "grant_id", "fixed", False, False)
    recipient_id = FieldRef("ConsentWithdrawn", "recipient_id", "string", False, False)
    channel = FieldRef("ConsentWithdrawn", "channel", "enum", False, False)


class ContactChanged:
    """This person changed what they want to be called or how to reach them."""

    event_id = FieldRef("ContactChanged", "event_id", "fixed", False, False)
    worker_id = FieldRef("ContactChanged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ContactChanged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ContactChanged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ContactChanged", "source", "string", False, False)
    source_record_id = FieldRef("ContactChanged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ContactChanged", "actor_role", "enum", False, False)
    actor_id = FieldRef("ContactChanged", "actor_id", "string", False, False)
    correlation_id = FieldRef("ContactChanged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ContactChanged", "supersedes", "fixed", True, False)
    display_name = FieldRef("ContactChanged", "display_name", "bytes", True, True)
    contact_email = FieldRef("ContactChanged", "contact_email", "bytes", True, True)
    language = FieldRef("ContactChanged", "language", "string", True, False)


class CredentialAwarded:
    """This person was given a certificate or licence."""

    event_id = FieldRef("CredentialAwarded", "event_id", "fixed", False, False)
    worker_id = FieldRef("CredentialAwarded", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("CredentialAwarded", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("CredentialAwarded", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("CredentialAwarded", "source", "string", False, False)
    source_record_id = FieldRef("CredentialAwarded", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("CredentialAwarded", "actor_role", "enum", False, False)
    actor_id = FieldRef("CredentialAwarded", "actor_id", "string", False, False)
    correlation_id = FieldRef("CredentialAwarded", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("CredentialAwarded", "supersedes", "fixed", True, False)
    credential_id = FieldRef("CredentialAwarded", "credential_id", "string", False, False)
    credential_kind = FieldRef("CredentialAwarded", "credential_kind", "string", False, False)
    expires_at = FieldRef("CredentialAwarded", "expires_at", "timestamp-micros", True, False)


class CredentialRevoked:
    """A certificate or licence of this person is no longer good."""

    event_id = FieldRef("CredentialRevoked", "event_id", "fixed", False, False)
    worker_id = FieldRef("CredentialRevoked", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("CredentialRevoked", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("CredentialRevoked", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("CredentialRevoked", "source", "string", False, False)
    source_record_id = FieldRef("CredentialRevoked", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("CredentialRevoked", "actor_role", "enum", False, False)
    actor_id = FieldRef("CredentialRevoked", "actor_id", "string", False, False)
    correlation_id = FieldRef("CredentialRevoked", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("CredentialRevoked", "supersedes", "fixed", True, False)
    credential_id = FieldRef("CredentialRevoked", "credential_id", "string", False, False)
    credential_kind = FieldRef("CredentialRevoked", "credential_kind", "string", False, False)


class CriterionMet:
    """This person did one of the things that a promise asks for."""

    event_id = FieldRef("CriterionMet", "event_id", "fixed", False, False)
    worker_id = FieldRef("CriterionMet", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("CriterionMet", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("CriterionMet", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("CriterionMet", "source", "string", False, False)
    source_record_id = FieldRef("CriterionMet", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("CriterionMet", "actor_role", "enum", False, False)
    actor_id = FieldRef("CriterionMet", "actor_id", "string", False, False)
    correlation_id = FieldRef("CriterionMet", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("CriterionMet", "supersedes", "fixed", True, False)
    promise_id = FieldRef("CriterionMet", "promise_id", "string", False, False)
    criterion = FieldRef("CriterionMet", "criterion", "string", False, False)
    caused_by = FieldRef("CriterionMet", "caused_by", "fixed", False, False)


class CriterionUnmet:
    """What showed that one of the things was done no longer does."""

    event_id = FieldRef("CriterionUnmet", "event_id", "fixed", False, False)
    worker_id = FieldRef("CriterionUnmet", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("CriterionUnmet", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("CriterionUnmet", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("CriterionUnmet", "source", "string", False, False)
    source_record_id = FieldRef("CriterionUnmet", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("CriterionUnmet", "actor_role", "enum", False, False)
    actor_id = FieldRef("CriterionUnmet", "actor_id", "string", False, False)
    correlation_id = FieldRef("CriterionUnmet", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("CriterionUnmet", "supersedes", "fixed", True, False)
    promise_id = FieldRef("CriterionUnmet", "promise_id", "string", False, False)
    criterion = FieldRef("CriterionUnmet", "criterion", "string", False, False)
    caused_by = FieldRef("CriterionUnmet", "caused_by", "fixed", False, False)


class DemographicsDeclared:
    """This person said something about themselves, for counting in large groups alone."""

    event_id = FieldRef("DemographicsDeclared", "event_id", "fixed", False, False)
    worker_id = FieldRef("DemographicsDeclared", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("DemographicsDeclared", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("DemographicsDeclared", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("DemographicsDeclared", "source", "string", False, False)
    source_record_id = FieldRef("DemographicsDeclared", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("DemographicsDeclared", "actor_role", "enum", False, False)
    actor_id = FieldRef("DemographicsDeclared", "actor_id", "string", False, False)
    correlation_id = FieldRef("DemographicsDeclared", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("DemographicsDeclared", "supersedes", "fixed", True, False)
    gender = FieldRef("DemographicsDeclared", "gender", "bytes", True, True)
    ethnicity = FieldRef("DemographicsDeclared", "ethnicity", "bytes", True, True)
    birth_year = FieldRef("DemographicsDeclared", "birth_year", "bytes", True, True)
    disability = FieldRef("DemographicsDeclared", "disability", "bytes", True, True)
    veteran = FieldRef("DemographicsDeclared", "veteran", "bytes", True, True)


class DisclosureAttempted:
    """The hub sent something of the record, or refused to send it."""

    event_id = FieldRef("DisclosureAttempted", "event_id", "fixed", False, False)
    worker_id = FieldRef("DisclosureAttempted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("DisclosureAttempted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("DisclosureAttempted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("DisclosureAttempted", "source", "string", False, False)
    source_record_id = FieldRef("DisclosureAttempted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("DisclosureAttempted", "actor_role", "enum", False, False)
    actor_id = FieldRef("DisclosureAttempted", "actor_id", "string", False, False)
    correlation_id = FieldRef("DisclosureAttempted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("DisclosureAttempted", "supersedes", "fixed", True, False)
    message_id = FieldRef("DisclosureAttempted", "message_id", "string", False, False)
    connection_id = FieldRef("DisclosureAttempted", "connection_id", "string", False, False)
    recipient_id = FieldRef("DisclosureAttempted", "recipient_id", "string", False, False)
    grant_id = FieldRef("DisclosureAttempted", "grant_id", "fixed", True, False)
    subject_event_id = FieldRef("DisclosureAttempted", "subject_event_id", "fixed", False, False)
    subject_type = FieldRef("DisclosureAttempted", "subject_type", "string", False, False)
    subject_category = FieldRef("DisclosureAttempted", "subject_category", "string", False, False)
    outcome = FieldRef("DisclosureAttempted", "outcome", "enum", False, False)
    reason = FieldRef("DisclosureAttempted", "reason", "string", False, False)
    http_status = FieldRef("DisclosureAttempted", "http_status", "int", True, False)
    attempt = FieldRef("DisclosureAttempted", "attempt", "int", False, False)
    decided_at = FieldRef("DisclosureAttempted", "decided_at", "timestamp-micros", False, False)


class DisclosureRecalled:
    """The hub told a receiver to delete what it got."""

    event_id = FieldRef("DisclosureRecalled", "event_id", "fixed", False, False)
    worker_id = FieldRef("DisclosureRecalled", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("DisclosureRecalled", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("DisclosureRecalled", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("DisclosureRecalled", "source", "string", False, False)
    source_record_id = FieldRef("DisclosureRecalled", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("DisclosureRecalled", "actor_role", "enum", False, False)
    actor_id = FieldRef("DisclosureRecalled", "actor_id", "string", False, False)
    correlation_id = FieldRef("DisclosureRecalled", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("DisclosureRecalled", "supersedes", "fixed", True, False)
    recall_id = FieldRef("DisclosureRecalled", "recall_id", "fixed", False, False)
    recipient_id = FieldRef("DisclosureRecalled", "recipient_id", "string", False, False)
    connection_id = FieldRef("DisclosureRecalled", "connection_id", "string", True, False)
    grant_id = FieldRef("DisclosureRecalled", "grant_id", "fixed", True, False)
    categories = FieldRef("DisclosureRecalled", "categories", "array", False, False)
    reason = FieldRef("DisclosureRecalled", "reason", "enum", False, False)
    messages = FieldRef("DisclosureRecalled", "messages", "int", False, False)
    due_at = FieldRef("DisclosureRecalled", "due_at", "timestamp-micros", False, False)


class DisputeAnswered:
    """Who wrote what is in dispute has answered."""

    event_id = FieldRef("DisputeAnswered", "event_id", "fixed", False, False)
    worker_id = FieldRef("DisputeAnswered", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("DisputeAnswered", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("DisputeAnswered", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("DisputeAnswered", "source", "string", False, False)
    source_record_id = FieldRef("DisputeAnswered", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("DisputeAnswered", "actor_role", "enum", False, False)
    actor_id = FieldRef("DisputeAnswered", "actor_id", "string", False, False)
    correlation_id = FieldRef("DisputeAnswered", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("DisputeAnswered", "supersedes", "fixed", True, False)
    dispute_id = FieldRef("DisputeAnswered", "dispute_id", "fixed", False, False)
    disputed_event_id = FieldRef("DisputeAnswered", "disputed_event_id", "fixed", False, False)
    answer = FieldRef("DisputeAnswered", "answer", "enum", False, False)
    explanation = FieldRef("DisputeAnswered", "explanation", "bytes", True, True)


class EmploymentEnded:
    """This person's job ended."""

    event_id = FieldRef("EmploymentEnded", "event_id", "fixed", False, False)
    worker_id = FieldRef("EmploymentEnded", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("EmploymentEnded", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("EmploymentEnded", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("EmploymentEnded", "source", "string", False, False)
    source_record_id = FieldRef("EmploymentEnded", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("EmploymentEnded", "actor_role", "enum", False, False)
    actor_id = FieldRef("EmploymentEnded", "actor_id", "string", False, False)
    correlation_id = FieldRef("EmploymentEnded", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("EmploymentEnded", "supersedes", "fixed", True, False)
    employment_id = FieldRef("EmploymentEnded", "employment_id", "string", False, False)
    employer_id = FieldRef("EmploymentEnded", "employer_id", "string", False, False)
    reason = FieldRef("EmploymentEnded", "reason", "enum", False, False)


class EmploymentStarted:
    """This person started a job."""

    event_id = FieldRef("EmploymentStarted", "event_id", "fixed", False, False)
    worker_id = FieldRef("EmploymentStarted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("EmploymentStarted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("EmploymentStarted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("EmploymentStarted", "source", "string", False, False)
    source_record_id = FieldRef("EmploymentStarted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("EmploymentStarted", "actor_role", "enum", False, False)
    actor_id = FieldRef("EmploymentStarted", "actor_id", "string", False, False)
    correlation_id = FieldRef("EmploymentStarted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("EmploymentStarted", "supersedes", "fixed", True, False)
    employment_id = FieldRef("EmploymentStarted", "employment_id", "string", False, False)
    employer_id = FieldRef("EmploymentStarted", "employer_id", "string", False, False)
    occupation = FieldRef("EmploymentStarted", "occupation", "string", True, False)
    job_level = FieldRef("EmploymentStarted", "job_level", "int", True, False)
    wage_amount = FieldRef("EmploymentStarted", "wage_amount", "decimal", True, False)
    wage_currency = FieldRef("EmploymentStarted", "wage_currency", "string", True, False)
    wage_period = FieldRef("EmploymentStarted", "wage_period", "enum", False, False)


class ErasureCompleted:
    """The erasure is done."""

    event_id = FieldRef("ErasureCompleted", "event_id", "fixed", False, False)
    worker_id = FieldRef("ErasureCompleted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ErasureCompleted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ErasureCompleted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ErasureCompleted", "source", "string", False, False)
    source_record_id = FieldRef("ErasureCompleted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ErasureCompleted", "actor_role", "enum", False, False)
    actor_id = FieldRef("ErasureCompleted", "actor_id", "string", False, False)
    correlation_id = FieldRef("ErasureCompleted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ErasureCompleted", "supersedes", "fixed", True, False)
    erasure_id = FieldRef("ErasureCompleted", "erasure_id", "fixed", False, False)
    keys = FieldRef("ErasureCompleted", "keys", "int", False, False)
    stores = FieldRef("ErasureCompleted", "stores", "int", False, False)
    recipients = FieldRef("ErasureCompleted", "recipients", "int", False, False)
    acknowledged = FieldRef("ErasureCompleted", "acknowledged", "int", False, False)
    certificate_sha256 = FieldRef("ErasureCompleted", "certificate_sha256", "string", False, False)


class ErasureDecided:
    """It was checked who asked for the erasure, and whether a law stands against it."""

    event_id = FieldRef("ErasureDecided", "event_id", "fixed", False, False)
    worker_id = FieldRef("ErasureDecided", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ErasureDecided", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ErasureDecided", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ErasureDecided", "source", "string", False, False)
    source_record_id = FieldRef("ErasureDecided", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ErasureDecided", "actor_role", "enum", False, False)
    actor_id = FieldRef("ErasureDecided", "actor_id", "string", False, False)
    correlation_id = FieldRef("ErasureDecided", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ErasureDecided", "supersedes", "fixed", True, False)
    erasure_id = FieldRef("ErasureDecided", "erasure_id", "fixed", False, False)
    decision = FieldRef("ErasureDecided", "decision", "enum", False, False)
    ground = FieldRef("ErasureDecided", "ground", "enum", False, False)
    held_until = FieldRef("ErasureDecided", "held_until", "timestamp-micros", True, False)


class ErasureKeysDestroyed:
    """The keys to what is sealed on the record were destroyed."""

    event_id = FieldRef("ErasureKeysDestroyed", "event_id", "fixed", False, False)
    worker_id = FieldRef("ErasureKeysDestroyed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ErasureKeysDestroyed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ErasureKeysDestroyed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ErasureKeysDestroyed", "source", "string", False, False)
    source_record_id = FieldRef("ErasureKeysDestroyed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ErasureKeysDestroyed", "actor_role", "enum", False, False)
    actor_id = FieldRef("ErasureKeysDestroyed", "actor_id", "string", False, False)
    correlation_id = FieldRef("ErasureKeysDestroyed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ErasureKeysDestroyed", "supersedes", "fixed", True, False)
    erasure_id = FieldRef("ErasureKeysDestroyed", "erasure_id", "fixed", False, False)
    keys = FieldRef("ErasureKeysDestroyed", "keys", "int", False, False)
    categories = FieldRef("ErasureKeysDestroyed", "categories", "array", False, False)


class ErasureRecipientNotified:
    """A receiver was told of the erasure."""

    event_id = FieldRef("ErasureRecipientNotified", "event_id", "fixed", False, False)
    worker_id = FieldRef("ErasureRecipientNotified", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ErasureRecipientNotified", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ErasureRecipientNotified", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ErasureRecipientNotified", "source", "string", False, False)
    source_record_id = FieldRef("ErasureRecipientNotified", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ErasureRecipientNotified", "actor_role", "enum", False, False)
    actor_id = FieldRef("ErasureRecipientNotified", "actor_id", "string", False, False)
    correlation_id = FieldRef("ErasureRecipientNotified", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ErasureRecipientNotified", "supersedes", "fixed", True, False)
    erasure_id = FieldRef("ErasureRecipientNotified", "erasure_id", "fixed", False, False)
    recipient_id = FieldRef("ErasureRecipientNotified", "recipient_id", "string", False, False)
    recall_id = FieldRef("ErasureRecipientNotified", "recall_id", "fixed", False, False)


class ErasureRequested:
    """This person wants the record erased."""

    event_id = FieldRef("ErasureRequested", "event_id", "fixed", False, False)
    worker_id = FieldRef("ErasureRequested", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ErasureRequested", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ErasureRequested", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ErasureRequested", "source", "string", False, False)
    source_record_id = FieldRef("ErasureRequested", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ErasureRequested", "actor_role", "enum", False, False)
    actor_id = FieldRef("ErasureRequested", "actor_id", "string", False, False)
    correlation_id = FieldRef("ErasureRequested", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ErasureRequested", "supersedes", "fixed", True, False)
    erasure_id = FieldRef("ErasureRequested", "erasure_id", "fixed", False, False)
    categories = FieldRef("ErasureRequested", "categories", "array", False, False)
    channel = FieldRef("ErasureRequested", "channel", "enum", False, False)
    due_at = FieldRef("ErasureRequested", "due_at", "timestamp-micros", False, False)


class ErasureStorePurged:
    """One store of the hub has nothing of the record left."""

    event_id = FieldRef("ErasureStorePurged", "event_id", "fixed", False, False)
    worker_id = FieldRef("ErasureStorePurged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ErasureStorePurged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ErasureStorePurged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ErasureStorePurged", "source", "string", False, False)
    source_record_id = FieldRef("ErasureStorePurged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ErasureStorePurged", "actor_role", "enum", False, False)
    actor_id = FieldRef("ErasureStorePurged", "actor_id", "string", False, False)
    correlation_id = FieldRef("ErasureStorePurged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ErasureStorePurged", "supersedes", "fixed", True, False)
    erasure_id = FieldRef("ErasureStorePurged", "erasure_id", "fixed", False, False)
    store = FieldRef("ErasureStorePurged", "store", "string", False, False)
    rows = FieldRef("ErasureStorePurged", "rows", "int", False, False)


class ExperienceRecorded:
    """This person did work elsewhere, paid or not."""

    event_id = FieldRef("ExperienceRecorded", "event_id", "fixed", False, False)
    worker_id = FieldRef("ExperienceRecorded", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ExperienceRecorded", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ExperienceRecorded", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ExperienceRecorded", "source", "string", False, False)
    source_record_id = FieldRef("ExperienceRecorded", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ExperienceRecorded", "actor_role", "enum", False, False)
    actor_id = FieldRef("ExperienceRecorded", "actor_id", "string", False, False)
    correlation_id = FieldRef("ExperienceRecorded", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ExperienceRecorded", "supersedes", "fixed", True, False)
    experience_id = FieldRef("ExperienceRecorded", "experience_id", "string", False, False)
    kind = FieldRef("ExperienceRecorded", "kind", "enum", False, False)
    occupation = FieldRef("ExperienceRecorded", "occupation", "string", True, False)
    organization_name = FieldRef("ExperienceRecorded", "organization_name", "bytes", True, True)
    duties = FieldRef("ExperienceRecorded", "duties", "bytes", True, True)
    country = FieldRef("ExperienceRecorded", "country", "string", True, False)
    started_at = FieldRef("ExperienceRecorded", "started_at", "timestamp-micros", True, False)
    ended_at = FieldRef("ExperienceRecorded", "ended_at", "timestamp-micros", True, False)
    hours_per_week = FieldRef("ExperienceRecorded", "hours_per_week", "int", True, False)


class FeedSubscribed:
    """An organisation gets a feed of published numbers, or no longer does."""

    event_id = FieldRef("FeedSubscribed", "event_id", "fixed", False, False)
    organization_id = FieldRef("FeedSubscribed", "organization_id", "string", False, False)
    entity_id = FieldRef("FeedSubscribed", "entity_id", "string", False, False)
    version = FieldRef("FeedSubscribed", "version", "int", False, False)
    occurred_at = FieldRef("FeedSubscribed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("FeedSubscribed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("FeedSubscribed", "source", "string", False, False)
    actor_role = FieldRef("FeedSubscribed", "actor_role", "enum", False, False)
    actor_id = FieldRef("FeedSubscribed", "actor_id", "string", False, False)
    feed_id = FieldRef("FeedSubscribed", "feed_id", "string", False, False)
    channel = FieldRef("FeedSubscribed", "channel", "enum", False, False)
    format = FieldRef("FeedSubscribed", "format", "enum", False, False)
    connection_id = FieldRef("FeedSubscribed", "connection_id", "string", True, False)
    ended = FieldRef("FeedSubscribed", "ended", "boolean", False, False)


class GoalStated:
    """This person said where they want to go, or that they want to stay."""

    event_id = FieldRef("GoalStated", "event_id", "fixed", False, False)
    worker_id = FieldRef("GoalStated", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("GoalStated", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("GoalStated", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("GoalStated", "source", "string", False, False)
    source_record_id = FieldRef("GoalStated", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("GoalStated", "actor_role", "enum", False, False)
    actor_id = FieldRef("GoalStated", "actor_id", "string", False, False)
    correlation_id = FieldRef("GoalStated", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("GoalStated", "supersedes", "fixed", True, False)
    goal_id = FieldRef("GoalStated", "goal_id", "string", False, False)
    kind = FieldRef("GoalStated", "kind", "enum", False, False)
    occupation = FieldRef("GoalStated", "occupation", "string", True, False)
    skill_id = FieldRef("GoalStated", "skill_id", "string", True, False)
    framework = FieldRef("GoalStated", "framework", "enum", False, False)
    framework_code = FieldRef("GoalStated", "framework_code", "string", True, False)
    wage_amount = FieldRef("GoalStated", "wage_amount", "decimal", True, False)
    wage_currency = FieldRef("GoalStated", "wage_currency", "string", True, False)
    wage_period = FieldRef("GoalStated", "wage_period", "enum", False, False)
    wanted_by = FieldRef("GoalStated", "wanted_by", "timestamp-micros", True, False)
    ended = FieldRef("GoalStated", "ended", "boolean", False, False)
    words = FieldRef("GoalStated", "words", "bytes", True, True)


class InterestExpressed:
    """This person is interested in a job, a pathway or an employer."""

    event_id = FieldRef("InterestExpressed", "event_id", "fixed", False, False)
    worker_id = FieldRef("InterestExpressed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("InterestExpressed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("InterestExpressed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("InterestExpressed", "source", "string", False, False)
    source_record_id = FieldRef("InterestExpressed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("InterestExpressed", "actor_role", "enum", False, False)
    actor_id = FieldRef("InterestExpressed", "actor_id", "string", False, False)
    correlation_id = FieldRef("InterestExpressed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("InterestExpressed", "supersedes", "fixed", True, False)
    interest_id = FieldRef("InterestExpressed", "interest_id", "string", False, False)
    employer_id = FieldRef("InterestExpressed", "employer_id", "string", True, False)
    pathway_id = FieldRef("InterestExpressed", "pathway_id", "string", True, False)
    opening_id = FieldRef("InterestExpressed", "opening_id", "string", True, False)
    occupation = FieldRef("InterestExpressed", "occupation", "string", True, False)
    words = FieldRef("InterestExpressed", "words", "bytes", True, True)


class InterviewGuaranteed:
    """An employer guaranteed this person an interview."""

    event_id = FieldRef("InterviewGuaranteed", "event_id", "fixed", False, False)
    worker_id = FieldRef("InterviewGuaranteed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("InterviewGuaranteed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("InterviewGuaranteed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("InterviewGuaranteed", "source", "string", False, False)
    source_record_id = FieldRef("InterviewGuaranteed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("InterviewGuaranteed", "actor_role", "enum", False, False)
    actor_id = FieldRef("InterviewGuaranteed", "actor_id", "string", False, False)
    correlation_id = FieldRef("InterviewGuaranteed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("InterviewGuaranteed", "supersedes", "fixed", True, False)
    interview_id = FieldRef("InterviewGuaranteed", "interview_id", "string", False, False)
    employer_id = FieldRef("InterviewGuaranteed", "employer_id", "string", False, False)
    promise_id = FieldRef("InterviewGuaranteed", "promise_id", "string", True, False)


class InterviewHeld:
    """The interview took place."""

    event_id = FieldRef("InterviewHeld", "event_id", "fixed", False, False)
    worker_id = FieldRef("InterviewHeld", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("InterviewHeld", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("InterviewHeld", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("InterviewHeld", "source", "string", False, False)
    source_record_id = FieldRef("InterviewHeld", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("InterviewHeld", "actor_role", "enum", False, False)
    actor_id = FieldRef("InterviewHeld", "actor_id", "string", False, False)
    correlation_id = FieldRef("InterviewHeld", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("InterviewHeld", "supersedes", "fixed", True, False)
    interview_id = FieldRef("InterviewHeld", "interview_id", "string", False, False)
    employer_id = FieldRef("InterviewHeld", "employer_id", "string", False, False)
    promise_id = FieldRef("InterviewHeld", "promise_id", "string", True, False)


class InterviewMissed:
    """The interview did not take place."""

    event_id = FieldRef("InterviewMissed", "event_id", "fixed", False, False)
    worker_id = FieldRef("InterviewMissed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("InterviewMissed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("InterviewMissed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("InterviewMissed", "source", "string", False, False)
    source_record_id = FieldRef("InterviewMissed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("InterviewMissed", "actor_role", "enum", False, False)
    actor_id = FieldRef("InterviewMissed", "actor_id", "string", False, False)
    correlation_id = FieldRef("InterviewMissed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("InterviewMissed", "supersedes", "fixed", True, False)
    interview_id = FieldRef("InterviewMissed", "interview_id", "string", False, False)
    employer_id = FieldRef("InterviewMissed", "employer_id", "string", False, False)
    promise_id = FieldRef("InterviewMissed", "promise_id", "string", True, False)
    missed_by = FieldRef("InterviewMissed", "missed_by", "enum", False, False)
    reason = FieldRef("InterviewMissed", "reason", "bytes", True, True)


class InterviewScheduled:
    """A day was set for an interview."""

    event_id = FieldRef("InterviewScheduled", "event_id", "fixed", False, False)
    worker_id = FieldRef("InterviewScheduled", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("InterviewScheduled", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("InterviewScheduled", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("InterviewScheduled", "source", "string", False, False)
    source_record_id = FieldRef("InterviewScheduled", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("InterviewScheduled", "actor_role", "enum", False, False)
    actor_id = FieldRef("InterviewScheduled", "actor_id", "string", False, False)
    correlation_id = FieldRef("InterviewScheduled", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("InterviewScheduled", "supersedes", "fixed", True, False)
    interview_id = FieldRef("InterviewScheduled", "interview_id", "string", False, False)
    employer_id = FieldRef("InterviewScheduled", "employer_id", "string", False, False)
    promise_id = FieldRef("InterviewScheduled", "promise_id", "string", True, False)
    scheduled_for = FieldRef("InterviewScheduled", "scheduled_for", "timestamp-micros", False, False)
    format = FieldRef("InterviewScheduled", "format", "enum", False, False)


class NudgeSuggested:
    """The hub suggested to somebody to help this person."""

    event_id = FieldRef("NudgeSuggested", "event_id", "fixed", False, False)
    worker_id = FieldRef("NudgeSuggested", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("NudgeSuggested", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("NudgeSuggested", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("NudgeSuggested", "source", "string", False, False)
    source_record_id = FieldRef("NudgeSuggested", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("NudgeSuggested", "actor_role", "enum", False, False)
    actor_id = FieldRef("NudgeSuggested", "actor_id", "string", False, False)
    correlation_id = FieldRef("NudgeSuggested", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("NudgeSuggested", "supersedes", "fixed", True, False)
    nudge_id = FieldRef("NudgeSuggested", "nudge_id", "string", False, False)
    reason = FieldRef("NudgeSuggested", "reason", "enum", False, False)
    addressee = FieldRef("NudgeSuggested", "addressee", "enum", False, False)
    recipient_id = FieldRef("NudgeSuggested", "recipient_id", "string", False, False)
    course_id = FieldRef("NudgeSuggested", "course_id", "string", True, False)
    after_days = FieldRef("NudgeSuggested", "after_days", "int", False, False)
    caused_by = FieldRef("NudgeSuggested", "caused_by", "fixed", False, False)


class OfferAnswered:
    """This person answered an offer."""

    event_id = FieldRef("OfferAnswered", "event_id", "fixed", False, False)
    worker_id = FieldRef("OfferAnswered", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("OfferAnswered", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("OfferAnswered", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("OfferAnswered", "source", "string", False, False)
    source_record_id = FieldRef("OfferAnswered", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("OfferAnswered", "actor_role", "enum", False, False)
    actor_id = FieldRef("OfferAnswered", "actor_id", "string", False, False)
    correlation_id = FieldRef("OfferAnswered", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("OfferAnswered", "supersedes", "fixed", True, False)
    offer_id = FieldRef("OfferAnswered", "offer_id", "string", False, False)
    employer_id = FieldRef("OfferAnswered", "employer_id", "string", False, False)
    answer = FieldRef("OfferAnswered", "answer", "enum", False, False)
    words = FieldRef("OfferAnswered", "words", "bytes", True, True)


class OfferMade:
    """An employer offered this person a job."""

    event_id = FieldRef("OfferMade", "event_id", "fixed", False, False)
    worker_id = FieldRef("OfferMade", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("OfferMade", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("OfferMade", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("OfferMade", "source", "string", False, False)
    source_record_id = FieldRef("OfferMade", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("OfferMade", "actor_role", "enum", False, False)
    actor_id = FieldRef("OfferMade", "actor_id", "string", False, False)
    correlation_id = FieldRef("OfferMade", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("OfferMade", "supersedes", "fixed", True, False)
    offer_id = FieldRef("OfferMade", "offer_id", "string", False, False)
    employer_id = FieldRef("OfferMade", "employer_id", "string", False, False)
    promise_id = FieldRef("OfferMade", "promise_id", "string", True, False)
    interview_id = FieldRef("OfferMade", "interview_id", "string", True, False)
    occupation = FieldRef("OfferMade", "occupation", "string", True, False)
    job_level = FieldRef("OfferMade", "job_level", "int", True, False)
    wage_amount = FieldRef("OfferMade", "wage_amount", "decimal", True, False)
    wage_currency = FieldRef("OfferMade", "wage_currency", "string", True, False)
    wage_period = FieldRef("OfferMade", "wage_period", "enum", False, False)
    starts_at = FieldRef("OfferMade", "starts_at", "timestamp-micros", True, False)
    answer_by = FieldRef("OfferMade", "answer_by", "timestamp-micros", True, False)


class OrganizationRegistered:
    """An organisation takes part."""

    event_id = FieldRef("OrganizationRegistered", "event_id", "fixed", False, False)
    organization_id = FieldRef("OrganizationRegistered", "organization_id", "string", False, False)
    entity_id = FieldRef("OrganizationRegistered", "entity_id", "string", False, False)
    version = FieldRef("OrganizationRegistered", "version", "int", False, False)
    occurred_at = FieldRef("OrganizationRegistered", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("OrganizationRegistered", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("OrganizationRegistered", "source", "string", False, False)
    actor_role = FieldRef("OrganizationRegistered", "actor_role", "enum", False, False)
    actor_id = FieldRef("OrganizationRegistered", "actor_id", "string", False, False)
    name = FieldRef("OrganizationRegistered", "name", "string", False, False)
    kind = FieldRef("OrganizationRegistered", "kind", "enum", False, False)
    city = FieldRef("OrganizationRegistered", "city", "string", True, False)
    region = FieldRef("OrganizationRegistered", "region", "string", True, False)
    postal_code = FieldRef("OrganizationRegistered", "postal_code", "string", True, False)
    website = FieldRef("OrganizationRegistered", "website", "string", True, False)


class PathwayPublished:
    """An employer says what leads to what: do these things to gain this."""

    event_id = FieldRef("PathwayPublished", "event_id", "fixed", False, False)
    organization_id = FieldRef("PathwayPublished", "organization_id", "string", False, False)
    entity_id = FieldRef("PathwayPublished", "entity_id", "string", False, False)
    version = FieldRef("PathwayPublished", "version", "int", False, False)
    occurred_at = FieldRef("PathwayPublished", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PathwayPublished", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PathwayPublished", "source", "string", False, False)
    actor_role = FieldRef("PathwayPublished", "actor_role", "enum", False, False)
    actor_id = FieldRef("PathwayPublished", "actor_id", "string", False, False)
    title = FieldRef("PathwayPublished", "title", "string", False, False)
    criteria = FieldRef("PathwayPublished", "criteria", "array", False, False)
    outcome = FieldRef("PathwayPublished", "outcome", "enum", False, False)
    due_in_days = FieldRef("PathwayPublished", "due_in_days", "int", False, False)


class ProcessingRestricted:
    """This person wants the record kept, and neither shared nor counted; or lifted that."""

    event_id = FieldRef("ProcessingRestricted", "event_id", "fixed", False, False)
    worker_id = FieldRef("ProcessingRestricted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("ProcessingRestricted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ProcessingRestricted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ProcessingRestricted", "source", "string", False, False)
    source_record_id = FieldRef("ProcessingRestricted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("ProcessingRestricted", "actor_role", "enum", False, False)
    actor_id = FieldRef("ProcessingRestricted", "actor_id", "string", False, False)
    correlation_id = FieldRef("ProcessingRestricted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("ProcessingRestricted", "supersedes", "fixed", True, False)
    restriction_id = FieldRef("ProcessingRestricted", "restriction_id", "fixed", False, False)
    categories = FieldRef("ProcessingRestricted", "categories", "array", False, False)
    lifted = FieldRef("ProcessingRestricted", "lifted", "boolean", False, False)
    channel = FieldRef("ProcessingRestricted", "channel", "enum", False, False)


class ProgrammePublished:
    """A provider offers a course or programme."""

    event_id = FieldRef("ProgrammePublished", "event_id", "fixed", False, False)
    organization_id = FieldRef("ProgrammePublished", "organization_id", "string", False, False)
    entity_id = FieldRef("ProgrammePublished", "entity_id", "string", False, False)
    version = FieldRef("ProgrammePublished", "version", "int", False, False)
    occurred_at = FieldRef("ProgrammePublished", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("ProgrammePublished", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("ProgrammePublished", "source", "string", False, False)
    actor_role = FieldRef("ProgrammePublished", "actor_role", "enum", False, False)
    actor_id = FieldRef("ProgrammePublished", "actor_id", "string", False, False)
    title = FieldRef("ProgrammePublished", "title", "string", False, False)
    cip = FieldRef("ProgrammePublished", "cip", "string", True, False)
    occupations = FieldRef("ProgrammePublished", "occupations", "array", False, False)
    weeks = FieldRef("ProgrammePublished", "weeks", "int", True, False)
    contact_hours = FieldRef("ProgrammePublished", "contact_hours", "int", True, False)
    delivery_method = FieldRef("ProgrammePublished", "delivery_method", "enum", False, False)
    tuition = FieldRef("ProgrammePublished", "tuition", "decimal", True, False)
    currency = FieldRef("ProgrammePublished", "currency", "string", True, False)
    credential_name = FieldRef("ProgrammePublished", "credential_name", "string", True, False)
    website = FieldRef("ProgrammePublished", "website", "string", True, False)


class PromiseAccepted:
    """This person said yes to a promise."""

    event_id = FieldRef("PromiseAccepted", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseAccepted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseAccepted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseAccepted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseAccepted", "source", "string", False, False)
    source_record_id = FieldRef("PromiseAccepted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseAccepted", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseAccepted", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseAccepted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseAccepted", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseAccepted", "promise_id", "string", False, False)


class PromiseDeclined:
    """This person said no to a promise."""

    event_id = FieldRef("PromiseDeclined", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseDeclined", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseDeclined", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseDeclined", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseDeclined", "source", "string", False, False)
    source_record_id = FieldRef("PromiseDeclined", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseDeclined", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseDeclined", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseDeclined", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseDeclined", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseDeclined", "promise_id", "string", False, False)


class PromiseDisputed:
    """This person says that a promise was not dealt with rightly, or asks about it."""

    event_id = FieldRef("PromiseDisputed", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseDisputed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseDisputed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseDisputed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseDisputed", "source", "string", False, False)
    source_record_id = FieldRef("PromiseDisputed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseDisputed", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseDisputed", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseDisputed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseDisputed", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseDisputed", "promise_id", "string", False, False)
    reason = FieldRef("PromiseDisputed", "reason", "enum", False, False)
    statement = FieldRef("PromiseDisputed", "statement", "bytes", True, True)


class PromiseDue:
    """Everything is done; the days count from now."""

    event_id = FieldRef("PromiseDue", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseDue", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseDue", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseDue", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseDue", "source", "string", False, False)
    source_record_id = FieldRef("PromiseDue", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseDue", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseDue", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseDue", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseDue", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseDue", "promise_id", "string", False, False)
    due_at = FieldRef("PromiseDue", "due_at", "timestamp-micros", False, False)


class PromiseKept:
    """What was promised came."""

    event_id = FieldRef("PromiseKept", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseKept", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseKept", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseKept", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseKept", "source", "string", False, False)
    source_record_id = FieldRef("PromiseKept", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseKept", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseKept", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseKept", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseKept", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseKept", "promise_id", "string", False, False)


class PromiseLapsed:
    """The days passed and what was promised did not come."""

    event_id = FieldRef("PromiseLapsed", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseLapsed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseLapsed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseLapsed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseLapsed", "source", "string", False, False)
    source_record_id = FieldRef("PromiseLapsed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseLapsed", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseLapsed", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseLapsed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseLapsed", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseLapsed", "promise_id", "string", False, False)


class PromiseMade:
    """An employer promised this person something in return for something."""

    event_id = FieldRef("PromiseMade", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseMade", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseMade", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseMade", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseMade", "source", "string", False, False)
    source_record_id = FieldRef("PromiseMade", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseMade", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseMade", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseMade", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseMade", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseMade", "promise_id", "string", False, False)
    employer_id = FieldRef("PromiseMade", "employer_id", "string", False, False)
    pathway_id = FieldRef("PromiseMade", "pathway_id", "string", False, False)
    pathway_version = FieldRef("PromiseMade", "pathway_version", "int", False, False)
    outcome = FieldRef("PromiseMade", "outcome", "enum", False, False)
    due_in_days = FieldRef("PromiseMade", "due_in_days", "int", False, False)
    criteria = FieldRef("PromiseMade", "criteria", "array", False, False)


class PromiseWithdrawn:
    """An employer took back a promise."""

    event_id = FieldRef("PromiseWithdrawn", "event_id", "fixed", False, False)
    worker_id = FieldRef("PromiseWithdrawn", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("PromiseWithdrawn", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("PromiseWithdrawn", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("PromiseWithdrawn", "source", "string", False, False)
    source_record_id = FieldRef("PromiseWithdrawn", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("PromiseWithdrawn", "actor_role", "enum", False, False)
    actor_id = FieldRef("PromiseWithdrawn", "actor_id", "string", False, False)
    correlation_id = FieldRef("PromiseWithdrawn", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("PromiseWithdrawn", "supersedes", "fixed", True, False)
    promise_id = FieldRef("PromiseWithdrawn", "promise_id", "string", False, False)
    employer_id = FieldRef("PromiseWithdrawn", "employer_id", "string", False, False)
    reason = FieldRef("PromiseWithdrawn", "reason", "enum", False, False)
    explanation = FieldRef("PromiseWithdrawn", "explanation", "bytes", True, True)


class Promoted:
    """This person moved to a higher job."""

    event_id = FieldRef("Promoted", "event_id", "fixed", False, False)
    worker_id = FieldRef("Promoted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("Promoted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("Promoted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("Promoted", "source", "string", False, False)
    source_record_id = FieldRef("Promoted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("Promoted", "actor_role", "enum", False, False)
    actor_id = FieldRef("Promoted", "actor_id", "string", False, False)
    correlation_id = FieldRef("Promoted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("Promoted", "supersedes", "fixed", True, False)
    employment_id = FieldRef("Promoted", "employment_id", "string", False, False)
    employer_id = FieldRef("Promoted", "employer_id", "string", False, False)
    occupation = FieldRef("Promoted", "occupation", "string", True, False)
    job_level = FieldRef("Promoted", "job_level", "int", True, False)


class RecallAcknowledged:
    """A receiver answered that it deleted what it got, or why not."""

    event_id = FieldRef("RecallAcknowledged", "event_id", "fixed", False, False)
    worker_id = FieldRef("RecallAcknowledged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("RecallAcknowledged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("RecallAcknowledged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("RecallAcknowledged", "source", "string", False, False)
    source_record_id = FieldRef("RecallAcknowledged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("RecallAcknowledged", "actor_role", "enum", False, False)
    actor_id = FieldRef("RecallAcknowledged", "actor_id", "string", False, False)
    correlation_id = FieldRef("RecallAcknowledged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("RecallAcknowledged", "supersedes", "fixed", True, False)
    recall_id = FieldRef("RecallAcknowledged", "recall_id", "fixed", False, False)
    recipient_id = FieldRef("RecallAcknowledged", "recipient_id", "string", False, False)
    outcome = FieldRef("RecallAcknowledged", "outcome", "enum", False, False)


class RecordCorrected:
    """An event was wrong, and another one stands in its place."""

    event_id = FieldRef("RecordCorrected", "event_id", "fixed", False, False)
    worker_id = FieldRef("RecordCorrected", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("RecordCorrected", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("RecordCorrected", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("RecordCorrected", "source", "string", False, False)
    source_record_id = FieldRef("RecordCorrected", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("RecordCorrected", "actor_role", "enum", False, False)
    actor_id = FieldRef("RecordCorrected", "actor_id", "string", False, False)
    correlation_id = FieldRef("RecordCorrected", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("RecordCorrected", "supersedes", "fixed", True, False)
    corrected_event_id = FieldRef("RecordCorrected", "corrected_event_id", "fixed", False, False)
    replacement_event_id = FieldRef("RecordCorrected", "replacement_event_id", "fixed", False, False)
    dispute_id = FieldRef("RecordCorrected", "dispute_id", "fixed", True, False)
    reason = FieldRef("RecordCorrected", "reason", "enum", False, False)


class RecordDisputed:
    """This person says that something on the record is wrong."""

    event_id = FieldRef("RecordDisputed", "event_id", "fixed", False, False)
    worker_id = FieldRef("RecordDisputed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("RecordDisputed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("RecordDisputed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("RecordDisputed", "source", "string", False, False)
    source_record_id = FieldRef("RecordDisputed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("RecordDisputed", "actor_role", "enum", False, False)
    actor_id = FieldRef("RecordDisputed", "actor_id", "string", False, False)
    correlation_id = FieldRef("RecordDisputed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("RecordDisputed", "supersedes", "fixed", True, False)
    dispute_id = FieldRef("RecordDisputed", "dispute_id", "fixed", False, False)
    disputed_event_id = FieldRef("RecordDisputed", "disputed_event_id", "fixed", False, False)
    field = FieldRef("RecordDisputed", "field", "string", True, False)
    reason = FieldRef("RecordDisputed", "reason", "enum", False, False)
    statement = FieldRef("RecordDisputed", "statement", "bytes", True, True)


class RecordVoided:
    """An event was wrong, and nothing stands in its place."""

    event_id = FieldRef("RecordVoided", "event_id", "fixed", False, False)
    worker_id = FieldRef("RecordVoided", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("RecordVoided", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("RecordVoided", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("RecordVoided", "source", "string", False, False)
    source_record_id = FieldRef("RecordVoided", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("RecordVoided", "actor_role", "enum", False, False)
    actor_id = FieldRef("RecordVoided", "actor_id", "string", False, False)
    correlation_id = FieldRef("RecordVoided", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("RecordVoided", "supersedes", "fixed", True, False)
    voided_event_id = FieldRef("RecordVoided", "voided_event_id", "fixed", False, False)
    dispute_id = FieldRef("RecordVoided", "dispute_id", "fixed", True, False)
    reason = FieldRef("RecordVoided", "reason", "enum", False, False)


class RoleChanged:
    """This person's duties changed, at the same level."""

    event_id = FieldRef("RoleChanged", "event_id", "fixed", False, False)
    worker_id = FieldRef("RoleChanged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("RoleChanged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("RoleChanged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("RoleChanged", "source", "string", False, False)
    source_record_id = FieldRef("RoleChanged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("RoleChanged", "actor_role", "enum", False, False)
    actor_id = FieldRef("RoleChanged", "actor_id", "string", False, False)
    correlation_id = FieldRef("RoleChanged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("RoleChanged", "supersedes", "fixed", True, False)
    employment_id = FieldRef("RoleChanged", "employment_id", "string", False, False)
    employer_id = FieldRef("RoleChanged", "employer_id", "string", False, False)
    occupation = FieldRef("RoleChanged", "occupation", "string", True, False)
    change = FieldRef("RoleChanged", "change", "enum", False, False)
    duties = FieldRef("RoleChanged", "duties", "bytes", True, True)


class SharingAgreementSigned:
    """An organisation agreed what it sends to the hub or another party, what it gets, and until when."""

    event_id = FieldRef("SharingAgreementSigned", "event_id", "fixed", False, False)
    organization_id = FieldRef("SharingAgreementSigned", "organization_id", "string", False, False)
    entity_id = FieldRef("SharingAgreementSigned", "entity_id", "string", False, False)
    version = FieldRef("SharingAgreementSigned", "version", "int", False, False)
    occurred_at = FieldRef("SharingAgreementSigned", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SharingAgreementSigned", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SharingAgreementSigned", "source", "string", False, False)
    actor_role = FieldRef("SharingAgreementSigned", "actor_role", "enum", False, False)
    actor_id = FieldRef("SharingAgreementSigned", "actor_id", "string", False, False)
    other_party = FieldRef("SharingAgreementSigned", "other_party", "string", False, False)
    sends = FieldRef("SharingAgreementSigned", "sends", "array", False, False)
    receives = FieldRef("SharingAgreementSigned", "receives", "array", False, False)
    purposes = FieldRef("SharingAgreementSigned", "purposes", "array", False, False)
    valid_from = FieldRef("SharingAgreementSigned", "valid_from", "timestamp-micros", False, False)
    valid_until = FieldRef("SharingAgreementSigned", "valid_until", "timestamp-micros", True, False)
    ended = FieldRef("SharingAgreementSigned", "ended", "boolean", False, False)
    document_sha256 = FieldRef("SharingAgreementSigned", "document_sha256", "string", True, False)


class SkillAttestationWithdrawn:
    """Who said that this person can do something takes it back."""

    event_id = FieldRef("SkillAttestationWithdrawn", "event_id", "fixed", False, False)
    worker_id = FieldRef("SkillAttestationWithdrawn", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SkillAttestationWithdrawn", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SkillAttestationWithdrawn", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SkillAttestationWithdrawn", "source", "string", False, False)
    source_record_id = FieldRef("SkillAttestationWithdrawn", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SkillAttestationWithdrawn", "actor_role", "enum", False, False)
    actor_id = FieldRef("SkillAttestationWithdrawn", "actor_id", "string", False, False)
    correlation_id = FieldRef("SkillAttestationWithdrawn", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SkillAttestationWithdrawn", "supersedes", "fixed", True, False)
    attestation_id = FieldRef("SkillAttestationWithdrawn", "attestation_id", "string", False, False)
    skill_id = FieldRef("SkillAttestationWithdrawn", "skill_id", "string", False, False)
    reason = FieldRef("SkillAttestationWithdrawn", "reason", "enum", False, False)


class SkillAttested:
    """Somebody who saw it says that this person can do something."""

    event_id = FieldRef("SkillAttested", "event_id", "fixed", False, False)
    worker_id = FieldRef("SkillAttested", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SkillAttested", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SkillAttested", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SkillAttested", "source", "string", False, False)
    source_record_id = FieldRef("SkillAttested", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SkillAttested", "actor_role", "enum", False, False)
    actor_id = FieldRef("SkillAttested", "actor_id", "string", False, False)
    correlation_id = FieldRef("SkillAttested", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SkillAttested", "supersedes", "fixed", True, False)
    attestation_id = FieldRef("SkillAttested", "attestation_id", "string", False, False)
    skill_id = FieldRef("SkillAttested", "skill_id", "string", False, False)
    level = FieldRef("SkillAttested", "level", "enum", False, False)
    attested_by = FieldRef("SkillAttested", "attested_by", "enum", False, False)
    evidence = FieldRef("SkillAttested", "evidence", "bytes", True, True)
    framework = FieldRef("SkillAttested", "framework", "enum", False, False)
    framework_code = FieldRef("SkillAttested", "framework_code", "string", True, False)
    words = FieldRef("SkillAttested", "words", "bytes", True, True)


class SkillClaimed:
    """This person says they can do something."""

    event_id = FieldRef("SkillClaimed", "event_id", "fixed", False, False)
    worker_id = FieldRef("SkillClaimed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SkillClaimed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SkillClaimed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SkillClaimed", "source", "string", False, False)
    source_record_id = FieldRef("SkillClaimed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SkillClaimed", "actor_role", "enum", False, False)
    actor_id = FieldRef("SkillClaimed", "actor_id", "string", False, False)
    correlation_id = FieldRef("SkillClaimed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SkillClaimed", "supersedes", "fixed", True, False)
    skill_id = FieldRef("SkillClaimed", "skill_id", "string", False, False)
    level = FieldRef("SkillClaimed", "level", "enum", False, False)
    framework = FieldRef("SkillClaimed", "framework", "enum", False, False)
    framework_code = FieldRef("SkillClaimed", "framework_code", "string", True, False)
    words = FieldRef("SkillClaimed", "words", "bytes", True, True)


class SkillNeedPublished:
    """An employer or agency says which skill it looks for."""

    event_id = FieldRef("SkillNeedPublished", "event_id", "fixed", False, False)
    organization_id = FieldRef("SkillNeedPublished", "organization_id", "string", False, False)
    entity_id = FieldRef("SkillNeedPublished", "entity_id", "string", False, False)
    version = FieldRef("SkillNeedPublished", "version", "int", False, False)
    occurred_at = FieldRef("SkillNeedPublished", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SkillNeedPublished", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SkillNeedPublished", "source", "string", False, False)
    actor_role = FieldRef("SkillNeedPublished", "actor_role", "enum", False, False)
    actor_id = FieldRef("SkillNeedPublished", "actor_id", "string", False, False)
    skill_id = FieldRef("SkillNeedPublished", "skill_id", "string", False, False)
    framework = FieldRef("SkillNeedPublished", "framework", "enum", False, False)
    framework_code = FieldRef("SkillNeedPublished", "framework_code", "string", True, False)
    title = FieldRef("SkillNeedPublished", "title", "string", False, False)
    level = FieldRef("SkillNeedPublished", "level", "enum", False, False)
    occupation = FieldRef("SkillNeedPublished", "occupation", "string", True, False)
    region = FieldRef("SkillNeedPublished", "region", "string", True, False)
    openings = FieldRef("SkillNeedPublished", "openings", "int", True, False)
    needed_by = FieldRef("SkillNeedPublished", "needed_by", "timestamp-micros", True, False)
    ended = FieldRef("SkillNeedPublished", "ended", "boolean", False, False)


class SourceRecordLinked:
    """An organisation's record of a person now counts as this person's."""

    event_id = FieldRef("SourceRecordLinked", "event_id", "fixed", False, False)
    worker_id = FieldRef("SourceRecordLinked", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SourceRecordLinked", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SourceRecordLinked", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SourceRecordLinked", "source", "string", False, False)
    source_record_id = FieldRef("SourceRecordLinked", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SourceRecordLinked", "actor_role", "enum", False, False)
    actor_id = FieldRef("SourceRecordLinked", "actor_id", "string", False, False)
    correlation_id = FieldRef("SourceRecordLinked", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SourceRecordLinked", "supersedes", "fixed", True, False)
    link_id = FieldRef("SourceRecordLinked", "link_id", "fixed", False, False)
    organization_id = FieldRef("SourceRecordLinked", "organization_id", "string", False, False)
    record_id = FieldRef("SourceRecordLinked", "record_id", "bytes", False, True)
    evidence = FieldRef("SourceRecordLinked", "evidence", "enum", False, False)


class SourceRecordUnlinked:
    """An organisation's record no longer counts as this person's."""

    event_id = FieldRef("SourceRecordUnlinked", "event_id", "fixed", False, False)
    worker_id = FieldRef("SourceRecordUnlinked", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SourceRecordUnlinked", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SourceRecordUnlinked", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SourceRecordUnlinked", "source", "string", False, False)
    source_record_id = FieldRef("SourceRecordUnlinked", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SourceRecordUnlinked", "actor_role", "enum", False, False)
    actor_id = FieldRef("SourceRecordUnlinked", "actor_id", "string", False, False)
    correlation_id = FieldRef("SourceRecordUnlinked", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SourceRecordUnlinked", "supersedes", "fixed", True, False)
    link_id = FieldRef("SourceRecordUnlinked", "link_id", "fixed", False, False)
    organization_id = FieldRef("SourceRecordUnlinked", "organization_id", "string", False, False)
    record_id = FieldRef("SourceRecordUnlinked", "record_id", "bytes", False, True)
    reason = FieldRef("SourceRecordUnlinked", "reason", "enum", False, False)


class SupervisorAssigned:
    """This person has another supervisor."""

    event_id = FieldRef("SupervisorAssigned", "event_id", "fixed", False, False)
    worker_id = FieldRef("SupervisorAssigned", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SupervisorAssigned", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SupervisorAssigned", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SupervisorAssigned", "source", "string", False, False)
    source_record_id = FieldRef("SupervisorAssigned", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SupervisorAssigned", "actor_role", "enum", False, False)
    actor_id = FieldRef("SupervisorAssigned", "actor_id", "string", False, False)
    correlation_id = FieldRef("SupervisorAssigned", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SupervisorAssigned", "supersedes", "fixed", True, False)
    employment_id = FieldRef("SupervisorAssigned", "employment_id", "string", False, False)
    employer_id = FieldRef("SupervisorAssigned", "employer_id", "string", False, False)
    supervisor_id = FieldRef("SupervisorAssigned", "supervisor_id", "string", True, False)


class SupportGiven:
    """Somebody helped this person."""

    event_id = FieldRef("SupportGiven", "event_id", "fixed", False, False)
    worker_id = FieldRef("SupportGiven", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("SupportGiven", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("SupportGiven", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("SupportGiven", "source", "string", False, False)
    source_record_id = FieldRef("SupportGiven", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("SupportGiven", "actor_role", "enum", False, False)
    actor_id = FieldRef("SupportGiven", "actor_id", "string", False, False)
    correlation_id = FieldRef("SupportGiven", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("SupportGiven", "supersedes", "fixed", True, False)
    support_id = FieldRef("SupportGiven", "support_id", "string", False, False)
    kind = FieldRef("SupportGiven", "kind", "enum", False, False)
    started_by = FieldRef("SupportGiven", "started_by", "enum", False, False)
    minutes = FieldRef("SupportGiven", "minutes", "int", True, False)


class TrainingAcknowledged:
    """The employer has seen that this person finished a course."""

    event_id = FieldRef("TrainingAcknowledged", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingAcknowledged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingAcknowledged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingAcknowledged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingAcknowledged", "source", "string", False, False)
    source_record_id = FieldRef("TrainingAcknowledged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingAcknowledged", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingAcknowledged", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingAcknowledged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingAcknowledged", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("TrainingAcknowledged", "enrolment_id", "string", False, False)
    course_id = FieldRef("TrainingAcknowledged", "course_id", "string", False, False)
    employer_id = FieldRef("TrainingAcknowledged", "employer_id", "string", False, False)


class TrainingCompleted:
    """This person reached the end of a course."""

    event_id = FieldRef("TrainingCompleted", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingCompleted", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingCompleted", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingCompleted", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingCompleted", "source", "string", False, False)
    source_record_id = FieldRef("TrainingCompleted", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingCompleted", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingCompleted", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingCompleted", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingCompleted", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("TrainingCompleted", "enrolment_id", "string", False, False)
    course_id = FieldRef("TrainingCompleted", "course_id", "string", False, False)
    provider_id = FieldRef("TrainingCompleted", "provider_id", "string", False, False)
    result = FieldRef("TrainingCompleted", "result", "enum", False, False)
    score = FieldRef("TrainingCompleted", "score", "double", True, False)


class TrainingDecided:
    """Somebody said yes or no to a request for a course."""

    event_id = FieldRef("TrainingDecided", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingDecided", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingDecided", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingDecided", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingDecided", "source", "string", False, False)
    source_record_id = FieldRef("TrainingDecided", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingDecided", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingDecided", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingDecided", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingDecided", "supersedes", "fixed", True, False)
    request_id = FieldRef("TrainingDecided", "request_id", "string", False, False)
    course_id = FieldRef("TrainingDecided", "course_id", "string", False, False)
    decider_id = FieldRef("TrainingDecided", "decider_id", "string", False, False)
    decision = FieldRef("TrainingDecided", "decision", "enum", False, False)
    decided_by = FieldRef("TrainingDecided", "decided_by", "enum", False, False)
    paid_by = FieldRef("TrainingDecided", "paid_by", "enum", False, False)
    reason = FieldRef("TrainingDecided", "reason", "enum", False, False)
    explanation = FieldRef("TrainingDecided", "explanation", "bytes", True, True)


class TrainingEnrolled:
    """This person has a place in a course."""

    event_id = FieldRef("TrainingEnrolled", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingEnrolled", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingEnrolled", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingEnrolled", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingEnrolled", "source", "string", False, False)
    source_record_id = FieldRef("TrainingEnrolled", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingEnrolled", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingEnrolled", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingEnrolled", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingEnrolled", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("TrainingEnrolled", "enrolment_id", "string", False, False)
    course_id = FieldRef("TrainingEnrolled", "course_id", "string", False, False)
    provider_id = FieldRef("TrainingEnrolled", "provider_id", "string", False, False)


class TrainingExited:
    """This person left a course before its end."""

    event_id = FieldRef("TrainingExited", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingExited", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingExited", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingExited", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingExited", "source", "string", False, False)
    source_record_id = FieldRef("TrainingExited", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingExited", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingExited", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingExited", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingExited", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("TrainingExited", "enrolment_id", "string", False, False)
    course_id = FieldRef("TrainingExited", "course_id", "string", False, False)
    provider_id = FieldRef("TrainingExited", "provider_id", "string", False, False)
    reason = FieldRef("TrainingExited", "reason", "enum", False, False)
    day_known = FieldRef("TrainingExited", "day_known", "boolean", False, False)


class TrainingOffered:
    """Somebody offered this person a place in a course."""

    event_id = FieldRef("TrainingOffered", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingOffered", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingOffered", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingOffered", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingOffered", "source", "string", False, False)
    source_record_id = FieldRef("TrainingOffered", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingOffered", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingOffered", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingOffered", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingOffered", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("TrainingOffered", "enrolment_id", "string", False, False)
    course_id = FieldRef("TrainingOffered", "course_id", "string", False, False)
    provider_id = FieldRef("TrainingOffered", "provider_id", "string", False, False)


class TrainingProgressed:
    """This person worked on a course."""

    event_id = FieldRef("TrainingProgressed", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingProgressed", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingProgressed", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingProgressed", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingProgressed", "source", "string", False, False)
    source_record_id = FieldRef("TrainingProgressed", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingProgressed", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingProgressed", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingProgressed", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingProgressed", "supersedes", "fixed", True, False)
    enrolment_id = FieldRef("TrainingProgressed", "enrolment_id", "string", False, False)
    course_id = FieldRef("TrainingProgressed", "course_id", "string", False, False)
    activity_id = FieldRef("TrainingProgressed", "activity_id", "string", True, False)
    verb = FieldRef("TrainingProgressed", "verb", "string", False, False)
    progress = FieldRef("TrainingProgressed", "progress", "double", True, False)


class TrainingRequested:
    """Somebody asked that this person may take a course."""

    event_id = FieldRef("TrainingRequested", "event_id", "fixed", False, False)
    worker_id = FieldRef("TrainingRequested", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("TrainingRequested", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("TrainingRequested", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("TrainingRequested", "source", "string", False, False)
    source_record_id = FieldRef("TrainingRequested", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("TrainingRequested", "actor_role", "enum", False, False)
    actor_id = FieldRef("TrainingRequested", "actor_id", "string", False, False)
    correlation_id = FieldRef("TrainingRequested", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("TrainingRequested", "supersedes", "fixed", True, False)
    request_id = FieldRef("TrainingRequested", "request_id", "string", False, False)
    course_id = FieldRef("TrainingRequested", "course_id", "string", False, False)
    provider_id = FieldRef("TrainingRequested", "provider_id", "string", True, False)
    requested_by = FieldRef("TrainingRequested", "requested_by", "enum", False, False)
    reason = FieldRef("TrainingRequested", "reason", "bytes", True, True)


class WageChanged:
    """This person's pay changed."""

    event_id = FieldRef("WageChanged", "event_id", "fixed", False, False)
    worker_id = FieldRef("WageChanged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("WageChanged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("WageChanged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("WageChanged", "source", "string", False, False)
    source_record_id = FieldRef("WageChanged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("WageChanged", "actor_role", "enum", False, False)
    actor_id = FieldRef("WageChanged", "actor_id", "string", False, False)
    correlation_id = FieldRef("WageChanged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("WageChanged", "supersedes", "fixed", True, False)
    employment_id = FieldRef("WageChanged", "employment_id", "string", False, False)
    employer_id = FieldRef("WageChanged", "employer_id", "string", False, False)
    wage_amount = FieldRef("WageChanged", "wage_amount", "decimal", True, False)
    wage_currency = FieldRef("WageChanged", "wage_currency", "string", True, False)
    wage_period = FieldRef("WageChanged", "wage_period", "enum", False, False)


class WorkerRegistered:
    """A person has a record here."""

    event_id = FieldRef("WorkerRegistered", "event_id", "fixed", False, False)
    worker_id = FieldRef("WorkerRegistered", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("WorkerRegistered", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("WorkerRegistered", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("WorkerRegistered", "source", "string", False, False)
    source_record_id = FieldRef("WorkerRegistered", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("WorkerRegistered", "actor_role", "enum", False, False)
    actor_id = FieldRef("WorkerRegistered", "actor_id", "string", False, False)
    correlation_id = FieldRef("WorkerRegistered", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("WorkerRegistered", "supersedes", "fixed", True, False)
    display_name = FieldRef("WorkerRegistered", "display_name", "bytes", True, True)
    contact_email = FieldRef("WorkerRegistered", "contact_email", "bytes", True, True)
    language = FieldRef("WorkerRegistered", "language", "string", True, False)


class WorkersMerged:
    """Two records here turned out to be one person and were put together."""

    event_id = FieldRef("WorkersMerged", "event_id", "fixed", False, False)
    worker_id = FieldRef("WorkersMerged", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("WorkersMerged", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("WorkersMerged", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("WorkersMerged", "source", "string", False, False)
    source_record_id = FieldRef("WorkersMerged", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("WorkersMerged", "actor_role", "enum", False, False)
    actor_id = FieldRef("WorkersMerged", "actor_id", "string", False, False)
    correlation_id = FieldRef("WorkersMerged", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("WorkersMerged", "supersedes", "fixed", True, False)
    merge_id = FieldRef("WorkersMerged", "merge_id", "fixed", False, False)
    from_worker_id = FieldRef("WorkersMerged", "from_worker_id", "fixed", False, False)
    into_worker_id = FieldRef("WorkersMerged", "into_worker_id", "fixed", False, False)
    evidence = FieldRef("WorkersMerged", "evidence", "enum", False, False)
    events = FieldRef("WorkersMerged", "events", "int", False, False)


class WorkersSplit:
    """A record here held two people and was taken apart."""

    event_id = FieldRef("WorkersSplit", "event_id", "fixed", False, False)
    worker_id = FieldRef("WorkersSplit", "worker_id", "fixed", False, False)
    occurred_at = FieldRef("WorkersSplit", "occurred_at", "timestamp-micros", False, False)
    recorded_at = FieldRef("WorkersSplit", "recorded_at", "timestamp-micros", False, False)
    source = FieldRef("WorkersSplit", "source", "string", False, False)
    source_record_id = FieldRef("WorkersSplit", "source_record_id", "bytes", True, True)
    actor_role = FieldRef("WorkersSplit", "actor_role", "enum", False, False)
    actor_id = FieldRef("WorkersSplit", "actor_id", "string", False, False)
    correlation_id = FieldRef("WorkersSplit", "correlation_id", "fixed", True, False)
    supersedes = FieldRef("WorkersSplit", "supersedes", "fixed", True, False)
    split_id = FieldRef("WorkersSplit", "split_id", "fixed", False, False)
    from_worker_id = FieldRef("WorkersSplit", "from_worker_id", "fixed", False, False)
    into_worker_id = FieldRef("WorkersSplit", "into_worker_id", "fixed", False, False)
    merge_id = FieldRef("WorkersSplit", "merge_id", "fixed", True, False)
    reason = FieldRef("WorkersSplit", "reason", "enum", False, False)
    events = FieldRef("WorkersSplit", "events", "int", False, False)
