"""HTTP of sharing agreements: operators sign, replace and end them; organisations read theirs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ValidationError

from services.common.access import Principal, Role, caller
from services.common.clock import utc_now
from services.common.emit import Actor, publish, stored
from services.common.errors import FieldError, Problem, not_found
from services.ingest.agreement_order import AgreementOrder, Version, ending, signing
from services.ingest.agreement_store import AgreementStore
from services.ingest.body import PLAIN, json_of, media_type
from services.ingest.routes import json_answer
from services.ingest.settings import IngestSettings
from services.ingest.writer import Writer

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])
Caller = Annotated[Principal, Depends(caller)]
Limit = Annotated[int, Query(ge=1, le=1000)]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {PLAIN: {"schema": AgreementOrder.model_json_schema()}},
    }
}


def agreement_store(request: Request) -> AgreementStore:
    return AgreementStore(request.app.state.pool)


Store = Annotated[AgreementStore, Depends(agreement_store)]


@router.post("", status_code=201, openapi_extra=_BODY)
async def sign(request: Request, who: Caller, store: Store) -> Response:
    """Sign an agreement, or the next version of one (operators). It counts from this answer on.

    200 when this version was signed just so before, 409 when otherwise.
    """
    _operators(who)
    own: IngestSettings = request.app.state.ingest_settings
    order = _order(json_of(await _body(request)))
    if not await store.is_organization(order.organization_id):
        problem, fix = "there is no such organisation", "Register it with POST /v1/organizations."
        raise _invalid(FieldError("organization_id", problem, fix))
    versions = await store.versions(order.agreement_id) if order.agreement_id else []
    wanted = signing(order, versions, now=utc_now(), longest=own.longest_agreement)
    return await _signed(request, who, store, wanted, versions)


@router.post("/{agreement_id}/end")
async def end(agreement_id: str, request: Request, who: Caller, store: Store) -> Response:
    """End an agreement for good (operators): nothing is sent under it from this answer on."""
    _operators(who)
    versions = await store.versions(agreement_id)
    if not versions:
        raise not_found("agreement")
    return await _signed(request, who, store, ending(versions, now=utc_now()), versions)


async def _signed(
    request: Request, who: Principal, store: AgreementStore, wanted: Version, before: list[Version]
) -> Response:
    state = request.app.state
    kept, event, position = await store.reserve(wanted, wanted.event(Actor.of(who)))
    if not kept.same_as(wanted):
        detail = f"Version {kept.version} was signed with other terms. Read it, then sign the next."
        raise Problem(409, "conflict", detail)
    if position is not None:
        return json_answer(kept.as_dict(utc_now()) | {"position": position}, 200)
    key = kept.organization_id.encode()
    position = str(await publish(state.producer, state.settings, stored(event, key)))
    await store.published(kept, position)
    await _until_everybody_knows(request, kept, before)
    return json_answer(kept.as_dict(utc_now()) | {"position": position}, 201)


async def _until_everybody_knows(request: Request, kept: Version, before: list[Version]) -> None:
    """Other processes look again within `agreement_age`; wait for that when it may take away."""
    writer: Writer = request.app.state.writer
    writer.agreements.forget(kept.organization_id)
    if before or not request.app.state.settings.require_agreement:
        own: IngestSettings = request.app.state.ingest_settings
        await asyncio.sleep(own.agreement_age.total_seconds())


@router.get("")
async def listed(
    who: Caller, store: Store, limit: Limit = 100, organization_id: str | None = None
) -> Response:
    """An organisation's own agreements; for operators everybody's, or those of one."""
    mine = organization_id if who.role is Role.OPERATOR else who.organization_id
    now = utc_now()
    return json_answer(
        {"agreements": [v.as_dict(now) for v in await store.newest(mine, limit)]}, 200
    )


@router.get("/{agreement_id}")
async def one(agreement_id: str, who: Caller, store: Store) -> Response:
    """One agreement, its versions with the newest first."""
    mine = None if who.role is Role.OPERATOR else who.organization_id
    versions = await store.versions(agreement_id)
    if not versions or mine not in (None, versions[0].organization_id):
        raise not_found("agreement")
    now = utc_now()
    earlier = [version.as_dict(now) for version in versions[1:]]
    return json_answer(versions[0].as_dict(now) | {"earlier": earlier}, 200)


def _operators(who: Principal) -> None:
    if who.role is not Role.OPERATOR:
        raise Problem(403, "forbidden", "Only an operator may sign or end agreements.")


async def _body(request: Request) -> bytes:
    if media_type(request.headers.get("content-type", "")) != PLAIN:
        raise Problem(415, "unsupported-media-type", f"Send Content-Type {PLAIN}.")
    return await request.body()


def _order(body: Any) -> AgreementOrder:
    """Raises Problem 422 that names field and fix."""
    try:
        return AgreementOrder.model_validate(body)
    except ValidationError as error:
        errors = [
            FieldError(
                ".".join(str(part) for part in item["loc"]),
                item["msg"].removeprefix("Value error, "),
                _fix(str(item["loc"][0]) if item["loc"] else ""),
            )
            for item in error.errors(include_url=False, include_context=False)[:20]
        ]
        raise _invalid(*errors) from None


def _fix(field: str) -> str:
    known = AgreementOrder.model_fields.get(field)
    if known is None:
        return f"Known here: {', '.join(sorted(AgreementOrder.model_fields))}."
    return known.description or ""


def _invalid(*errors: FieldError) -> Problem:
    return Problem(422, "invalid", "The agreement is not as it must be.", errors=errors)
