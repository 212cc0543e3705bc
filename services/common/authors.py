"""Who may author what: role by event type, in one table.

Consent types enter only through `consent`, DisclosureAttempted only through `delivery`, and the
criteria of promises and a worker's no only through `promises`: no key of an organisation can post
them. Nor does an employer say that its own promise is kept: the events that show it do.
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
    "ConsentGranted": _NOBODY,
    "ConsentWithdrawn": _NOBODY,
    "ContactChanged": _NOBODY,
    "CredentialAwarded": _TRAINERS | {_A},
    "CredentialRevoked": _TRAINERS | {_A},
    "CriterionMet": _NOBODY,
    "CriterionUnmet": _NOBODY,
    "DisclosureAttempted": _NOBODY,
    "EmploymentEnded": _EMPLOYERS,
    "EmploymentStarted": _EMPLOYERS,
    "FeedSubscribed": _NOBODY,
    "InterviewGuaranteed": _EMPLOYERS,
    "InterviewHeld": _EMPLOYERS,
    "OrganizationRegistered": frozenset({_O}),
    "PathwayPublished": _EMPLOYERS,
    "ProgrammePublished": _TRAINERS | {_A},
    "PromiseAccepted": frozenset({_W}),
    "PromiseDeclined": _NOBODY,
    "PromiseDue": frozenset({_O}),
    "PromiseKept": frozenset({_O}),
    "PromiseLapsed": frozenset({_O}),
    "PromiseMade": _EMPLOYERS,
    "Promoted": _EMPLOYERS,
    "RoleChanged": _EMPLOYERS,
    "SharingAgreementSigned": frozenset({_O}),
    "SkillAttested": _ORGANIZATIONS,
    "SkillClaimed": frozenset({_W}),
    "SkillNeedPublished": _EMPLOYERS | {_A},
    "SourceRecordLinked": _NOBODY,
    "SourceRecordUnlinked": _NOBODY,
    "SupportGiven": _ORGANIZATIONS,
    "TrainingAcknowledged": _EMPLOYERS,
    "TrainingCompleted": _TRAINERS,
    "TrainingEnrolled": _TRAINERS,
    "TrainingExited": _TRAINERS,
    "TrainingOffered": _ORGANIZATIONS,
    "TrainingProgressed": _TRAINERS,
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
    "PromiseMade": "employer_id",
    "Promoted": "employer_id",
    "RoleChanged": "employer_id",
    "TrainingAcknowledged": "employer_id",
    "WageChanged": "employer_id",
    "TrainingCompleted": "provider_id",
    "TrainingEnrolled": "provider_id",
    "TrainingExited": "provider_id",
}


def may_author(role: Role, event_type: str) -> bool:
    return role in MATRIX.get(event_type, _NOBODY)


def check_complete() -> None:
    """Raise ValueError when the matrix and the catalogue name different event types."""
    if differ := MATRIX.keys() ^ event_types().keys():
        raise ValueError(f"author matrix and catalogue differ: {', '.join(sorted(differ))}")
