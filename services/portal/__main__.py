"""The portal: pages for people, and the query API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

from services.common.access import Role
from services.common.http import HttpService
from services.common.later_schemas import LaterSchemas
from services.common.postgres import Pool, apply_schema
from services.common.revocations import restore
from services.portal import (
    api,
    catalogue,
    cohorts,
    complete,
    demo,
    disputes,
    entry,
    flow,
    i18n,
    joining,
    outcomes,
    pages,
    promised,
    rebuild,
    requests,
    team,
)
from services.portal.flow_store import FlowStore
from services.portal.log_ends import LogEnds
from services.portal.remembered import Remembered
from services.portal.sessions import Sessions
from services.portal.settings import PortalSettings
from services.portal.statics import files, static
from services.portal.store import ReadStore
from services.portal.web import SCHOOL, Handler, Portal, environment, page, role_page, worker_page


def routes() -> list[BaseRoute]:
    """Every page. Those that show a record need a log-in."""
    public: list[tuple[str, str, Handler]] = [
        ("GET", "/", cohorts.front_page),
        ("GET", "/cohorts", cohorts.cohorts_page),
        ("GET", "/events", catalogue.catalogue_page),
        ("GET", "/events/{name}", catalogue.event_page),
        ("GET", "/outcomes", outcomes.outcomes_page),
        ("GET", "/help", entry.help_page),
        ("GET", "/sign-in", entry.sign_in_page),
        ("POST", "/sign-in", entry.sign_in),
        ("POST", "/sign-out", entry.sign_out),
        ("GET", "/demo", demo.demo_page),
        ("POST", "/demo", demo.demo_sign_in),
        ("GET", SCHOOL, demo.courses_page),
        ("POST", SCHOOL, demo.finish),
    ]
    personal: list[tuple[str, str, Handler]] = [
        ("GET", "/me", pages.my_story),
        ("GET", "/me/sharing", pages.sharing),
        ("GET", "/me/sharing/{grant:uuid}/stop", pages.ask_stop),
        ("POST", "/me/sharing/{grant:uuid}/stop", pages.stop),
        ("GET", "/me/promises", promised.promises_page),
        ("POST", "/me/promises", promised.answer),
        ("GET", "/me/promises/{promise:path}/{place}", disputes.say_page),
        ("POST", "/me/promises/{promise:path}/{place}", disputes.say),
        ("GET", "/me/requests/{request:path}", requests.request_page),
        ("POST", "/me/requests/{request:path}", requests.answer),
        ("GET", joining.JOIN, joining.join_page),
        ("POST", joining.JOIN, joining.join),
        ("GET", "/me/{anything:path}", entry.nowhere),
    ]
    employers: list[tuple[str, str, Handler]] = [
        ("GET", "/team", team.team_page),
        ("POST", "/team", team.notice),
        ("GET", "/team/{organization}", team.team_of),
    ]
    steps: list[tuple[str, str, Handler]] = [
        ("GET", "/rebuild", rebuild.rebuild_page),
        ("GET", "/rebuild/state", rebuild.rebuild_state),
        ("GET", "/rebuild/{step}", rebuild.ask_step),
        ("POST", "/rebuild/{step}", rebuild.take_step),
    ]
    operators: list[tuple[str, Handler]] = [
        ("/flow", flow.flow_page),
        ("/flow/numbers", flow.flow_numbers),
        ("/flow/count", complete.complete_page),
    ]
    return [
        Route("/static/{name}", static, methods=["GET"]),
        *(Route(p, role_page(handler, Role.OPERATOR)) for p, handler in operators),
        *(
            Route(path, role_page(handler, Role.OPERATOR), methods=[method])
            for method, path, handler in steps
        ),
        *(
            Route(path, role_page(handler, Role.EMPLOYER), methods=[method])
            for method, path, handler in employers
        ),
        *(Route(path, page(handler), methods=[method]) for method, path, handler in public),
        *(Route(p, worker_page(handler), methods=[method]) for method, p, handler in personal),
    ]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Read texts, templates and files once; put revocations back before anything is served."""
    settings = PortalSettings()
    files(), environment()
    for code in i18n.LANGUAGES:
        i18n.language(code)
    await restore(app.state.settings, app.state.pool)
    timeout = settings.call_timeout.total_seconds()
    ends = LogEnds(app.state.settings)
    async with httpx.AsyncClient(timeout=timeout, follow_redirects=False) as http:
        app.state.portal = _portal(app, settings, http, ends)
        try:
            yield
        finally:
            await ends.close()


def _portal(
    app: FastAPI, settings: PortalSettings, http: httpx.AsyncClient, ends: LogEnds
) -> Portal:
    store = ReadStore(app.state.pool, LaterSchemas(app.state.settings))
    lag_s = settings.cohorts_lag.total_seconds()
    return Portal(
        settings=settings,
        store=store,
        sessions=Sessions(app.state.pool, app.state.vault),
        http=http,
        cohorts=Remembered(lambda: store.cohorts(settings.public_cohorts_of), lasts_s=lag_s),
        flow=flow.Flow(ends, FlowStore(app.state.pool)),
    )


def service() -> HttpService:
    """The portal's routes, pages and query API."""
    return HttpService("portal", router=api.router, routes=routes(), lifespan=lifespan)


async def initialise(pool: Pool) -> None:
    """Create the tables of log-ins where they are missing."""
    await apply_schema(pool, "services.portal")
