"""What operators ask of the read model over HTTP: who is parked, and replays."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.access import Principal, Role, caller
from services.common.errors import Problem, not_found
from services.common.kafka import Position
from services.projections.parking.listing import dropped_records, parked_owners
from services.projections.parking.replaying import NotParked, Replayed, open_replaying
from services.projections.projections import PROJECTIONS, RETRACTIONS
from services.projections.settings import ProjectionsSettings

router = APIRouter(prefix="/v1/parked", tags=["operations"])

# Owners that one call replays; the answer says how many are left.
MOST_OWNERS: Final = 200
# Each replay keeps batches away for a moment: one at a time is enough.
_one_by_one = asyncio.Lock()


async def operator(principal: Annotated[Principal, Depends(caller)]) -> Principal:
    """Raises Problem 403 when the caller is not an operator."""
    if principal.role is not Role.OPERATOR:
        raise Problem(403, "operators-only", "Only an operator's key may see what is parked.")
    return principal


Operator = Annotated[Principal, Depends(operator)]


class ReplayOrder(BaseModel):
    """Whose records are read again: one worker's, one record that names nobody, or everybody's."""

    model_config = ConfigDict(extra="forbid")

    worker_id: UUID | None = None
    position: str | None = Field(default=None, max_length=100)
    all: bool = False
    dry_run: bool = Field(default=False, description="Say what would be; change nothing.")

    @model_validator(mode="after")
    def _one(self) -> ReplayOrder:
        if sum((self.worker_id is not None, self.position is not None, self.all)) != 1:
            raise ValueError("send one of worker_id, position and all")
        return self

    def place(self) -> Position | None:
        """Raises Problem 422."""
        if self.position is None:
            return None
        try:
            return Position.parse(self.position)
        except ValueError:
            detail = "position: send one such as stories:3:1207."
            raise Problem(422, "invalid", detail) from None


@router.get("")
async def parked(
    request: Request, _: Operator, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """Who is parked, the longest first, and what operators have let go of. Operators only."""
    schema, pool = ProjectionsSettings().read_schema, request.app.state.pool
    owners, count, records = await parked_owners(pool, schema, limit)
    return {
        "owners": count,
        "records": records,
        "parked": [one.as_dict() for one in owners],
        "dropped": [one.as_dict() for one in await dropped_records(pool, limit)],
    }


@router.post("/replay")
async def replay(request: Request, order: ReplayOrder, who: Operator) -> dict[str, Any]:
    """Read parked records again with what is known now, in order. Operators only.

    Each owner is one transaction, up to the first record that still cannot be read. `all` takes
    200 owners a call, those first who were not tried for the longest; `owners_left` says how many
    wait afterwards.
    """
    by, schema = f"{who.subject} (key {who.key_id})", ProjectionsSettings().read_schema
    at = order.place()
    settings, pool = request.app.state.settings, request.app.state.pool
    async with _one_by_one, open_replaying(settings, schema, PROJECTIONS, RETRACTIONS) as replaying:
        if order.all:
            everybody = replaying.everybody(by=by, most=MOST_OWNERS, dry_run=order.dry_run)
            found = [one async for one in everybody]
        else:
            owner = order.worker_id.bytes if order.worker_id else None
            try:
                found = [await replaying.replay(owner, by=by, at=at, dry_run=order.dry_run)]
            except NotParked:
                raise not_found("parked record") from None
    _, left, _ = await parked_owners(pool, schema, 1)
    return _answer(found, left, dry_run=order.dry_run)


def _answer(found: list[Replayed], left: int, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "replayed": [one.as_dict() for one in found],
        "taken": sum(one.taken for one in found),
        "left_out": sum(one.left_out for one in found),
        "owners_left": left,
    }
