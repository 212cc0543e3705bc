"""What every page shares: language, headers, forms, errors, and the log-in."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
from aiokafka.errors import KafkaError
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.common.access import Role
from services.common.clock import utc_now
from services.common.errors import Problem, RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.portal import i18n, statics
from services.portal.i18n import Language
from services.portal.remembered import Remembered
from services.portal.sessions import Session, Sessions, form_token, is_form_token
from services.portal.settings import PortalSettings
from services.portal.store import ReadStore, Row

if TYPE_CHECKING:
    from services.portal.flow import Flow

log = get_logger("portal")
LOGIN_COOKIE, FORM_COOKIE, LANGUAGE_COOKIE = "tl_login", "tl_form", "tl_lang"
_YEAR_S = 365 * 24 * 3600
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
# The first page of each role that may sign in.
HOME = {Role.WORKER: "/me", Role.EMPLOYER: "/team", Role.OPERATOR: "/flow"}
# Schools have a page in the demo alone, and sign in there alone.
SCHOOL = "/demo/courses"
Handler = Callable[["Visit"], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Portal:
    """What the portal keeps on `app.state.portal`."""

    settings: PortalSettings
    store: ReadStore
    sessions: Sessions
    http: httpx.AsyncClient
    cohorts: Remembered[list[Row]]
    flow: Flow


class Visit:
    """One request for a page: the reader's language, form token and, when signed in, log-in."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.portal: Portal = request.app.state.portal
        self.demo: bool = request.app.state.settings.demo
        asked = request.query_params.get("lang")
        remembered = request.cookies.get(LANGUAGE_COOKIE)
        accepts = request.headers.get("accept-language", "")
        self.t: Language = i18n.language(i18n.chosen(asked, remembered, accepts, demo=self.demo))
        self.login_cookie: str = request.cookies.get(LOGIN_COOKIE, "")
        self.form_cookie: str = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
        self.session: Session | None = None

    @property
    def state(self) -> Any:
        return self.request.app.state

    @property
    def signed_in(self) -> Session:
        """The log-in, on a page that needs one."""
        assert self.session is not None
        return self.session

    @property
    def home(self) -> str:
        """The first page of who is signed in, or the front page."""
        return "/" if self.session is None else HOME.get(self.session.role, SCHOOL)

    @property
    def is_worker(self) -> bool:
        return self.session is not None and self.session.role is Role.WORKER

    @property
    def is_secure(self) -> bool:
        return str(self.state.settings.public_url).startswith("https:")

    @property
    def form_token(self) -> str:
        """Bound to the log-in, or to a cookie of its own while there is none."""
        return form_token(self.login_cookie if self.session else self.form_cookie)

    async def find_session(self) -> None:
        if self.login_cookie:
            self.session = await self.portal.sessions.find(self.login_cookie, now=utc_now())

    async def form(self) -> dict[str, str]:
        """The sent form. Raises Problem 403 when it did not come from one of our pages."""
        sent = {k: v for k, v in (await self.request.form()).items() if isinstance(v, str)}
        bound_to = [self.login_cookie]
        if self.session is None:  # or a log-in that has ended since
            bound_to.append(self.request.cookies.get(FORM_COOKIE, ""))
        token = sent.get("form_token", "")
        if not any(is_form_token(cookie, token) for cookie in bound_to if cookie):
            raise Problem(403, "form-expired", "The form is too old or came from elsewhere.")
        return sent

    async def is_older_form(self) -> bool:
        """Whether the sent form is from before the log-in: its answer is loaded once more, or its
        page was open still.
        """
        before = self.request.cookies.get(FORM_COOKIE, "")
        sent = (await self.request.form()).get("form_token")
        return bool(self.session and before) and is_form_token(before, str(sent))

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page in the reader's language."""
        html = (
            environment()
            .get_template(template)
            .render(
                t=self.t,
                _=self.t.gettext,
                ngettext=self.t.ngettext,
                visit=self,
                languages=self._languages(),
                css=statics.address("app.css"),
                icon=statics.address("icon.svg"),
                phone=self.portal.settings.help_phone,
                **values,
            )
        )
        response = HTMLResponse(html, status_code=status)
        if not self.request.cookies.get(FORM_COOKIE):
            self.set_cookie(response, FORM_COOKIE, self.form_cookie)
        if self.request.query_params.get("lang") == self.t.code:
            self.set_cookie(response, LANGUAGE_COOKIE, self.t.code, lasts_s=_YEAR_S)
        return response

    def _languages(self) -> list[tuple[str, str, str]]:
        """The other languages: code, own name, and this page's address in it."""
        return [
            (code, name, "?" + str(self.request.url.include_query_params(lang=code).query))
            for code, name in i18n.LANGUAGES.items()
            if code != self.t.code
        ]

    def static(self, name: str) -> str:
        """The address of a file that ships with the pages."""
        return statics.address(name)

    def go(self, path: str) -> Response:
        """Send the browser on after a form, so that a reload repeats nothing."""
        return RedirectResponse(path, status_code=303)

    def set_cookie(
        self, response: Response, name: str, value: str, *, lasts_s: int | None = None
    ) -> None:
        response.set_cookie(
            name, value, max_age=lasts_s, httponly=True, samesite="lax", secure=self.is_secure
        )

    def forget_login(self, response: Response) -> None:
        """The form cookie goes as well: with it a code that was used just now counts once more."""
        for name in (LOGIN_COOKIE, FORM_COOKIE):
            response.delete_cookie(name, httponly=True, samesite="lax", secure=self.is_secure)


@cache
def environment() -> Environment:
    """The templates. A name that is not given is an error, and all values are escaped."""
    return Environment(
        loader=PackageLoader("services.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(handler: Handler) -> Endpoint:
    """A page for anyone."""
    return _endpoint(handler, None)


def worker_page(handler: Handler) -> Endpoint:
    """A page for a signed-in worker."""
    return role_page(handler, Role.WORKER)


def role_page(handler: Handler, role: Role) -> Endpoint:
    """A page for one role: the others get 403, and who is not signed in goes to sign in."""
    return _endpoint(handler, role)


def _endpoint(handler: Handler, role: Role | None) -> Endpoint:
    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        visit = Visit(request)
        try:
            await visit.find_session()
            if role is not None and visit.session is None:
                response = visit.go("/sign-in")
            elif role is not None and visit.signed_in.role is not role:
                raise Problem(403, "other-role", "You are signed in as somebody else.")
            else:
                response = await handler(visit)
        except (RetryableError, KafkaError, httpx.TransportError, *AWAY) as error:
            log.warning("page not available", path=request.url.path, error=repr(error))
            response = visit.render("away.html", status=503, is_story=request.url.path == "/me")
            response.headers["Retry-After"] = "5"
        except Problem as problem:
            response = visit.render("problem.html", status=problem.status, problem=problem)
        response.headers.update(SECURITY_HEADERS)
        return response

    return endpoint
