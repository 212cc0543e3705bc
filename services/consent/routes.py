"""HTTP of the consent service."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from services.common.access import Principal, Role, caller
from services.common.agreements_on_file import check_receiving
from services.common.clock import utc_now
from services.common.emit import Actor, publish, stored
from services.common.errors import Problem, not_found, unavailable
from services.common.ids import new_id
from services.common.kafka import Position
from services.common.people import person_meant
from services.common.positions import read_after, wait_until_read
from services.consent import handlers, pages
from services.consent.identity.ends import ends_of
from services.consent.requests import AccessRequest, GrantOrder
from services.consent.settings import ConsentSettings
from services.consent.store import ConsentStore
from services.consent.withdrawal import Withdrawals
from services.consent.wording import wordings

router = APIRouter(prefix="/v1", tags=["consent"])
Caller = Annotated[Principal, Depends(caller)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def consent_store(request: Request) -> ConsentStore:
    store: ConsentStore = request.app.state.consent_store
    return store


def withdrawals(request: Request) -> Withdrawals:
    found: Withdrawals = request.app.state.withdrawals
    return found


def own_settings(request: Request) -> ConsentSettings:
    settings: ConsentSettings = request.app.state.consent_settings
    return settings


Store = Annotated[ConsentStore, Depends(consent_store)]
Own = Annotated[ConsentSettings, Depends(own_settings)]


@router.get("/consent-wording")
async def wording(language: str | None = None, version: str | None = None) -> dict[str, Any]:
    """The words to show before a grant, with their SHA-256: the newest version first."""
    return {
        "wordings": [
            asdict(words)
            for words in reversed(wordings().values())
            if language in (None, words.language) and version in (None, words.version)
        ]
    }


@router.post("/access-requests", status_code=202)
async def request_access(
    order: AccessRequest, request: Request, who: Caller, store: Store, own: Own
) -> dict[str, Any]:
    """Ask a person to share. The same request_id again is the same request."""
    app = request.app.state
    await check_receiving(
        app.pool, who, order.categories, order.purposes, required=app.settings.require_agreement
    )
    mine = who.organization_id
    meant = partial(person_meant, app.pool, app.vault, mine)
    worker_id = await meant(worker_id=order.worker_id, number=order.source_record_id)
    asked = handlers.ask(
        order,
        str(order.request_id or new_id()),
        worker_id,
        mine,
        longest=own.longest_request,
        now=utc_now(),
    )
    kept, event, position = await store.reserve_request(asked, asked.event(Actor.of(who)))
    if not kept.same_as(asked):
        raise handlers.conflict("request")
    if kept.worker_id != worker_id and await meant(worker_id=kept.worker_id) != worker_id:
        # Its record may have been parted from who was asked, and the request went along.
        moved = await store.request(worker_id, kept.request_id)
        if moved is None or moved["recipient_id"] != mine:
            raise handlers.conflict("request")
    if position is None:
        if kept.worker_id != worker_id:  # its record went to somebody else since the first try
            kept = replace(kept, worker_id=worker_id)
            event = kept.event(Actor.of(who)).value
        at = await publish(app.producer, app.settings, stored(event, worker_id.bytes))
        position = str(at)
        await store.request_published(kept.request_id, worker_id, position)
    return {"request_id": kept.request_id, "position": position}


@router.get("/access-requests")
async def access_requests(
    request: Request, who: Caller, store: Store, limit: Limit = 100, after: str | None = None
) -> dict[str, Any]:
    """A worker's requests to answer, or the ones that an organisation made, newest first."""
    position = await read_after(request.app.state.pool, after, of=_about(who))
    if who.role is Role.WORKER:
        rows = await store.requests_to_worker(who.worker_id, limit)
    else:
        rows = await store.requests_of_recipient(who.organization_id, limit)
    now = utc_now()
    shown = [pages.request_row(row, who, request.app.state.vault, now) for row in rows]
    return {"requests": shown, "position": position}


def _about(who: Principal) -> UUID | None:
    """A worker reads of one person; organisations read of many."""
    return who.worker_id if who.role is Role.WORKER else None


@router.post("/access-requests/{request_id:path}/decline", status_code=202)
async def decline(request_id: str, request: Request, who: Caller, store: Store) -> dict[str, Any]:
    """Say no. Nothing was shared by the request."""
    found = await _asked(request, who.worker_id, request_id, store)
    if found is None:
        raise not_found("request")
    position = found["declined_position"]
    if position is None:
        now = utc_now()
        event = handlers.decline(request_id, who.worker_id, found["recipient_id"], now=now)
        position = str(await publish(request.app.state.producer, request.app.state.settings, event))
        await store.declined(request_id, who.worker_id, now, position)
    return {"request_id": request_id, "position": position}


