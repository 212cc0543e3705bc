"""HTTP routes of the feeds. Reading is public: what is released is released to everyone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.common.access import Principal, Role, caller
from services.common.clock import utc_now
from services.common.errors import Problem, not_found
from services.common.later_schemas import LaterSchemas
from services.feeds.handlers import FEEDS, Feed, as_csv, as_json, publish
from services.feeds.settings import FeedsSettings
from services.feeds.store import FeedsStore

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])


class ReleaseOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Annotated[str, Field(max_length=20)]


def _store(request: Request) -> FeedsStore:
    return FeedsStore(request.app.state.pool, LaterSchemas(request.app.state.settings))


def _feed(feed_id: str) -> Feed:
    if feed_id not in FEEDS:
        raise not_found("feed")
    return FEEDS[feed_id]


@router.get("")
async def feeds(request: Request) -> list[dict[str, Any]]:
    """Every feed with its definition and its releases."""
    return [
        {
            "feed_id": feed.feed_id,
            "title": feed.title,
            "definition": feed.definition(feed.version),
            "definition_version": feed.version,
            "releases": [
                {"release": row["number"], "window": row["window_id"]}
                for row in await _store(request).releases(feed.feed_id)
            ],
        }
        for feed in FEEDS.values()
    ]


@router.post("/{feed_id}/releases", status_code=201)
async def release(
    feed_id: str,
    order: ReleaseOrder,
    request: Request,
    principal: Principal = Depends(caller),
) -> dict[str, Any]:
    """Publish a window, once and for good. Operators only."""
    if principal.role is not Role.OPERATOR:
        raise Problem(403, "operators-only", "Only an operator's key may publish a release.")
    feed = _feed(feed_id)
    number = await publish(
        _store(request), FeedsSettings(), order.window, by=principal.subject, now=utc_now()
    )
    return {"feed_id": feed.feed_id, "release": number}


@router.get("/{feed_id}/releases/{number}")
async def read(
    feed_id: str,
    number: int,
    request: Request,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """One release, as JSON or CSV."""
    feed = _feed(feed_id)
    found = await _store(request).release(feed.feed_id, number) if 0 < number < 2**31 else None
    if found is None:
        raise not_found("release")
    head, rows = found
    if form == "csv":
        name = f"{feed.feed_id}-{number}.csv"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(as_csv(feed, head, rows), media_type="text/csv", headers=disposition)
    return JSONResponse(as_json(feed, head, rows))
