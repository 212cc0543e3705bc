"""The page where a person says that a promise was not kept, or asks about it: one text box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from services.common.clock import utc_now
from services.common.errors import Problem, not_found
from services.common.ids import new_id
from services.portal.calls import is_read, promises_url, send
from services.portal.i18n import Language
from services.portal.promise_store import PromiseStore
from services.portal.promised import PROMISES
from services.portal.said import PLACES, QUESTION, may_say
from services.portal.store import Row
from services.portal.web import Visit
from services.portal.words import outcome_words, readable

LONGEST: Final = 1000  # characters; as `promises` has it


async def say_page(visit: Visit) -> Response:
    """W3: what went wrong, or what do I want to know?"""
    promise, reason = await _meant(visit)
    if not may_say(reason, promise, utc_now()):
        return visit.go(PROMISES)
    return await _asked(visit, promise, reason)


async def say(visit: Visit) -> Response:
    """Say it through `promises`, and show that it is said."""
    form = await visit.form()
    promise, reason = await _meant(visit)
    words = form.get("words", "").replace("\r\n", "\n").strip()
    if wrong := _wrong(words, reason, visit.t):
        return await _asked(visit, promise, reason, form=form, wrong=wrong)
    order = {"reason": reason, "statement": words or None, "dispute_id": str(_dispute_id(form))}
    path = f"/v1/promises/{quote(promise['promise_id'], safe='')}/dispute"
    answered = await send(visit, promises_url(visit) + path, order)
    if answered.status_code == 409 and answered.json()["type"] == "/problems/conflict":
        # Somebody went back and wrote something else: that is said, too.
        order["dispute_id"] = str(new_id())
        answered = await send(visit, promises_url(visit) + path, order)
    if answered.status_code == 409:
        wrong = visit.t.gettext("This promise has changed. Go back and look at it.")
        return await _asked(visit, promise, reason, form=form, wrong=wrong)
    if not answered.is_success:
        raise Problem(answered.status_code, "invalid", "It was not taken.")
    await is_read(visit, answered.json()["position"])
    return visit.go(f"{PROMISES}?said={visit.request.path_params['place']}")


async def _meant(visit: Visit) -> tuple[Row, str]:
    """Which promise the address names, and what is said of it. Raises Problem 404 when it is not
    this worker's."""
    named = visit.request.path_params
    store = PromiseStore(visit.state.pool)
    promise = await store.promise(visit.signed_in.worker_id, named["promise"])
    if promise is None or named["place"] not in PLACES:
        raise not_found("promise")
    return promise, PLACES[named["place"]]


def _wrong(words: str, reason: str, t: Language) -> str | None:
    if reason == QUESTION and not words:
        return t.gettext("Write your question.")
    if len(words) > LONGEST:
        return t.gettext("Use at most %(num)s letters.", num=t.number(LONGEST))
    return None


def _dispute_id(form: Mapping[str, str]) -> UUID:
    """Made with the page, so that a form that is sent twice is one dispute."""
    try:
        return UUID(form.get("dispute_id", ""))
    except ValueError:
        return new_id()


async def _asked(
    visit: Visit,
    promise: Row,
    reason: str,
    *,
    form: Mapping[str, str] | None = None,
    wrong: str | None = None,
) -> Response:
    employer, kept, t = promise["employer_id"], form or {}, visit.t
    names = await visit.portal.store.names([employer])
    return visit.render(
        "promise_dispute.html",
        status=422 if wrong else 200,
        is_question=reason == QUESTION,
        wrong=wrong,
        address=visit.request.url.path,
        name=names.get(employer) or readable(employer),
        what=outcome_words(t).get(promise["outcome"], t.gettext("something")),
        made=t.date(promise["made_at"]),
        is_seen=await _is_seen(visit, employer),
        words=kept.get("words", ""),
        longest=LONGEST,
        dispute_id=_dispute_id(kept),
    )


async def _is_seen(visit: Visit, employer_id: str) -> bool:
    """Whether this employer sees what is said of promises now."""
    now = utc_now()
    agreed = await visit.portal.store.grants(visit.signed_in.worker_id, employer_id)
    return any(one.is_live(now) and "promise" in one.grant.categories for one in agreed)
