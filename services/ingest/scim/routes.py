"""`/scim/v2`: an employer's system keeps its people here, as at any SCIM service provider.

Source: RFC 7643 and RFC 7644; the protocol itself is scim2-server's.
"""

from __future__ import annotations

import time
from typing import Any

import orjson
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Request, Response
from scim2_models import Error, ForbiddenException, PayloadTooLargeException, SCIMException
from scim2_server.handler import AsyncScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse
from scim2_server.routing import Operation
from scim2_server.service import ScimService

from services.common.access import Principal, Role, caller
from services.common.errors import Problem, RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.ingest.scim.dialects import mended
from services.ingest.scim.provider import scim_service
from services.ingest.scim.storage import OrganizationStorage, Parts

log = get_logger("scim")
PREFIX = "/scim/v2"
MAX_BODY_BYTES = 1_000_000
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

router = APIRouter(tags=["scim"])
_SERVICE: ScimService = scim_service()


@router.api_route(PREFIX, methods=_METHODS, include_in_schema=False)
@router.api_route(PREFIX + "/{path:path}", methods=_METHODS, include_in_schema=False)
async def serve(request: Request, path: str = "") -> Response:
    """Any SCIM request. All errors are in SCIM's own form."""
    try:
        return _response(await _handled(request, path.removesuffix(".scim")))
    except SCIMException as error:
        return _response(_SERVICE.error_response(error))
    except Problem as problem:
        return _error(problem.status, problem.detail, problem.headers)
    except (RetryableError, KafkaError, *AWAY) as error:
        log.warning("dependency down", error=repr(error))
        return _error(503, "The hub's log or database does not answer now.", {"Retry-After": "2"})


async def _handled(request: Request, path: str) -> ScimResponse:
    asked = ScimRequest(
        method=request.method,
        base_url=request.app.state.settings.public_url.rstrip("/") + PREFIX,
        path=f"/{path}",
        query=dict(request.query_params),
        headers=list(request.headers.items()),
    )
    # RFC 7644, 4: what the service can do is told to everybody.
    open_to_all = _SERVICE.match(asked).operation is Operation.service_provider_config
    who = None if open_to_all else await _employer(request)
    asked.body = _mended(await request.body())
    parts: Parts = request.app.state.scim
    storage = OrganizationStorage(
        parts, who.organization_id if who else "", who.key_id if who else ""
    )
    return await AsyncScimHandler(_SERVICE, storage).handle(asked)


async def _employer(request: Request) -> Principal:
    """Raises Problem 401 or 429, ForbiddenException for other roles."""
    who = await caller(request)
    if who.role is not Role.EMPLOYER:
        raise ForbiddenException(detail="Only an employer's key may keep people here.")
    request.app.state.ingest_limit.take(who.key_id, 1, time.monotonic())
    return who


def _mended(body: bytes) -> bytes:
    """Raises PayloadTooLargeException. What is not JSON is left to the service to refuse."""
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLargeException(detail=f"The body is over {MAX_BODY_BYTES:,} bytes.")
    try:
        return orjson.dumps(mended(orjson.loads(body))) if body else body
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body


def _response(found: ScimResponse) -> Response:
    content = b"" if found.body is None else orjson.dumps(found.body)
    headers = {"Cache-Control": "no-store", **found.headers}
    return Response(content, int(found.status), headers)


def _error(status: int, detail: str, headers: dict[str, str]) -> Response:
    body: dict[str, Any] = Error(status=status, detail=detail).model_dump()
    return Response(orjson.dumps(body), status, headers, media_type=SCIM_MEDIA_TYPE)
