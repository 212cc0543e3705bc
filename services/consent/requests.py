"""What callers send: requests for access, and grants."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.common.consent import Category, Purpose

Categories = Annotated[frozenset[Category], Field(min_length=1)]
Purposes = Annotated[frozenset[Purpose], Field(min_length=1)]
OrganizationId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]


class AccessRequest(BaseModel):
    """An organisation asks a person; nothing is shared by asking."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_id: UUID | None = None  # the same again is the same request
    worker_id: UUID | None = None
    source_record_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    categories: Categories
    purposes: Purposes
    expires_at: AwareDatetime

    @model_validator(mode="after")
    def _somebody(self) -> AccessRequest:
        if (self.worker_id is None) == (self.source_record_id is None):
            raise ValueError("give worker_id or source_record_id: who is asked?")
        return self


class GrantOrder(BaseModel):
    """A person agrees that one organisation may see parts of the record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grant_id: UUID | None = None  # the same again is the same grant
    recipient_id: OrganizationId
    categories: Categories
    purposes: Purposes
    valid_from: AwareDatetime | None = None  # now
    valid_until: AwareDatetime
    wording_version: Code
    wording_language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    wording_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    request_id: Code | None = None
