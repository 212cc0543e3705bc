"""Signing in and out, and help."""

from __future__ import annotations

import hashlib

from starlette.responses import RedirectResponse, Response

from services.common.access import Principal
from services.common.clock import utc_now
from services.common.errors import Problem, not_found, unavailable
from services.portal.calls import consent_url
from services.portal.joining import JOIN, ask
from services.portal.web import HOME, LOGIN_COOKIE, Visit


async def help_page(visit: Visit) -> Response:
    """Plain answers, and whom to call."""
    return visit.render("help.html")


async def sign_in_page(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.go(JOIN if visit.is_worker else visit.home)
    return visit.render("sign_in.html", code="", error=None)


async def sign_in(visit: Visit) -> Response:
    """Take a claim code that an organisation gave, or the key of a worker or an organisation."""
    if await visit.is_older_form():
        return await _key_again(visit)
    form = await visit.form()
    code = form.get("code", "").strip()
    # Anonymously it would open a second record, which could not be joined later.
    if visit.is_worker and code and not code.startswith("tl_"):
        return await ask(visit, code)
    key = code if code.startswith("tl_") else await _claimed(visit, code)
    who = await _owner_of(visit, key) if key else None
    if who is None:
        empty = visit.t.gettext("Type your code.")
        unknown = visit.t.gettext("We do not know this code. Check each letter and try again.")
        error = unknown if code else empty
        return visit.render("sign_in.html", status=422, code=code, error=error)
    remember = form.get("remember") == "yes"
    if key == code:
        return await start(visit, visit.go(HOME[who.role]), who, remember=remember)
    # A code works once: from now on the person signs in with this key, so it is shown.
    return await start(visit, visit.render("key.html", key=key), who, remember=remember)


async def _key_again(visit: Visit) -> Response:
    """The page with the key, loaded once more: it says another key; the first may be on paper.

    Raises Problem 403 unless who is signed in used the code just now, in this browser. It uses up
    no other, for that is asked of who is signed in.
    """
    form = await visit.request.form()
    code = str(form.get("code", "")).strip()
    key = await _claimed(visit, code, again=True) if visit.is_worker else None
    who = await _owner_of(visit, key) if key else None
    if who is None or who.subject != visit.signed_in.subject:
        raise Problem(403, "form-expired", "The form is from before the log-in.")
    return visit.render("key.html", key=key)


async def nowhere(visit: Visit) -> Response:
    """No page is here. Always raises Problem 404."""
    raise not_found("page")


async def _owner_of(visit: Visit, key: str) -> Principal | None:
    """Whose key it is, or None when it is no good or there are no pages for the role."""
    found: Principal | None = await visit.state.keys.principal(key)
    return found if found is not None and found.role in HOME else None


async def _claimed(visit: Visit, code: str, *, again: bool = False) -> str | None:
    """Redeem a claim code with `consent`: a key of the worker's own, or None for a bad code.

    again: only a code that this browser redeemed just now.
    """
    if not code:
        return None
    url = f"{consent_url(visit)}/v1/claims"
    # A button that is pressed twice, or an answer lost on its way, must not shut the person out:
    # the same browser gets another key in place of the first.
    call = hashlib.sha256(f"claim {visit.form_cookie}".encode()).hexdigest()
    answer = await visit.portal.http.post(
        url,
        json={"code": code} | ({"again": True} if again else {}),
        headers={"Idempotency-Key": f'"{call}"'},
    )
    if answer.status_code >= 500 or answer.status_code == 429:
        raise unavailable("The code could not be checked now.")
    return str(answer.json()["token"]) if answer.is_success else None


async def start(visit: Visit, response: Response, who: Principal, *, remember: bool) -> Response:
    """Begin a log-in: the response sets its cookie."""
    settings = visit.portal.settings
    lasts = settings.remembered_session if remember else settings.session
    token = await visit.portal.sessions.start(who, lasts, now=utc_now())
    kept_s = int(lasts.total_seconds()) if remember else None
    visit.set_cookie(response, LOGIN_COOKIE, token, lasts_s=kept_s)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the log-in here and now; the browser keeps nothing."""
    await visit.form()
    await visit.portal.sessions.end(visit.login_cookie, now=utc_now())
    response = RedirectResponse("/sign-in?out=1", status_code=303)
    visit.forget_login(response)
    return response
