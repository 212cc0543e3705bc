"""The page that asks a person to share, with the words that are stored with the answer."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from services.common.clock import utc_now
from services.common.errors import Problem, not_found, unavailable
from services.common.ids import new_id
from services.portal.calls import consent_url, is_read, send
from services.portal.request_store import RequestStore
from services.portal.store import AgreedGrant, Row
from services.portal.web import Visit
from services.portal.words import readable

MONTHS = (3, 6)


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that `consent` keeps with a yes: a version in a language, and their hash."""

    version: str
    language: str
    sha256: str
    words: Mapping[str, Any]


def address(request_id: str) -> str:
    """Where the page of a request is."""
    return f"/me/requests/{quote(request_id)}"


async def request_page(visit: Visit) -> Response:
    """W5: do I want this? Or what came of it, when there is an answer."""
    asked = await _own_request(visit)
    query, now = visit.request.query_params, utc_now()
    given = await _given(visit, asked)
    is_open = asked["granted_at"] is None and asked["declined_at"] is None
    if asked["expires_at"] > now and not query.get("sent"):
        is_live = given is not None and given.is_live(now)
        if is_open or (query.get("again") and not is_live):
            return await _question(visit, asked)
    return await _answered(visit, asked, given)


async def answer(visit: Visit) -> Response:
    """Take a yes or a no to `consent`, and show that it is so."""
    form = await visit.form()
    asked = await _own_request(visit)
    if asked["expires_at"] <= utc_now():
        return visit.go(address(asked["request_id"]))
    if form.get("answer") != "yes":
        return await _say_no(visit, asked)
    chosen = [category for category in asked["categories"] if form.get(f"see-{category}")]
    if not chosen:
        return await _question(visit, asked, form=form, is_wrong=True)
    return await _say_yes(visit, asked, chosen, form)


async def _own_request(visit: Visit) -> Row:
    """The request that the address names. Raises Problem 404 when it is not this worker's."""
    store = RequestStore(visit.state.pool)
    wanted = visit.request.path_params["request"]
    found = await store.request(visit.signed_in.worker_id, wanted)
    if found is None:
        raise not_found("request")
    return found


async def _given(visit: Visit, asked: Row) -> AgreedGrant | None:
    """The yes to this request, if there is one."""
    if asked["grant_id"] is None:
        return None
    agreed = await visit.portal.store.grants(visit.signed_in.worker_id, asked["recipient_id"])
    return next((one for one in agreed if one.grant.grant_id == asked["grant_id"]), None)


async def _question(
    visit: Visit, asked: Row, *, form: Mapping[str, str] | None = None, is_wrong: bool = False
) -> Response:
    wording = await _wording(visit)
    counts = await RequestStore(visit.state.pool).counts(visit.signed_in.worker_id)
    parts = wording.words["categories"]
    purposes = wording.words["purposes"]
    kept = form or {}
    return visit.render(
        "request.html",
        status=422 if is_wrong else 200,
        is_wrong=is_wrong,
        asked=asked,
        address=address(asked["request_id"]),
        name=await _name(visit, asked),
        wording=wording,
        lang=None if wording.language == visit.t.code else wording.language,
        parts=[
            (code, parts[code], counts.get(code)) for code in parts if code in asked["categories"]
        ],
        purposes=[words for code, words in purposes.items() if code in asked["purposes"]],
        months=MONTHS,
        chosen_months=_months(kept),
        grant_id=_grant_id(kept),
    )


async def _wording(visit: Visit) -> Wording:
    """The newest words in the reader's language, or in English. Raises Problem 503."""
    answered = await visit.portal.http.get(f"{consent_url(visit)}/v1/consent-wording")
    if not answered.is_success:
        raise unavailable("The words of the question could not be read now.")
    newest = {}
    for one in reversed(answered.json()["wordings"]):
        newest[one["language"]] = Wording(**one)
    return newest.get(visit.t.code) or newest["en"]


async def _name(visit: Visit, asked: Row) -> str:
    names = await visit.portal.store.names([asked["recipient_id"]])
    return names.get(asked["recipient_id"]) or readable(asked["recipient_id"])


def _months(form: Mapping[str, str]) -> int:
    """For how long: the shorter time unless the longer one was chosen."""
    return next((m for m in MONTHS if form.get("months") == str(m)), MONTHS[0])


def _grant_id(form: Mapping[str, str]) -> UUID:
    """Made with the page, so that a form that is sent twice is one yes."""
    try:
        return UUID(form.get("grant_id", ""))
    except ValueError:
        return new_id()


def end_of(now: datetime, months: int) -> datetime:
    """The end of the day so many months from now, or of the last day of a shorter month."""
    years, month = divmod(now.month - 1 + months, 12)
    year, month = now.year + years, month + 1
    day = min(now.day, calendar.monthrange(year, month)[1])
    last = time(23, 59, 59, tzinfo=now.tzinfo)
    return datetime.combine(now.replace(year=year, month=month, day=day).date(), last)


async def _say_yes(
    visit: Visit, asked: Row, chosen: list[str], form: Mapping[str, str]
) -> Response:
    order = {
        "grant_id": str(_grant_id(form)),
        "recipient_id": asked["recipient_id"],
        "categories": chosen,
        "purposes": asked["purposes"],
        "valid_until": end_of(utc_now(), _months(form)).isoformat(),
        "wording_version": form.get("wording_version"),
        "wording_language": form.get("wording_language"),
        "wording_sha256": form.get("wording_sha256"),
        "request_id": asked["request_id"],
    }
    answered = await send(visit, f"{consent_url(visit)}/v1/grants", order)
    if answered.status_code == 409:  # this form was sent before: show what it did
        return visit.go(address(asked["request_id"]))
    if not answered.is_success:
        raise Problem(422, "invalid", "The answer was not taken.")
    return await _show(visit, asked, answered.json()["position"])


async def _say_no(visit: Visit, asked: Row) -> Response:
    path = f"/v1/access-requests/{quote(asked['request_id'], safe='')}/decline"
    answered = await send(visit, consent_url(visit) + path)
    if not answered.is_success:
        raise Problem(422, "invalid", "The answer was not taken.")
    return await _show(visit, asked, answered.json()["position"])


async def _show(visit: Visit, asked: Row, position: str | None) -> Response:
    """Send the browser to the page once that shows the answer."""
    sent = "" if await is_read(visit, position) else "?sent=yes"
    return visit.go(address(asked["request_id"]) + sent)


async def _answered(visit: Visit, asked: Row, given: AgreedGrant | None) -> Response:
    now, t = utc_now(), visit.t
    return visit.render(
        "request_answered.html",
        asked=asked,
        address=address(asked["request_id"]),
        name=await _name(visit, asked),
        given=given,
        is_live=given is not None and given.is_live(now),
        is_over=asked["expires_at"] <= now,
        asked_until=t.date(asked["expires_at"]),
        until=t.date(given.grant.valid_until) if given else None,
    )
