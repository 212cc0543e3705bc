"""The page on which a person who is signed in adds a record with its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from services.portal.calls import consent_url, send
from services.portal.reading import name_of
from services.portal.web import Visit
from services.portal.words import category_words, readable

JOIN = "/me/join"


async def join_page(visit: Visit) -> Response:
    """Ask for a code, or tell that it was taken."""
    if visit.request.query_params.get("done"):
        return visit.render("join_done.html")
    return await ask(visit)


async def ask(visit: Visit, code: str = "", error: str | None = None) -> Response:
    """The question: nothing is joined by seeing it. It says whose record it is about."""
    name = await name_of(visit.state.keyring, visit.portal.store, visit.signed_in.worker_id)
    status = 422 if error else 200
    return visit.render("join.html", status=status, code=code, error=error, name=name)


async def join(visit: Visit) -> Response:
    """Claim the record with `consent` for who is signed in, once it is clear who will see it."""
    form = await visit.form()
    code, confirm = form.get("code", "").strip(), form.get("confirm") == "yes"
    if not code:
        return await ask(visit, error=visit.t.gettext("Type your code."))
    url = f"{consent_url(visit)}/v1/claims"
    answer = await send(visit, url, {"code": code, "confirm": confirm})
    if answer.is_success:
        return visit.go(f"{JOIN}?done=yes")
    if shared := answer.json().get("will_be_shared_with"):
        return await _confirm(visit, code, shared)
    if answer.status_code == 409:
        in_use = visit.t.gettext("Someone signs in with this record already. Call us for help.")
        return await ask(visit, code, in_use)
    unknown = visit.t.gettext("We do not know this code. Check each letter and try again.")
    return await ask(visit, code, unknown)


async def _confirm(visit: Visit, code: str, shared: Sequence[Mapping[str, Any]]) -> Response:
    """Who sees the person's record, and so what is added."""
    names = await visit.portal.store.names(one["recipient_id"] for one in shared)
    parts = category_words(visit.t)
    cards = [
        (
            names.get(one["recipient_id"]) or readable(one["recipient_id"]),
            [words for category, words in parts.items() if category in one["categories"]],
            visit.t.date(datetime.fromisoformat(one["valid_until"])),
        )
        for one in shared
    ]
    return visit.render("join_confirm.html", code=code, cards=cards)
