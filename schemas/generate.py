"""What is generated from the schemas: edge models, and names of fields for projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.catalog import FieldType, envelope_names, field_type
from schemas.rules import beside_money

GENERATED: Final = '"""Generated from the .avsc files by `make events`. Do not edit."""\n'
SCALARS: Final = {
    "string": "str",
    "int": "int",
    "long": "int",
    "double": "float",
    "boolean": "bool",
    "fixed": "UUID",
    "timestamp-micros": "AwareDatetime",
    "date": "date",
    "bytes": "bytes",
}


def python_type(field: FieldType, raw: Mapping[str, Any]) -> str:
    """The annotation of a field in the edge model."""
    limits = limits_of(field, raw)
    if field.kind == "enum":
        symbols = ", ".join(f'"{symbol}"' for symbol in field.avro_type["symbols"])
        text = f"Literal[{symbols}]"
    elif field.kind == "array":
        text = f"Annotated[list[Annotated[str, {limits}]], Field(max_length=50)]"
    elif field.kind == "decimal":
        digits = f"max_digits={field.avro_type['precision']}"
        digits += f", decimal_places={field.avro_type['scale']}"
        text = f"Annotated[Decimal, Field({digits}, ge={raw['minimum']})]"
    else:
        text = SCALARS[field.plain or field.kind]
        text = f"Annotated[{text}, {limits}]" if limits else text
    return f"{text} | None" if field.nullable else text


def limits_of(field: FieldType, raw: Mapping[str, Any]) -> str:
    parts = []
    if field.pattern is not None:
        parts.append(f'pattern=r"{field.pattern}"')
    elif field.kind == "string":
        parts.append(f"min_length=1, max_length={raw.get('max_length', 200)}")
    elif field.plain == "string":
        parts.append(f"min_length=1, max_length={raw.get('max_length', 2000)}")
    bounds = (("ge", "minimum"), ("le", "maximum"))
    parts += [f"{name}={raw[key]}" for name, key in bounds if key in raw]
    return f"Field({', '.join(parts)})" if parts else ""


def own(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    names = envelope_names(schema["topic"])
    return [raw for raw in schema["fields"] if raw["name"] not in names]


def money_of(schema: Mapping[str, Any]) -> tuple[tuple[str, str, str | None], ...]:
    """Each amount of the event, with the names of what must be said beside it."""
    amounts = [raw for raw in own(schema) if field_type(raw).kind == "decimal"]
    return tuple((raw["name"], *beside_money(raw)) for raw in amounts)


def model_source(schema: Mapping[str, Any]) -> str:
    base = "DirectoryEvent" if schema["topic"] == "directory" else "StoryEvent"
    lines = [f"class {schema['name']}({base}):", f'    """{schema["doc"]}"""', ""]
    lines.append(f'    event_type: ClassVar[str] = "{schema["name"]}"')
    names = tuple(raw["name"] for raw in own(schema))
    lines.append(f"    own_names: ClassVar[tuple[str, ...]] = {names!r}")
    if money := money_of(schema):
        lines.append(f"    money: ClassVar[tuple[tuple[str, str, str | None], ...]] = {money!r}")
    lines.append(f'    type: Literal["{schema["name"]}"] = "{schema["name"]}"')
    for raw in own(schema):
        field = field_type(raw)
        default = f" = {raw['default']!r}" if "default" in raw else ""
        lines.append(f"    {field.name}: {python_type(field, raw)}{default}")
    return "\n".join(lines)


def models_source(schemas: list[dict[str, Any]]) -> str:
    head = [GENERATED, "from __future__ import annotations", ""]
    head += ["from decimal import Decimal", "from typing import Annotated, ClassVar, Literal"]
    head += ["from uuid import UUID", "", "from pydantic import AwareDatetime, Field", ""]
    head += ["from schemas.edge import DirectoryEvent, EdgeEvent, StoryEvent", ""]
    body = [f"\n{model_source(schema)}\n" for schema in schemas]
    listed = "\n".join(f'    "{s["name"]}": {s["name"]},' for s in schemas)
    tail = f"\nMODELS: dict[str, type[EdgeEvent]] = {{\n{listed}\n}}\n"
    return "\n".join(head) + "\n".join(body) + "\n" + tail


def events_source(schemas: list[dict[str, Any]]) -> str:
    parts = [
        GENERATED,
        "from __future__ import annotations\n",
        "from schemas.fields import FieldRef\n",
    ]
    for schema in schemas:
        lines = [f"\nclass {schema['name']}:", f'    """{schema["doc"]}"""', ""]
        for raw in schema["fields"]:
            field = field_type(raw)
            args = f'"{schema["name"]}", "{field.name}", "{field.kind}"'
            lines.append(f"    {field.name} = FieldRef({args}, {field.nullable}, {field.sealed})")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
