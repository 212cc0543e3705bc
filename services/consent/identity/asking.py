"""HTTP of contacts and suggestions: prove an address, and say which records are yours."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.common import claim_codes
from services.common.access import Principal, Role, caller
from services.common.clock import utc_now
from services.common.errors import Problem, not_found
from services.consent.identity.contacts import Contacts
from services.consent.identity.mail import Language, Mailer
from services.consent.identity.suggestions import Suggestion, Suggestions
from services.consent.settings import ConsentSettings

router = APIRouter(prefix="/v1", tags=["identity"])
Caller = Annotated[Principal, Depends(caller)]
_NO_STORE = {"Cache-Control": "no-store"}
_NO_CODE = "This code is wrong, was used, has expired, or was tried too often. Ask for a new one."


class ContactOrder(BaseModel):
    """An address to prove, and the language of the mail."""

    model_config = ConfigDict(extra="forbid")
    email: str = Field(min_length=3, max_length=254)  # RFC 5321, 4.5.3.1.3
    language: Language = "en"


class Code(BaseModel):
    """A code that was mailed."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=100)


class Answer(BaseModel):
    """Whether the record is the person's."""

    model_config = ConfigDict(extra="forbid", strict=True)
    mine: bool


@router.post("/contacts/verification", status_code=202)
async def ask(order: ContactOrder, request: Request, who: Caller) -> JSONResponse:
    """Have a code mailed to an address of the caller's, a person with a key.

    The answer is the same whether or not an organisation knows the address. 501 when the hub has
    no mail server, 503 when that takes no mail now.
    """
    worker_id = who.worker_id
    mailer: Mailer = request.app.state.mailer
    mailer.check()
    now = utc_now()
    contacts: Contacts = request.app.state.contacts
    asked = await contacts.ask(worker_id, order.email, now)
    valid_s = (asked.expires_at - now).total_seconds()
    await mailer.send_code(asked.email, claim_codes.shown(asked.code), order.language, valid_s)
    return JSONResponse(
        {"verification_id": str(asked.check_id), "expires_at": asked.expires_at.isoformat()},
        202,
        headers=_NO_STORE,
    )


@router.post("/contacts/verification/{verification_id}")
async def verify(
    verification_id: UUID, order: Code, request: Request, who: Caller
) -> dict[str, Any]:
    """Prove the address with the code that was mailed to it. Only a keyed hash of it is kept."""
    contacts: Contacts = request.app.state.contacts
    own: ConsentSettings = request.app.state.consent_settings
    now = utc_now()
    if not await contacts.verify(
        verification_id, who.worker_id, order.code, now, own.contact_code_tries
    ):
        raise Problem(404, "no-such-code", _NO_CODE)
    return {"verified_at": now, "valid_until": now + own.contact_valid}


@router.delete("/contacts", status_code=204)
async def forget(request: Request, who: Caller) -> Response:
    """Forget every address that the caller has proved."""
    contacts: Contacts = request.app.state.contacts
    await contacts.forget(who.worker_id, utc_now())
    return Response(status_code=204)


@router.get("/suggestions")
async def suggestions(request: Request, who: Caller) -> dict[str, Any]:
    """Records that may be the caller's; for an organisation, its own that wait for a code.

    A person sees which organisation knows a proved address, and since when, of records that nobody
    has taken up. An organisation sees a record of its own once somebody said that it is theirs:
    `POST /v1/workers` with its `source_record_id` answers a code to hand over.
    """
    found: Suggestions = request.app.state.suggestions
    if who.role is Role.WORKER:
        return {"suggestions": [_shown(s) for s in await found.of_worker(who.worker_id, utc_now())]}
    asked = await found.of_organization(who.organization_id)
    return {
        "suggestions": [
            {
                "worker_id": str(one.worker_id),
                "source_record_id": one.source_record_id,
                "asked_at": one.asked_at,
            }
            for one in asked
        ]
    }


@router.post("/suggestions/{suggestion_id}/answer")
async def answer(
    suggestion_id: UUID, order: Answer, request: Request, who: Caller
) -> dict[str, Any]:
    """Say whether a suggested record is yours. It joins nothing.

    After a yes the organisation sees that its record waits for a code; with that code, which it
    hands over as it sees fit, `POST /v1/claims` joins the records. A no is for ever.
    """
    found: Suggestions = request.app.state.suggestions
    one = await found.answer(suggestion_id, who.worker_id, utc_now(), mine=order.mine)
    if one is None:
        raise not_found("suggestion")
    if not order.mine:
        return {"suggestion_id": str(suggestion_id), "mine": False}
    return {
        "suggestion_id": str(suggestion_id),
        "mine": True,
        "organization_id": one.organization_id,
        "next": "Ask this organisation for its code, and send it to POST /v1/claims.",
    }


def _shown(one: Suggestion) -> dict[str, Any]:
    return {
        "suggestion_id": str(one.suggestion_id),
        "organization_id": one.organization_id,
        "registered_at": one.registered_at,
        "mine": one.mine,
    }
