"""Schemas compared by what they say, not by how they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import fastavro

_SAYS: Final = frozenset(
    {
        *("type", "name", "fields", "symbols", "items", "values", "size", "default", "aliases"),
        *("logicalType", "precision", "scale"),
    }
)


class NotASchema(ValueError):
    """The text is no Avro schema."""


def normal_form(schema: Mapping[str, Any] | str) -> str:
    """One text for all schemas that read and write the same: full names, no docs, no annotations.

    Unlike Avro's parsing canonical form it keeps defaults and logical types, for they decide what
    a reader gets. Raises NotASchema.
    """
    try:
        raw = json.loads(schema) if isinstance(schema, str) else schema
        parsed = fastavro.parse_schema(raw)
        return json.dumps(_said(parsed), sort_keys=True, separators=(",", ":"))
    # Whatever a stranger's text leads the parser to: it is the text that is wrong.
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotASchema(f"{type(error).__name__}: {error}") from error
    except fastavro.schema.SchemaParseException as error:
        raise NotASchema(str(error)) from error


def _said(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _said(part) for key, part in node.items() if key in _SAYS}
    if isinstance(node, list):
        return [_said(part) for part in node]
    return node
