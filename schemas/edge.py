"""Base classes of the generated edge models: what a sender may write in an event."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]


def _type_is_required(schema: dict[str, Any]) -> None:
    """In JSON a sender names the type; only in Python does the class say it."""
    schema["required"] = ["type", *schema.get("required", [])]


class EdgeEvent(BaseModel):
    """One event as a sender writes it: flat JSON, no unknown fields, strict types."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_type_is_required)
    event_type: ClassVar[str]

    event_id: UUID | None = None
    source_event_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    occurred_at: AwareDatetime
    actor_id: Code | None = None

    @model_validator(mode="after")
    def _one_event_id(self) -> EdgeEvent:
        if self.event_id is not None and self.source_event_id is not None:
            raise ValueError("give event_id or source_event_id, not both")
        return self

    def own_fields(self) -> dict[str, Any]:
        """The values of the event's own fields: UUID, datetime, Decimal, str, int, float, list."""
        return {name: getattr(self, name) for name in self.own_names}

    own_names: ClassVar[tuple[str, ...]] = ()


class StoryEvent(EdgeEvent):
    """An event about a person: `worker_id`, or the sender's own number for the person."""

    worker_id: UUID | None = None
    source_record_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    correlation_id: UUID | None = None
    supersedes: UUID | None = None

    @model_validator(mode="after")
    def _somebody(self) -> StoryEvent:
        if self.worker_id is None and self.source_record_id is None:
            raise ValueError("give worker_id or source_record_id: who is this about?")
        return self


class DirectoryEvent(EdgeEvent):
    """An event about an organisation and what it offers."""

    organization_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    entity_id: Code
    version: Annotated[int, Field(ge=1, le=1_000_000)]
