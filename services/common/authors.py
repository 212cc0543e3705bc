"""Who may author what: role by event type, in one table.

Agreements enter only through `/v1/agreements`, consent types only through `consent`,
DisclosureAttempted only through `delivery`, and the criteria of promises and a worker's no only
through `promises`: no key of an organisation can post them. Nor does an employer say that its own
promise is kept: the events that show it do.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.catalog import event_types
from services.common.access import Role

_E, _P, _A, _O, _W = Role.EMPLOYER, Role.PROVIDER, Role.AGENCY, Role.OPERATOR, Role.WORKER
_TRAINERS = frozenset({_P, _O})
_EMPLOYERS = frozenset({_E, _O})
_ORGANIZATIONS = frozenset({_E, _P, _A, _O})
_NOBODY: frozenset[Role] = frozenset()

MATRIX: Mapping[str, frozenset[Role]] = {
    "AccessDeclined": _NOBODY,
    "AccessRequested": _NOBODY,
    "AssessmentTaken": _TRAINERS,
    "ConnectionConfigured": _NOBODY,
    "ConsentExpired": _NOBODY,
    "ConsentGranted": _NOBODY,
    "ConsentWithdrawn": _NOBODY,
    "ContactChanged": _NOBODY,
    "CredentialAwarded": _TRAINERS | {_A},
    "CredentialRevoked": _TRAINERS | {_A},
    "CriterionMet": _NOBODY,
    "CriterionUnmet": _NOBODY,
    "DemographicsDeclared": _NOBODY,
    "DisclosureAttempted": _NOBODY,
    "DisclosureRecalled": _NOBODY,
    "DisputeAnswered": _ORGANIZATIONS,
    "EmploymentEnded": _EMPLOYERS,
    "EmploymentStarted": _EMPLOYERS,
    "ErasureCompleted": _NOBODY,
    "ErasureDecided": _NOBODY,
    "ErasureKeysDestroyed": _NOBODY,
    "ErasureRecipientNotified": _NOBODY,
    "ErasureRequested": _NOBODY,
    "ErasureStorePurged": _NOBODY,
    "ExperienceRecorded": _ORGANIZATIONS | {_W},
    "FeedSubscribed": _NOBODY,
    "GoalStated": frozenset({_W}),
    "InterestExpressed": frozenset({_W}),
    "InterviewGuaranteed": _EMPLOYERS,
    "InterviewHeld": _EMPLOYERS,
    "InterviewMissed": _EMPLOYERS,
    "InterviewScheduled": _EMPLOYERS,
    "NudgeSuggested": _NOBODY,
    "OfferAnswered": _EMPLOYERS | {_W},
    "OfferMade": _EMPLOYERS,
    "OrganizationRegistered": frozenset({_O}),
    "PathwayPublished": _EMPLOYERS,
    "ProcessingRestricted": _NOBODY,
    "ProgrammePublished": _TRAINERS | {_A},
    "PromiseAccepted": frozenset({_W}),
    "PromiseDeclined": _NOBODY,
    "PromiseDisputed": frozenset({_W}),
    "PromiseDue": frozenset({_O}),
    "PromiseKept": frozenset({_O}),
    "PromiseLapsed": frozenset({_O}),
    "PromiseMade": _EMPLOYERS,
    "PromiseWithdrawn": _EMPLOYERS,
    "Promoted": _EMPLOYERS,
    "RecallAcknowledged": _NOBODY,
    "RecordCorrected": _ORGANIZATIONS,
    "RecordDisputed": _NOBODY,
    "RecordVoided": _ORGANIZATIONS,
    "RoleChanged": _EMPLOYERS,
    "SharingAgreementSigned": _NOBODY,
    "SkillAttestationWithdrawn": _ORGANIZATIONS,
    "SkillAttested": _ORGANIZATIONS,
    "SkillClaimed": frozenset({_W}),
    "SkillNeedPublished": _EMPLOYERS | {_A},
    "SourceRecordLinked": _NOBODY,
    "SourceRecordUnlinked": _NOBODY,
    "SupervisorAssigned": _EMPLOYERS,
    "SupportGiven": _ORGANIZATIONS,
    "TrainingAcknowledged": _EMPLOYERS,
    "TrainingCompleted": _TRAINERS,
    "TrainingDecided": _EMPLOYERS | {_A},
    "TrainingEnrolled": _TRAINERS,
    "TrainingExited": _TRAINERS,
    "TrainingOffered": _ORGANIZATIONS,
    "TrainingProgressed": _TRAINERS,
    "TrainingRequested": _ORGANIZATIONS | {_W},
    "WageChanged": _EMPLOYERS,
    "WorkerRegistered": _NOBODY,
    "WorkersMerged": _NOBODY,
    "WorkersSplit": _NOBODY,
}

# Fields that must name the organisation whose key posts the event, so that nobody speaks for
# another: an employer can't promote somebody else's worker. Operators may post for anyone.
SPEAKS_FOR: Mapping[str, str] = {
    "EmploymentEnded": "employer_id",
    "EmploymentStarted": "employer_id",
    "InterviewGuaranteed": "employer_id",
    "InterviewHeld": "employer_id",
    "InterviewMissed": "employer_id",
    "InterviewScheduled": "employer_id",
    "OfferAnswered": "employer_id",
    "OfferMade": "employer_id",
    "PromiseMade": "employer_id",
    "PromiseWithdrawn": "employer_id",
    "Promoted": "employer_id",
    "RoleChanged": "employer_id",
    "SupervisorAssigned": "employer_id",
    "TrainingAcknowledged": "employer_id",
    "TrainingCompleted": "provider_id",
    "TrainingDecided": "decider_id",
    "TrainingEnrolled": "provider_id",
    "TrainingExited": "provider_id",
    "WageChanged": "employer_id",
}

# In what role an organisation's people see a skill (SkillAttested.attested_by), so that nobody
# meets an employer's criterion with somebody else's eyes: supervisors are an employer's, assessors
# are of who teaches or places. UNKNOWN meets no criterion that asks for a role.
ATTESTS: Mapping[Role, frozenset[str]] = {
    Role.EMPLOYER: frozenset({"UNKNOWN", "SUPERVISOR", "MENTOR", "PEER"}),
    Role.PROVIDER: frozenset({"UNKNOWN", "ASSESSOR", "MENTOR", "PEER"}),
    Role.AGENCY: frozenset({"UNKNOWN", "ASSESSOR", "MENTOR"}),
    Role.OPERATOR: frozenset({"UNKNOWN", "SUPERVISOR", "ASSESSOR", "MENTOR", "PEER"}),
    Role.WORKER: frozenset(),
}


def may_author(role: Role, event_type: str) -> bool:
    return role in MATRIX.get(event_type, _NOBODY)


def check_complete() -> None:
    """Raise ValueError when the matrix and the catalogue name different event types."""
    if differ := MATRIX.keys() ^ event_types().keys():
        raise ValueError(f"author matrix and catalogue differ: {', '.join(sorted(differ))}")
