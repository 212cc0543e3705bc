"""Schemas to spoil, and ways to spoil them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from schemas.catalog import event_types

Schema = dict[str, Any]


def own(name: str = "SkillAttested") -> Schema:
    """A schema to spoil: it has codes, enums, an optional and a sealed field."""
    return copy.deepcopy(dict(event_types()[name].schema))


def field(schema: Schema, name: str) -> dict[str, Any]:
    return next(raw for raw in schema["fields"] if raw["name"] == name)


def added(**raw: Any) -> Callable[[Schema], None]:
    """Adds a field that is sound but for `raw`; None takes a key away."""
    sound = {"name": "extra", "type": "boolean", "doc": "Something.", "category": "skill"}
    made = {
        key: value for key, value in (sound | raw).items() if value is not None or key == "default"
    }
    return lambda schema: schema["fields"].append(made)


def changed(name: str, /, **raw: Any) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found = field(schema, name)
        found.update(raw)
        for key in [key for key, value in raw.items() if value is None and key != "default"]:
            del found[key]

    return change


def head(**own: Any) -> Callable[[Schema], None]:
    return lambda schema: schema.update(own)


def enum(*symbols: str, name: str = "Extra", default: str | None = "UNKNOWN") -> dict[str, Any]:
    made: dict[str, Any] = {"type": "enum", "name": name, "symbols": list(symbols)}
    return made if default is None else made | {"default": default}


MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
CODE = "^[a-z]{1,20}$"
