"""Facts: the events of a story that promises follow from, reduced to what they are read for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.codec import Decoded, schema_id_of, writer_of
from services.common.consent import plain_value
from services.common.emit import HUB, SYSTEM
from services.common.voids import Void
from services.common.voids import in_force as voids_in_force
from services.promises.moments import Moment

_AGREEMENT = frozenset({"PromiseMade", "PromiseAccepted", "PromiseDeclined", "PromiseWithdrawn"})
_EVIDENCE = frozenset(
    {
        *("TrainingCompleted", "SkillAttested", "AssessmentTaken"),
        *("EmploymentStarted", "EmploymentEnded", "InterviewHeld", "Promoted", "WageChanged"),
    }
)
# What this service says itself. From anybody else it is told, and believed where the promise
# came without criteria, such as one that was made and settled before there was a hub.
_OWN = frozenset({"CriterionMet", "CriterionUnmet", "PromiseDue", "PromiseKept", "PromiseLapsed"})
# What takes another event back, and the field that names it.
_TAKES_BACK = {"RecordVoided": "voided_event_id", "RecordCorrected": "corrected_event_id"}
# What the person says of a promise. It changes nothing about how it stands: both sides show it.
# Nor does it replace another event: a person's key may not say `supersedes`.
_SAID = frozenset({"PromiseDisputed"})
# Counts up with every type that is added to READ: then the log is read again.
TYPES_VERSION = 2
READ = _AGREEMENT | _EVIDENCE | _OWN | _SAID | _TAKES_BACK.keys()


@dataclass(frozen=True, slots=True)
class Fact:
    """One event: its own unsealed fields as JSON values, and what the envelope says of it."""

    event_id: UUID
    name: str
    occurred_at: datetime
    recorded_at: datetime
    source: str
    supersedes: UUID | None
    fields: Mapping[str, Any]

    @property
    def moment(self) -> Moment:
        return Moment(self.occurred_at, self.event_id)


def is_read(value: bytes) -> bool:
    """Whether a record is of a type that matters here, by its schema id alone.

    Raises UnknownSchema, DoesNotDecode.
    """
    return writer_of(schema_id_of(value)).name in READ


def is_own(event: Decoded) -> bool:
    """Whether this service wrote it: nobody's key acts as the system."""
    return event.name in _OWN and event.fields["actor_role"] == SYSTEM.role


def fact_of(event: Decoded) -> Fact:
    """Leave out what is sealed: nothing here needs it."""
    superseded = event.fields["supersedes"]
    return Fact(
        event_id=event.event_id,
        name=event.name,
        occurred_at=event.fields["occurred_at"],
        recorded_at=event.fields["recorded_at"],
        source=event.fields["source"],
        supersedes=UUID(bytes=superseded) if superseded is not None else None,
        fields={
            field.name: plain_value(event.fields[field.name])
            for field in event.event_type.own_fields
            if not field.sealed
        },
    )


def in_force(facts: Iterable[Fact]) -> Sequence[Fact]:
    """The facts that their own source, or the hub, has not replaced or taken back: nobody voids
    another's word.
    """
    known = list(facts)
    gone = {(void.source, UUID(bytes=void.target)) for void in voids_in_force(_voids(known), HUB)}
    return [
        fact for fact in known if not {(fact.source, fact.event_id), (HUB, fact.event_id)} & gone
    ]


def _voids(facts: Iterable[Fact]) -> Iterable[Void]:
    for fact in facts:
        if (field := _TAKES_BACK.get(fact.name)) is not None:
            yield _void(fact, UUID(fact.fields[field]))
        if fact.supersedes is not None:
            yield _void(fact, fact.supersedes, replaces=True)


def _void(fact: Fact, target: UUID, *, replaces: bool = False) -> Void:
    return Void(fact.event_id.bytes, target.bytes, fact.source, fact.recorded_at, replaces)
