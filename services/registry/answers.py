"""Answers in Confluent's form: media type, ETag, how long they may be kept, and refusals."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from services.common.errors import Problem
from services.common.limits import RateLimit
from services.registry.errors import Refused

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
# Which version an id stands for never changes.
FOR_EVER: Final = "public, max-age=31536000, immutable"
# Nor does how a version's bytes are read; but its words, patterns and categories may.
FOR_A_MINUTE: Final = "public, max-age=60"


def answer(
    request: Request, body: object, keep: str = FOR_A_MINUTE, media_type: str = MEDIA_TYPE
) -> Response:
    """The body as JSON; 304 without it when the caller has it already."""
    return raw_answer(request, orjson.dumps(body), keep, media_type)


def raw_answer(
    request: Request, content: bytes, keep: str = FOR_A_MINUTE, media_type: str = MEDIA_TYPE
) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": keep, "Access-Control-Allow-Origin": "*"}
    known = request.headers.get("if-none-match", "")
    if tag in (part.strip().removeprefix("W/") for part in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def _refusal(status: int, error_code: int, message: str, headers: dict[str, str]) -> Response:
    body = orjson.dumps({"error_code": error_code, "message": message})
    # A schema that is not there today may be committed tomorrow.
    headers = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*", **headers}
    return Response(body, status, headers=headers, media_type=MEDIA_TYPE)


class RegistryRoute(APIRoute):
    """A route whose errors have Confluent's form, and that counts against its caller's rate."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                limit: RateLimit = request.app.state.registry_limit
                address = request.client.host if request.client else ""
                limit.take(address, 1, time.monotonic())
                return await handle(request)
            except Refused as error:
                return _refusal(error.status, error.error_code, str(error), error.headers)
            except Problem as error:
                return _refusal(error.status, error.status, error.detail, error.headers)
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"][1:]) or "body"
                return _refusal(422, 422, f"{where}: {first['msg']}", {})

        return handled
