"""References to event fields, so that a projection can name `TrainingCompleted.course_id`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldRef:
    """One field of one event type."""

    event: str
    name: str
    kind: str  # as schemas.catalog.FieldType.kind
    nullable: bool
    sealed: bool

    def __str__(self) -> str:
        return f"{self.event}.{self.name}"
