"""Base classes of the generated edge models: what a sender may write in an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

# Ids of things may have an @, as Open edX writes them; who acted may not, or it would be an e-mail.
Actor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
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
    actor_id: Actor | None = None

    @model_validator(mode="after")
    def _one_event_id(self) -> EdgeEvent:
        if self.event_id is not None and self.source_event_id is not None:
            raise ValueError("give event_id or source_event_id, not both")
        return self

    @model_validator(mode="after")
    def _whole_money(self) -> EdgeEvent:
        """An amount means nothing without its currency and the time that it pays for."""
        if self.money and (wrong := [e for names in self.money for e in self._lacking(*names)]):
            raise ValidationError.from_exception_data(self.event_type, wrong)
        return self

    def _lacking(
        self, amount: str, currency: str, period: str | None
    ) -> Iterator[InitErrorDetails]:
        if getattr(self, amount) is None:
            return
        for name, nothing in ((currency, None), (period, "UNKNOWN")):
            if name is not None and getattr(self, name) == nothing:
                lacks = PydanticCustomError("money", f"must be said beside {amount}")
                yield InitErrorDetails(type=lacks, loc=(name,), input=nothing)

    def own_fields(self) -> dict[str, Any]:
        """The values of the event's own fields: UUID, datetime, Decimal, str, int, float, list."""
        return {name: getattr(self, name) for name in self.own_names}

    own_names: ClassVar[tuple[str, ...]] = ()
    # Each amount with the fields of its currency and of the time it pays for; a price has no time.
    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = ()


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
