"""Schemas of a later catalogue than this process has, asked of the registry by their id.

So a reader keeps going while a newer release already writes: it reads a later version of a type as
the newest it knows, and a type it does not know as itself. What the registry says is checked like a
committed schema. Without a registry, or when it knows nothing either, the record's partition stops.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

import httpx

from schemas.catalog import EventType, event_types, learn, version_of
from schemas.compatibility import check_compatible
from schemas.rules import SchemaProblem, check_schema
from services.common.errors import UnknownSchema
from services.common.kafka import TOPICS
from services.common.log import get_logger
from services.common.settings import Settings

log = get_logger("schemas")
_MAX_BYTES: Final = 1_000_000
_TIMEOUT: Final = timedelta(seconds=5)


class LaterSchemas:
    """Asks one registry; nothing is asked where `REGISTRY_URL` is not set."""

    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = (settings.registry_url or "").rstrip("/")
        self._transport = transport

    async def find(self, unknown: UnknownSchema) -> None:
        """Add the schema to what this process knows. Raises UnknownSchema that says why not."""
        schema_id = unknown.schema_id
        if schema_id is not None and version_of(schema_id) is not None:
            return
        if not self._url or schema_id is None:
            raise UnknownSchema(f"{unknown}, and no registry is set", schema_id)
        try:
            event_type = _learned(schema_id, *await self._ask(schema_id))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, SchemaProblem) as error:
            reason = f"{unknown}, and the registry at {self._url} does not help: {error}"
            raise UnknownSchema(reason, schema_id) from error
        log.info("schema learned", schema_id=event_type.schema_id, event_type=event_type.name)

    async def _ask(self, schema_id: int) -> tuple[Any, int]:
        """The schema and its version. Raises httpx.HTTPError, ValueError, KeyError, TypeError."""
        timeout = _TIMEOUT.total_seconds()
        async with httpx.AsyncClient(timeout=timeout, transport=self._transport) as http:
            schema = await self._get(http, f"{self._url}/schemas/ids/{schema_id}")
            places = await self._get(http, f"{self._url}/schemas/ids/{schema_id}/versions")
        return json.loads(schema["schema"]), int(places[0]["version"])

    async def _get(self, http: httpx.AsyncClient, url: str) -> Any:
        async with http.stream("GET", url) as answer:
            answer.raise_for_status()
            content = b""
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"its answer is over {_MAX_BYTES:,} bytes")
        return json.loads(content)


def _learned(schema_id: int, schema: Any, version: int) -> EventType:
    """Raises SchemaProblem, KeyError, TypeError, ValueError unless it can be of our catalogue."""
    if not isinstance(schema, dict) or schema.get("topic") not in TOPICS:
        raise ValueError(f"schema {schema_id} is not of this hub's catalogue")
    check_schema(schema)
    known = event_types().get(schema["name"])
    if known is not None:
        check_compatible(schema, known.schema, known.version)
    return learn(schema_id, version, schema)
