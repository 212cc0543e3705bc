"""HTTP of identity: claims, the records that are linked, and how a move stands."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.access import Principal, Role, caller
from services.common.clock import utc_now
from services.common.consent import plain_value
from services.common.errors import FieldError, Problem, not_found
from services.common.idempotency import key_of
from services.common.limits import RateLimit
from services.consent.identity.claims import Claims, Held, Taken, live
from services.consent.identity.handlers import Move
from services.consent.identity.running import IdentityRunner
from services.consent.identity.store import IdentityStore
from services.consent.settings import ConsentSettings
from services.consent.store import ConsentStore

router = APIRouter(prefix="/v1", tags=["identity"])
Caller = Annotated[Principal, Depends(caller)]
Reason = Literal["NOT_ME", "WRONG_PERSON", "OTHER"]
_NO_STORE = {"Cache-Control": "no-store"}
_NO_CODE = "This code is wrong, was used, has expired, or was tried too often. Ask for a new one."


class ClaimOrder(BaseModel):
    """A code, and the yes of somebody whose record others can see."""

    model_config = ConfigDict(extra="forbid")
    code: Any = Field(default=None, description="As the organisation gave it.")
    confirm: bool = False
    again: bool = Field(
        default=False,
        description="Take nothing up: answer this call once more, with a token beside the first.",
    )


@router.post("/claims", openapi_extra={"requestBody": {"required": True, "content": {
    "application/json": {"schema": ClaimOrder.model_json_schema()}}}})  # fmt: skip
async def claim(
    request: Request, idempotency_key: Annotated[str | None, Header()] = None
) -> JSONResponse:
    """Take up a record with its claim code.

    Without a key it answers a token to act as the worker, once. Sent with an `Idempotency-Key`, the
    same call again within ten minutes answers another token, and the first one ends. With a
    worker's key the record becomes part of that worker's: `move_id` names the joining, which
    `/v1/identity/moves` follows. When somebody may see the worker's record, 409 `confirm-sharing`
    lists who would see the joined one; send it again with `confirm: true`, or withdraw first.
    """
    state, own = request.app.state, _own(request)
    limit: RateLimit = state.claim_limit
    limit.take(request.client.host if request.client else "", 1, time.monotonic())
    order, call = _order(await request.body()), key_of(idempotency_key)
    who = await caller(request) if "authorization" in request.headers else None
    claimant = None if who is None else who.worker_id
    claims: Claims = state.claims
    now = utc_now()
    held = None if order.again else await claims.held(order.code, now, own.claim_tries)
    if held is not None and claimant is not None and not order.confirm:
        await _need_a_yes(request, claimant, claims, held)
    taken = await claims.take(held, now, claimant, call) if held is not None else None
    if taken is None:
        taken = await _again(claims, order, now, claimant, call)
    if taken is None:
        raise Problem(404, "no-such-code", _NO_CODE)
    answer: dict[str, Any] = {"worker_id": str(taken.worker_id)}
    if taken.token is not None:
        answer["token"] = taken.token
        _runner(request).wake()
    elif taken.move_id is not None:
        answer |= await _moved(request, taken.move_id)
    return JSONResponse(answer, headers=_NO_STORE)


async def _again(
    claims: Claims, order: ClaimOrder, now: datetime, claimant: UUID | None, call: str | None
) -> Taken | None:
    """What was answered a moment ago, to who sends the same once more."""
    if claimant is not None:
        added = await claims.just_added(order.code, now, claimant)
        return Taken(claimant, None, None) if added else None
    if call is None:
        return None
    return await claims.just_answered(order.code, now, call, in_place=not order.again)


def _order(body: bytes) -> ClaimOrder:
    """Raises Problem 422."""
    try:
        return ClaimOrder.model_validate_json(body)
    except ValidationError as error:
        wrong = [
            FieldError(
                ".".join(str(p) for p in e["loc"]), e["msg"], "Known here: code, confirm, again."
            )
            for e in error.errors(include_input=False)
        ]
        raise Problem(422, "invalid", "The body is not as it must be.", errors=wrong) from None


async def _need_a_yes(request: Request, claimant: UUID, claims: Claims, held: Held) -> None:
    """Raises Problem 409 when the worker's record, and so the joined one, is shared."""
    grants: ConsentStore = request.app.state.consent_store
    shared = live(await grants.grants_of_worker(claimant, 1000), utc_now())
    if not shared:
        return
    await claims.give_back(held)
    names = ("grant_id", "recipient_id", "categories", "purposes", "valid_until")
    who_sees = [{name: _plain(grant[name]) for name in names} for grant in shared]
    raise SharingProblem(who_sees)


class SharingProblem(Problem):
    """A yes is needed: these would see the joined record."""

    def __init__(self, who_sees: list[dict[str, Any]]) -> None:
        super().__init__(
            409,
            "confirm-sharing",
            "These would see this record, too. Send `confirm: true` to agree, or withdraw first.",
        )
        self._who_sees = who_sees

    def body(self) -> dict[str, Any]:
        return {**super().body(), "will_be_shared_with": self._who_sees}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else plain_value(value)


@router.get("/links")
async def links(request: Request, who: Caller) -> dict[str, Any]:
    """The organisations' records that count as the caller's own."""
    store: IdentityStore = request.app.state.identity
    records = await store.records(who.worker_id)
    return {
        "links": [
            {
                "link_id": str(record["link_id"]),
                "organization_id": record["source"],
                "linked_at": record["linked_at"],
            }
            for record in records
        ]
    }


@router.delete("/links/{link_id}")
async def unlink(
    link_id: UUID, request: Request, who: Caller, reason: Reason = "NOT_ME"
) -> JSONResponse:
    """This record is not me: what it says leaves the worker's story. Operators may part any."""
    mine = None if who.role is Role.OPERATOR else who.worker_id
    claims: Claims = request.app.state.claims
    move_id = await claims.part(link_id, mine, reason)
    if move_id is None:
        raise not_found("link")
    return JSONResponse(await _moved(request, move_id), headers=_NO_STORE)


@router.get("/identity/moves/{move_id}")
async def move(move_id: UUID, request: Request, who: Caller) -> dict[str, Any]:
    """How a joining or parting stands. `position` is there once it has ended."""
    store: IdentityStore = request.app.state.identity
    found = await store.move(move_id)
    if found is None or not _may_see(found, who):
        raise not_found("move")
    return _state(found, who)


def _may_see(found: Move, who: Principal) -> bool:
    mine = found.from_worker_id if found.kind == "split" else found.into_worker_id
    return who.role is Role.OPERATOR or (who.role is Role.WORKER and who.worker_id == mine)


async def _moved(request: Request, move_id: UUID) -> dict[str, Any]:
    """A move that has just begun, ended if that is quick."""
    patience = _own(request).move_patience.total_seconds()
    found = await _runner(request).until_ended(move_id, patience)
    assert found is not None
    return _state(found, None)


def _state(found: Move, who: Principal | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "move_id": str(found.move_id),
        "kind": found.kind,
        "state": "under way" if found.ended_at is None else "ended",
    }
    if found.ended_at is not None:
        mine = found.old_position if found.kind == "split" else found.position
        answer |= {"position": mine, "events": found.events}
    if who is not None and who.role is Role.OPERATOR:
        answer |= {"from": str(found.from_worker_id), "into": str(found.into_worker_id)}
    return answer


def _runner(request: Request) -> IdentityRunner:
    runner: IdentityRunner = request.app.state.identity_runner
    return runner


def _own(request: Request) -> ConsentSettings:
    own: ConsentSettings = request.app.state.consent_settings
    return own
