"""`POST /v1/events` and the list of event types."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from schemas.catalog import event_types
from schemas.json_schema import json_schema
from services.common.access import Principal, caller
from services.common.authors import MATRIX
from services.common.clock import utc_now
from services.common.errors import Problem
from services.common.idempotency import key_of
from services.ingest.body import ACCEPTED, Posted, media_type, posted
from services.ingest.call_store import Call, KeptAnswer
from services.ingest.calls import fingerprint, kept, kept_problem, response
from services.ingest.cloud_events import Sender, attributes_of
from services.ingest.compression import ENCODINGS, inflated
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
    "requestBody": {"required": True, "content": {kind: {"schema": {}} for kind in ACCEPTED}},
    "parameters": [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": words}
        for name, words in {
            "Idempotency-Key": "The same call again gets the same answer, for 24 hours.",
            "Content-Encoding": "gzip or zstd.",
            "ce-specversion": "1.0: the body is the data of one CloudEvent, named in ce- headers.",
        }.items()
    ],
}


def json_answer(content: Any, status: int) -> Response:
    return response(kept(content, status))


@router.post("/events", openapi_extra=_BODY, status_code=202)
async def post_events(request: Request, who: Annotated[Principal, Depends(caller)]) -> Response:
    """Write one event, or up to 1,000: JSON, CloudEvents or Avro.

    202 when all are on the log, 207 with a result per event when some are refused.
    """
    state, headers = request.app.state, request.headers
    own: IngestSettings = state.ingest_settings
    kind = media_type(headers.get("content-type", ""))
    key = key_of(headers.get("idempotency-key"))
    with state.room.taken(_size(headers, own.body_bytes), who.subject):
        encoding = headers.get("content-encoding", "")
        body = inflated(await _arrived(request, own), encoding, own.body_bytes)
        attributes = attributes_of(headers.items())
        events = posted(body, kind, Sender.of(who), own.max_events, attributes)
        told = state.ingest_limit.take(who.key_id, len(events.items), time.monotonic())
        if key is None:
            answer = response(await _written(state.writer, events, who))
        else:
            call = Call(who.subject, key, fingerprint(state.vault, kind, attributes, body))
            answer = await state.calls.once(call, lambda: _written(state.writer, events, who, call))
    # Callers may compress from the next call on. Source: RFC 9110, 12.5.3.
    answer.headers.update({**told, "Accept-Encoding": ", ".join(ENCODINGS)})
    return answer


async def _arrived(request: Request, own: IngestSettings) -> bytes:
    """The body. Raises Problem 408 when it takes too long: it holds room that others need."""
    seconds = own.body_time.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            return await request.body()
    except TimeoutError:
        detail = f"The body did not arrive in {seconds:.0f} s. Send fewer events in a call."
        raise Problem(408, "too-slow", detail) from None


def _size(headers: Mapping[str, str], most: int) -> int:
    """Bytes that the body will take; the most there may be when that is not told."""
    announced = headers.get("content-length", "")
    plain = headers.get("content-encoding", "identity").lower() == "identity"
    return min(int(announced), most) if plain and announced.isdigit() else most


async def _written(
    writer: Writer, events: Posted, who: Principal, call: Call | None = None
) -> KeptAnswer:
    fit = {n: item for n, item in enumerate(events.items) if not isinstance(item, ItemResult)}
    unnamed = None if call is None else [call.event_id(number) for number in fit]
    written = iter(await writer.write(list(fit.values()), who, utc_now(), unnamed))
    results = [i if isinstance(i, ItemResult) else next(written) for i in events.items]
    return _single(results[0]) if events.single else _several(results)


def _single(result: ItemResult) -> KeptAnswer:
    if result.status in _TAKEN:
        return kept(result.as_dict(), 202)
    return kept_problem(refusal(result))


def refusal(result: ItemResult) -> Problem:
    """One refused event as a problem."""
    status, detail = _REFUSALS[result.status]
    return Problem(status, result.status.value, detail, errors=result.errors)


def _several(results: Sequence[ItemResult]) -> KeptAnswer:
    counts = Counter(result.status for result in results)
    body = {
        "counts": {status.value: number for status, number in counts.items()},
        "results": [result.as_dict() for result in results],
    }
    return kept(body, 202 if counts.keys() <= _TAKEN else 207)


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
            "schema": json_schema(event_type),
        }
        for name, event_type in event_types().items()
    ]
    return orjson.dumps({"event_types": listed})
