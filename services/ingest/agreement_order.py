"""Decisions about sharing agreements, without I/O: what is signed, replaced, ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.catalog import event_types
from services.common.agreements import Agreement
from services.common.consent import Category, Purpose
from services.common.emit import HUB, Actor, Event, about_organization
from services.common.errors import FieldError, Problem
from services.common.ids import derived_id, new_id

MOST_CODES = 100
_MICROSECOND = timedelta(microseconds=1)
_Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}$")]
_OrganizationId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
_INSTANT = "An instant with its zone, as 2026-03-01T00:00:00Z."


class AgreementOrder(BaseModel):
    """What was signed on paper, in the hub's codes. The descriptions say how to put it right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agreement_id: _Code | None = Field(None, description="Your number of the paper: a code.")
    organization_id: _OrganizationId = Field(description="Who is bound, by its id here.")
    version: int = Field(1, ge=1, le=1_000_000, description="1, and one more for each change.")
    other_party: _OrganizationId = Field(HUB, description="An organisation's id, or the hub's.")
    sends: frozenset[str] = Field(
        frozenset(), max_length=MOST_CODES, description="Families (training) or types."
    )
    receives: frozenset[Category] = Field(frozenset(), description="Parts of the record.")
    purposes: frozenset[Purpose] = Field(frozenset(), description="What it may use them for.")
    valid_from: AwareDatetime | None = Field(None, description=f"{_INSTANT} Left out: now.")
    valid_until: AwareDatetime | None = Field(
        None, description=f"{_INSTANT} Left out: until it is ended."
    )
    document_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="SHA-256 of the signed paper, 64 small hexadecimal digits."
    )


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an agreement, as it was signed."""

    organization_id: str
    agreement_id: str
    version: int
    other_party: str
    sends: tuple[str, ...]
    receives: tuple[str, ...]
    purposes: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime | None
    ended: bool
    document_sha256: str | None
    signed_at: datetime

    def same_as(self, other: Version) -> bool:
        """Whether both say the same, whenever it was said."""
        return replace(self, signed_at=other.signed_at) == other

    def event(self, actor: Actor) -> Event:
        """The same version is always the same event."""
        own = asdict(self)
        for name in ("organization_id", "agreement_id", "signed_at"):
            del own[name]
        event_id = derived_id("SharingAgreementSigned", self.agreement_id, self.version)
        lists = {name: list(own.pop(name)) for name in ("sends", "receives", "purposes")}
        return about_organization(
            "SharingAgreementSigned",
            event_id,
            self.organization_id,
            actor,
            at=self.signed_at,
            entity_id=self.agreement_id,
            **own,
            **lists,
        )

    def as_dict(self, at: datetime) -> dict[str, Any]:
        """As JSON has it, with how it stands at `at`."""
        return asdict(self) | {"state": self._terms().state(at).value}

    def _terms(self) -> Agreement:
        return Agreement(
            self.agreement_id,
            self.organization_id,
            self.version,
            frozenset(self.sends),
            frozenset(self.receives),
            frozenset(self.purposes),
            self.valid_from,
            self.valid_until,
            self.ended,
        )


def signing(
    order: AgreementOrder, versions: Sequence[Version], *, now: datetime, longest: timedelta
) -> Version:
    """The version that an order signs. `versions`: those there are, the newest first.

    Raises Problem 409 or 422 naming the field and the fix.
    """
    there = next((v for v in versions if v.version == order.version), None)
    made = Version(
        organization_id=order.organization_id,
        agreement_id=order.agreement_id or str(new_id()),
        version=order.version,
        other_party=order.other_party,
        sends=tuple(sorted(order.sends)),
        receives=tuple(sorted(order.receives)),
        purposes=tuple(sorted(order.purposes)),
        valid_from=order.valid_from or (now if there is None else there.valid_from),
        valid_until=order.valid_until,
        ended=False,
        document_sha256=order.document_sha256,
        signed_at=_after(versions, now),
    )
    if there is None:
        _check_follows(made, versions)
    if there is not None and there.same_as(made):
        return there
    if errors := [*_wrong_codes(made), *_wrong_term(made, now, longest)]:
        raise Problem(422, "invalid", "The agreement is not as it must be.", errors=errors)
    return made


def ending(versions: Sequence[Version], *, now: datetime) -> Version:
    """The version that ends an agreement; the one that did, when it is ended already."""
    newest = versions[0]
    if newest.ended:
        return newest
    at = _after(versions, now)
    return replace(newest, version=newest.version + 1, ended=True, signed_at=at)


def _after(versions: Sequence[Version], now: datetime) -> datetime:
    """Now, or just after the newest version where another process's clock was ahead: readers take
    the latest.
    """
    return max([now, *(v.signed_at + _MICROSECOND for v in versions)])


def _check_follows(made: Version, versions: Sequence[Version]) -> None:
    """Raises Problem 409."""
    newest = versions[0] if versions else None
    if newest is not None and newest.organization_id != made.organization_id:
        raise _conflict("This agreement is another organisation's. Choose another agreement_id.")
    if newest is not None and newest.ended:
        raise _conflict("This agreement was ended. Sign a new one under another agreement_id.")
    expected = 1 if newest is None else newest.version + 1
    if made.version != expected:
        raise _conflict(f"The next version of this agreement is {expected}, not {made.version}.")


def _conflict(detail: str) -> Problem:
    return Problem(409, "conflict", detail)


@cache
def sendable() -> frozenset[str]:
    """What terms may name: families, and types with their family."""
    types = event_types().values()
    return frozenset(t.family for t in types) | {f"{t.family}.{t.name}" for t in types}


def _wrong_codes(made: Version) -> list[FieldError]:
    errors = []
    for code in made.sends:
        if code not in sendable():
            close = get_close_matches(code[:80], sendable(), n=1)
            fix = f"Did you mean {close[0]}?" if close else "GET /v1/event-types lists them."
            errors.append(FieldError("sends", f"{code[:80]!r} is no family and no type", fix))
    if not made.sends and not made.receives:
        fix = "Name what the organisation sends, or receives, or both."
        errors.append(FieldError("sends", "the agreement covers nothing", fix))
    if bool(made.receives) != bool(made.purposes):
        field, other = ("purposes", "receives") if made.receives else ("receives", "purposes")
        errors.append(FieldError(field, f"is empty, and {other} is not", "Name both or neither."))
    return errors[:20]


def _wrong_term(made: Version, now: datetime, longest: timedelta) -> list[FieldError]:
    until = made.valid_until
    if until is None:
        return []
    if until <= made.valid_from:
        return [FieldError("valid_until", "is not after valid_from", "Give a later day.")]
    if until <= now:
        return [FieldError("valid_until", "has passed", "Give a later day.")]
    if until > made.valid_from + longest:
        problem = f"is over {longest.days} days after valid_from"
        fix = "Give an earlier day, or leave it out: it holds until it is ended."
        return [FieldError("valid_until", problem, fix)]
    return []
