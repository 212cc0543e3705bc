"""Who takes part: organisations and their keys, workers and their claim codes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import uuid4

from fastapi import APIRouter, Depends, Request, Response

from schemas.models import OrganizationRegistered, WorkerRegistered
from services.common.access import Principal, Role, caller
from services.common.clock import utc_now
from services.common.emit import HUB
from services.common.errors import FieldError, Problem, not_found
from services.common.limits import RateLimit
from services.ingest.account_store import AccountStore
from services.ingest.body import PLAIN, json_of, media_type
from services.ingest.drafts import ItemResult, Status
from services.ingest.explain import echo, named
from services.ingest.handlers import validated
from services.ingest.routes import json_answer, refusal
from services.ingest.settings import IngestSettings
from services.ingest.writer import Writer

router = APIRouter(prefix="/v1", tags=["accounts"])
Caller = Annotated[Principal, Depends(caller)]
_ORGANIZATION = frozenset({"organization_id", *OrganizationRegistered.own_names})
_WORKER = frozenset({"source_record_id", *WorkerRegistered.own_names})
_NO_STORE = {"Cache-Control": "no-store"}


@router.post("/organizations", status_code=201)
async def post_organization(request: Request, who: Caller) -> Response:
    """Register an organisation (operators). Its first key is answered once: 201.

    200 without a key when it was registered just so before, 409 when otherwise.
    """
    if who.role is not Role.OPERATOR:
        raise Problem(403, "forbidden", "Only an operator may register organisations.")
    order = _order(await _body(request), _ORGANIZATION)
    model = _organization(order, utc_now())
    writer: Writer = request.app.state.writer
    accounts: AccountStore = request.app.state.accounts
    result = (await writer.write([model], who, utc_now()))[0]
    if result.position is None:
        raise refusal(result)
    key = await accounts.first_key(model.organization_id, Role(model.kind.lower()))
    answer = {"organization_id": model.organization_id, "position": str(result.position)}
    answer |= {} if key is None else {"key": key}
    return _secret(answer, 201 if key is not None else 200)


@router.post("/organizations/{organization_id}/keys", status_code=201)
async def post_key(request: Request, organization_id: str, who: Caller) -> Response:
    """Another key for an organisation: operators for any, organisations for themselves."""
    if who.role is not Role.OPERATOR and who.organization_id != organization_id:
        raise not_found("organisation")
    accounts: AccountStore = request.app.state.accounts
    key = await accounts.another_key(organization_id)
    if key is None:
        raise not_found("organisation")
    return _secret({"organization_id": organization_id, "key": key}, 201)


@router.post("/workers", status_code=201)
async def post_worker(request: Request, who: Caller) -> Response:
    """Register a person (organisations), and answer the id and a one-time claim code.

    A known `source_record_id` answers the same worker again (200) with a fresh code, or none once
    the record is claimed; `warnings` name what was said of the person and comes too late.
    """
    _ = who.organization_id  # 403 for workers
    own: IngestSettings = request.app.state.ingest_settings
    limit: RateLimit = request.app.state.ingest_limit
    limit.take(who.key_id, 1, time.monotonic())
    at = utc_now()
    model = _worker(_order(await _body(request), _WORKER), at)
    writer: Writer = request.app.state.writer
    accounts: AccountStore = request.app.state.accounts
    result = (await writer.register([model], who, at))[0]
    if result.position is None or result.kept_under is None:
        raise refusal(result)
    code = await accounts.claim_code(result.kept_under, at, own.claim_valid)
    answer: dict[str, Any] = {
        "worker_id": str(result.worker_id),
        "position": str(result.position),
        "claim_code": code,
    }
    if code is not None:
        answer["claim_expires_at"] = (at + own.claim_valid).isoformat()
    if result.warnings:
        answer["warnings"] = [warning.as_dict() for warning in result.warnings]
    return _secret(answer, 201 if result.status is Status.ACCEPTED else 200)


async def _body(request: Request) -> Any:
    if media_type(request.headers.get("content-type", "")) != PLAIN:
        raise Problem(415, "unsupported-media-type", f"Send Content-Type {PLAIN}.")
    return json_of(await request.body())


def _order(body: Any, known: frozenset[str]) -> Mapping[str, Any]:
    """The body as an object of known fields. Raises Problem 422."""
    if not isinstance(body, dict):
        error = FieldError("", f"is not an object; got {echo(body)}", "Send one JSON object.")
        raise Problem(422, "invalid", "The body is not as it must be.", errors=[error])
    fix = f"Known here: {', '.join(sorted(known))}."
    if errors := [FieldError(named(n), "is not known", fix) for n in body if n not in known]:
        raise Problem(422, "invalid", "Some fields are not known.", errors=errors[:20])
    return body


def _organization(order: Mapping[str, Any], at: datetime) -> OrganizationRegistered:
    """The first version of the organisation's entry. Raises Problem 422."""
    organization_id = order.get("organization_id")
    model = _model(
        {
            **order,
            "type": "OrganizationRegistered",
            "entity_id": organization_id,
            "version": 1,
            "occurred_at": at.isoformat(),
            # What is no text is refused under its own name, and is not to be written out here.
            "source_event_id": f"organization/{organization_id}"
            if isinstance(organization_id, str)
            else "organization",
        }
    )
    model = cast(OrganizationRegistered, model)
    if model.kind == "UNKNOWN" or model.organization_id == HUB:
        field = "kind" if model.kind == "UNKNOWN" else "organization_id"
        error = FieldError(field, "can't be registered", "Choose another.")
        raise Problem(422, "invalid", "The organisation can't be registered so.", errors=[error])
    # When it was registered was not the caller's word: the same order later says the same.
    model.model_fields_set.discard("occurred_at")
    return model


def _worker(order: Mapping[str, Any], at: datetime) -> WorkerRegistered:
    """Raises Problem 422."""
    item = {**order, "type": "WorkerRegistered", "occurred_at": at.isoformat()}
    if item.get("source_record_id") is None:
        item["worker_id"] = str(uuid4())
    return cast(WorkerRegistered, _model(item))


def _model(item: Mapping[str, Any]) -> Any:
    found = validated(item)
    if isinstance(found, ItemResult):
        raise refusal(found)
    return found


def _secret(content: Any, status: int) -> Response:
    answer = json_answer(content, status)
    answer.headers.update(_NO_STORE)
    return answer