@router.post("/grants", status_code=201)
async def give(
    order: GrantOrder, request: Request, who: Caller, store: Store, own: Own
) -> dict[str, Any]:
    """Agree. The same grant_id again is the same grant; without one, each call is a new grant."""
    worker_id = who.worker_id
    kept = await store.given(order.grant_id) if order.grant_id else None
    if kept is None:
        now = utc_now()
        await _check_named(order, worker_id, request, store, now)
        kept = handlers.grant(
            order, order.grant_id or new_id(), worker_id, longest=own.longest_grant, now=now
        )
    reserved = await store.reserve_grant(kept, kept.event())
    if reserved is None:
        raise handlers.answered()
    kept, event, position = reserved
    if not kept.answers(order, worker_id):
        raise handlers.conflict("grant")
    if await store.revoked(kept.grant_id):
        raise Problem(409, "withdrawn", "This grant was withdrawn. Give a new one.")
    if position is None:
        position = await _publish_grant(request, kept, event)
        await store.grant_published(kept.grant_id, position)
    return {**pages.grant_answer(kept), "position": position}


async def _check_named(
    order: GrantOrder, worker_id: UUID, request: Request, store: ConsentStore, now: datetime
) -> None:
    """Whether there is the recipient, and the request. Raises Problem 422, 409, 503."""
    if not await store.is_registered(order.recipient_id):
        raise handlers.invalid(
            "recipient_id", "there is no such organisation", "Use an id from the directory."
        )
    if order.request_id is not None:
        asked = await _asked(request, worker_id, order.request_id, store)
        handlers.check_request(order, asked, now=now)


async def _asked(
    request: Request, worker_id: UUID, request_id: str, store: ConsentStore
) -> dict[str, Any] | None:
    """What this person was asked; None when nobody asked it.

    A yes to a promise asks on the log alone, so what is not known is looked for again where the log
    ends now. Raises Problem 503 while the read model does not get there.
    """
    found = await store.request(worker_id, request_id)
    if found is not None:
        return found
    app = request.app.state
    partition, end, _ = await ends_of(app.settings, worker_id)
    await wait_until_read(app.pool, Position("stories", partition, end - 1) if end else None)
    return await store.request(worker_id, request_id)


async def _publish_grant(request: Request, given: handlers.Given, event: bytes) -> str:
    """Raises Problem 503. What was sent may still reach the log, so the answer says what to do."""
    app = request.app.state
    try:
        position = await publish(app.producer, app.settings, stored(event, given.worker_id.bytes))
    except (KafkaError, TimeoutError) as error:
        raise unavailable(
            "The log does not answer, so this grant may begin or not. Send it again with"
            f" grant_id {given.grant_id} to be sure, or withdraw it."
        ) from error
    return str(position)


@router.get("/grants")
async def grants(
    request: Request, who: Caller, store: Store, limit: Limit = 100, after: str | None = None
) -> dict[str, Any]:
    """A worker's own grants, or the ones to the caller's organisation, newest first."""
    position = await read_after(request.app.state.pool, after, of=_about(who))
    if who.role is Role.WORKER:
        rows = await store.grants_of_worker(who.worker_id, limit)
    else:
        rows = await store.grants_to_recipient(who.organization_id, limit)
    now = utc_now()
    shown = [pages.grant_row(row, who, request.app.state.vault, now) for row in rows]
    return {"grants": shown, "position": position}


@router.delete("/grants/{grant_id}")
async def withdraw(
    grant_id: UUID,
    who: Caller,
    ending: Annotated[Withdrawals, Depends(withdrawals)],
    channel: Literal["API", "PORTAL"] = "API",
) -> dict[str, Any]:
    """Stop sharing. When this answers, nothing more is sent under the grant."""
    revocation, position = await ending.withdraw(grant_id, who.worker_id, channel=channel)
    return {
        "grant_id": str(grant_id),
        "state": "withdrawn",
        "withdrawn_at": revocation.revoked_at,
        "position": position,
    }


@router.get("/disclosures")
async def disclosures(
    request: Request,
    who: Caller,
    store: Store,
    limit: Limit = 100,
    before: str | None = None,
    after: str | None = None,
) -> JSONResponse:
    """Who saw what of the caller's own record, newest first; `next` is the following page."""
    position = await read_after(request.app.state.pool, after, of=who.worker_id)
    rows = await store.disclosures(who.worker_id, pages.parse_place(before), limit + 1)
    return JSONResponse({**pages.disclosure_page(rows, limit), "position": position})
