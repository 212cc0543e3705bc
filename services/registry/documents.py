"""Documents made from the catalogue: JSON Schemas for the HTTP API, AsyncAPI for the topics."""

from __future__ import annotations

import time

import orjson
from fastapi import APIRouter, Depends, Request, Response

from schemas.catalog import event_types
from schemas.json_schema import json_schema
from services.common.errors import not_found
from services.common.settings import Settings
from services.registry import asyncapi
from services.registry.answers import answer, raw_answer

ASYNCAPI = "application/vnd.aai.asyncapi+json;version=3.0.0"


async def counted(request: Request) -> None:
    """Count against the caller's rate. Raises Problem 429."""
    address = request.client.host if request.client else ""
    request.app.state.registry_limit.take(address, 1, time.monotonic())


router = APIRouter(tags=["registry"], dependencies=[Depends(counted)])


def made(settings: Settings) -> dict[str, bytes]:
    """Each document by its path; they change only with the catalogue and the hub's address."""
    documents = {
        f"/json-schemas/{name}": orjson.dumps(json_schema(one, settings.public_url))
        for name, one in event_types().items()
    }
    return {**documents, "/asyncapi.json": orjson.dumps(asyncapi.served(settings))}


@router.get("/asyncapi.json")
async def asyncapi_document(request: Request) -> Response:
    """AsyncAPI 3.0: every topic, event type and header."""
    content: bytes = request.app.state.documents["/asyncapi.json"]
    return raw_answer(request, content, media_type=ASYNCAPI)


@router.get("/json-schemas")
async def json_schemas(request: Request) -> Response:
    """The names of all event types, each with the address of its JSON Schema."""
    base = request.app.state.settings.public_url.rstrip("/")
    listed = {name: f"{base}/json-schemas/{name}" for name in event_types()}
    return answer(request, listed, media_type="application/json")


@router.get("/json-schemas/{name}")
async def one_json_schema(request: Request, name: str) -> Response:
    """What a sender may write of an event type (JSON Schema 2020-12). Raises Problem 404."""
    content = request.app.state.documents.get(f"/json-schemas/{name}")
    if content is None:
        raise not_found("event type")
    return raw_answer(request, content, media_type="application/schema+json")
