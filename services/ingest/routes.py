"""`POST /v1/events` and the list of event types."""

from __future__ import annotations

import time
from collections import Counter
from functools import cache
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from schemas.catalog import event_types
from schemas.models import MODELS
from services.common.access import Principal, caller
from services.common.authors import MATRIX
from services.common.clock import utc_now
from services.common.errors import Problem
from services.common.limits import RateLimit
from services.ingest.body import CLOUD_EVENT, CLOUD_EVENTS, PLAIN, media_type, posted
from services.ingest.drafts import ItemResult, Status
from services.ingest.settings import IngestSettings
from services.ingest.writer import Writer

router = APIRouter(prefix="/v1", tags=["write"])
_TAKEN = frozenset({Status.ACCEPTED, Status.DUPLICATE})
_REFUSALS = {
    Status.INVALID: (422, "The event is not as it must be."),
    Status.CONFLICT: (409, "Another event has this id."),
    Status.FORBIDDEN: (403, "This key may not author the event."),
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {}} for kind in (PLAIN, CLOUD_EVENT, CLOUD_EVENTS)},
    }
}


def json_answer(content: Any, status: int) -> Response:
    # PostgreSQL's driver has UUIDs of its own kind, which orjson doesn't know.
    return Response(orjson.dumps(content, default=str), status, media_type="application/json")


@router.post("/events", openapi_extra=_BODY, status_code=202)
async def post_events(request: Request, who: Annotated[Principal, Depends(caller)]) -> Response:
    """Write one event (an object) or up to 1,000 (`{"events": […]}`), JSON or CloudEvents.

    202 when all are on the log, 207 with a result per event when some are refused.
    """
    own: IngestSettings = request.app.state.ingest_settings
    limit: RateLimit = request.app.state.ingest_limit
    writer: Writer = request.app.state.writer
    kind = media_type(request.headers.get("content-type", ""))
    events = posted(await request.body(), kind, own.max_events)
    limit.take(who.key_id, len(events.items), time.monotonic())
    results = await writer.write(events.items, who, utc_now())
    return _single(results[0]) if events.single else _several(results)


def _single(result: ItemResult) -> Response:
    if result.status in _TAKEN:
        return json_answer(result.as_dict(), 202)
    raise refusal(result)


def refusal(result: ItemResult) -> Problem:
    """One refused event as a problem."""
    status, detail = _REFUSALS[result.status]
    return Problem(status, result.status.value, detail, errors=result.errors)


def _several(results: list[ItemResult]) -> Response:
    counts = Counter(result.status.value for result in results)
    taken = all(result.status in _TAKEN for result in results)
    body = {"counts": counts, "results": [result.as_dict() for result in results]}
    return json_answer(body, 202 if taken else 207)


@router.get("/event-types")
async def get_event_types() -> Response:
    """Every event type: what it says, who may author it, and its JSON Schema."""
    return Response(_event_types(), media_type="application/json")


@cache
def _event_types() -> bytes:
    listed = [
        {
            "type": name,
            "full_type": event_type.full_name,
            "doc": event_type.doc,
            "category": event_type.category,
            "authors": sorted(MATRIX[name]),
            "schema": MODELS[name].model_json_schema(),
        }
        for name, event_type in event_types().items()
    ]
    return orjson.dumps({"event_types": listed})
