"""Builds what is made from the `.avsc` files, and checks that it is fresh: `make events`.

An author writes the event's own fields; this adds the envelope, gives the schema its id, keeps the
version in `history/`, and generates `models.py` (pydantic, for the edge) and `events.py` (names
for projections). `--check` changes nothing and exits 1 when a file would change or a new version
could not be read by, or could not read, any earlier one (FULL_TRANSITIVE).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.catalog import ROOT, FieldType, envelope, envelope_names, field_type

GENERATED = '"""Generated from the .avsc files by `make events`. Do not edit."""\n'
STRUCTURE = {"type", "name", "fields", "symbols", "items", "size", "default", "logicalType"}
STRUCTURE |= {"precision", "scale", "namespace"}
CATEGORIES = frozenset(
    {
        *("identity", "demographic", "training", "credential", "skill", "experience", "support"),
        *("promise", "opportunity", "employment", "wage", "consent", "directory", "envelope"),
    }
)


class SchemaProblem(Exception):
    """A schema breaks a rule of the catalogue; the message names the field and the fix."""


def dump(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def structure(node: Any) -> Any:
    """The part of a schema that decides how bytes are written: no docs, no annotations."""
    if isinstance(node, dict):
        return {k: structure(v) for k, v in node.items() if k in STRUCTURE}
    if isinstance(node, list):
        return [structure(item) for item in node]
    return node


def fingerprint(schema: Mapping[str, Any]) -> str:
    text = json.dumps(structure(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def expanded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with the envelope of its topic in front of its own fields."""
    names = envelope_names(schema["topic"])
    own = [field for field in schema["fields"] if field["name"] not in names]
    return {**schema, "fields": [*envelope(schema["topic"]), *own]}


def check_fields(schema: Mapping[str, Any]) -> None:
    """Raise SchemaProblem when a field lacks what the rest of the hub reads from it."""
    for raw in schema["fields"]:
        where = f"{schema['name']}.{raw['name']}"
        if raw.get("category") not in CATEGORIES:
            raise SchemaProblem(f"{where}: add a category, one of {', '.join(sorted(CATEGORIES))}")
        if not raw.get("doc"):
            raise SchemaProblem(f"{where}: add a doc in plain words")
        field = field_type(raw)
        if field.sealed and (field.avro_type != "bytes" or field.plain is None):
            raise SchemaProblem(f"{where}: a sealed field is bytes and names its plain type")
        coded = field.pattern is not None or schema["topic"] == "directory"
        if field.kind in {"string", "array"} and not coded:
            raise SchemaProblem(f"{where}: add a pattern (no free text outside sealed fields)")


def check_compatible(schema: Mapping[str, Any], earlier: Mapping[str, Any], version: int) -> None:
    """Raise SchemaProblem unless either schema can read what the other wrote."""
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
    from avro.schema import parse

    new, old = (parse(json.dumps(structure(s))) for s in (schema, earlier))
    for reader, writer, said in ((new, old, "cannot read"), (old, new, "cannot be read by")):
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
        result = checker.get_compatibility(reader, writer)
        if result.compatibility is not SchemaCompatibilityType.compatible:
            places = ", ".join(sorted(result.locations)) or "the record"
            reasons = "; ".join(sorted(result.messages))
            raise SchemaProblem(
                f"{schema['name']} {said} its version {version}, at {places}: {reasons}. "
                "Give a new field a default, keep the old ones, or make a new event type."
            )


def sources() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(ROOT.glob("*/*.avsc")):
        if path.parent.name != "history":
            yield path, json.loads(path.read_text())


def catalogue(schemas: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[Path, str]]:
    """The catalogue with an id for each new version, and the history files it names."""
    path = ROOT / "catalog.json"
    entries = json.loads(path.read_text())["schemas"] if path.exists() else []
    files: dict[Path, str] = {}
    for schema in schemas:
        mine = [entry for entry in entries if entry["name"] == schema["name"]]
        print_ = fingerprint(schema)
        entry = next((e for e in mine if e["fingerprint"] == print_), None)
        for earlier in mine:
            if earlier is not entry:
                old = json.loads((ROOT / earlier["file"]).read_text())
                check_compatible(schema, old, earlier["version"])
        if entry is None:
            entry = {
                "id": max((e["id"] for e in entries), default=0) + 1,
                "name": schema["name"],
                "version": len(mine) + 1,
                "file": f"history/{schema['name']}/{len(mine) + 1}.avsc",
                "fingerprint": print_,
            }
            entries.append(entry)
        files[ROOT / entry["file"]] = dump(schema)
    return {"schemas": entries}, files


SCALARS = {
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


def model_source(schema: Mapping[str, Any]) -> str:
    base = "DirectoryEvent" if schema["topic"] == "directory" else "StoryEvent"
    lines = [f"class {schema['name']}({base}):", f'    """{schema["doc"]}"""', ""]
    lines.append(f'    event_type: ClassVar[str] = "{schema["name"]}"')
    names = tuple(raw["name"] for raw in own(schema))
    lines.append(f"    own_names: ClassVar[tuple[str, ...]] = {names!r}")
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


def build() -> dict[Path, str]:
    """Every file that is made, with its content. Raises SchemaProblem."""
    files: dict[Path, str] = {}
    schemas = []
    for path, source in sources():
        schema = expanded(source)
        check_fields(schema)
        if path.stem != schema["name"] or path.parent.name != schema["namespace"].split(".")[-1]:
            raise SchemaProblem(f"{path.name}: file, folder and the schema's name must agree")
        files[path] = dump(schema)
        schemas.append(schema)
    schemas.sort(key=lambda s: s["name"])
    catalog, history = catalogue(schemas)
    files |= history
    files[ROOT / "catalog.json"] = dump(catalog)
    files[ROOT / "models.py"] = models_source(schemas)
    files[ROOT / "events.py"] = events_source(schemas)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description="Build what is made from the .avsc files.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when stale")
    arguments = parser.parse_args()
    try:
        files = build()
    except SchemaProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    stale = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        if arguments.check:
            sys.stderr.write(f"{path.relative_to(ROOT.parent)} is stale: run `make events`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
