"""Schemas of another system's topics, by id, from its registry."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import fastavro
import httpx

from services.common.codec import FRAME_SIZE, schema_id_of
from services.common.errors import DependencyDown, DoesNotDecode, UnknownSchema

_MAX_SCHEMA_BYTES = 1_000_000


class Registry:
    """Reads `GET /schemas/ids/{id}` once per id. Source: Confluent Schema Registry API."""

    def __init__(self, url: str, timeout: timedelta) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout.total_seconds())
        self._schemas: dict[int, Any] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def decode(self, value: bytes) -> Any:
        """Decode a Confluent-framed value.

        Raises DoesNotDecode for bytes that are not what their schema says, UnknownSchema and
        DependencyDown when the registry does not know the schema or does not answer.
        """
        schema = await self._schema(schema_id_of(value))
        buffer = io.BytesIO(value)
        buffer.seek(FRAME_SIZE)
        try:
            return fastavro.schemaless_reader(buffer, schema, None)
        except Exception as error:
            raise DoesNotDecode(f"{type(error).__name__}: {error}") from error

    async def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            self._schemas[schema_id] = await self._fetch(schema_id)
        return self._schemas[schema_id]

    async def _fetch(self, schema_id: int) -> Any:
        try:
            answer = await self._http.get(f"/schemas/ids/{schema_id}")
        except httpx.HTTPError as error:
            raise DependencyDown(f"the schema registry does not answer: {error}") from error
        if answer.status_code == 404:
            raise UnknownSchema(f"the registry has no schema {schema_id}")
        if answer.status_code != 200 or len(answer.content) > _MAX_SCHEMA_BYTES:
            raise DependencyDown(f"the schema registry answers {answer.status_code}")
        try:
            return fastavro.parse_schema(json.loads(answer.json()["schema"]))
        except (ValueError, KeyError, TypeError, fastavro.schema.SchemaParseException) as error:
            raise DoesNotDecode(f"schema {schema_id} is not a schema: {error}") from error
