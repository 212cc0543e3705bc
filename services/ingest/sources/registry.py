"""Schemas of another system's topics, by id, from its registry."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import fastavro
import httpx

from services.common.codec import FRAME_SIZE, schema_id_of
from services.common.errors import DependencyDown, DoesNotDecode

_MAX_SCHEMA_LENGTH = 1_000_000
# A registry's own words, other than the 404 of a wrong address or of a proxy before it.
_NOT_FOUND = frozenset({40401, 40402, 40403})
_NO_SCHEMA = (
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
    fastavro.schema.SchemaParseException,
)


class Registry:
    """Reads `GET /schemas/ids/{id}` once per id. Source: Confluent Schema Registry API."""

    def __init__(self, url: str, timeout: timedelta) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout.total_seconds())
        self._schemas: dict[int, Any] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def decode(self, value: bytes) -> Any:
        """Decode a Confluent-framed value.

        Raises DoesNotDecode for bytes that are not what their schema says and for a schema that
        the registry says it does not have, DependencyDown while it does not answer as it should.
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
            why = str(error) or type(error).__name__
            raise DependencyDown(f"the schema registry does not answer: {why}") from error
        text = _schema_in(answer)
        if text is None:
            raise DoesNotDecode(f"the schema registry has no schema {schema_id}")
        if len(text) > _MAX_SCHEMA_LENGTH:
            raise DoesNotDecode(f"schema {schema_id} is longer than {_MAX_SCHEMA_LENGTH:,}")
        try:
            return fastavro.parse_schema(json.loads(text))
        except _NO_SCHEMA as error:
            raise DoesNotDecode(f"schema {schema_id} is not a schema: {error}") from error


def _schema_in(answer: httpx.Response) -> str | None:
    """The schema's text; None when the registry says that it has none of this id.

    Raises DependencyDown for any other answer: what stands there now may be another server.
    """
    try:
        body = answer.json()
        if answer.status_code == 404 and body["error_code"] in _NOT_FOUND:
            return None
        if answer.status_code == 200:
            return str(body["schema"])
    except (ValueError, KeyError, TypeError):
        pass  # no registry's answer
    raise DependencyDown(f"the schema registry answers {answer.status_code}, and no schema")
