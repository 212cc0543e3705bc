"""FULL_TRANSITIVE: each version reads, and is read by, every earlier one; and means the same.

Avro allows a little more than the hub can live with (a text that becomes bytes, a default that
goes, a symbol that goes where an enum has a default), so the fields are compared here first, in
words; then Avro's own checker has the last word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from schemas.rules import UNSHARED, SchemaProblem

Raw = Mapping[str, Any]

# What of a schema decides how bytes are written.
STRUCTURE: Final = frozenset(
    {
        *("type", "name", "namespace", "fields", "symbols", "items", "size", "default"),
        *("logicalType", "precision", "scale"),
    }
)
_FIX: Final = "or make a new event type"


def structure(node: Any) -> Any:
    """The part of a schema that decides how bytes are written: no docs, no annotations."""
    if isinstance(node, dict):
        return {k: structure(v) for k, v in node.items() if k in STRUCTURE}
    if isinstance(node, list):
        return [structure(item) for item in node]
    return node


def check_compatible(schema: Raw, earlier: Raw, version: int) -> None:
    """Raise SchemaProblem unless either schema can read what the other wrote.

    earlier: the committed `version` of the same event type; the newest one itself, too, for its
    words may change and what it shares may not.
    """
    name = schema["name"]
    for key, why in (
        ("name", "is how consumers find it"),
        ("namespace", "is part of the name consumers find it by"),
        ("topic", "is where its consumers read"),
    ):
        if schema[key] != earlier[key]:
            raise SchemaProblem(
                f"{name}: its {key} was {earlier[key]} in version {version} and {why}."
                f" Put it back, {_FIX}."
            )
    _check_category(name, schema, earlier, version)
    new = {raw["name"]: raw for raw in schema["fields"]}
    old = {raw["name"]: raw for raw in earlier["fields"]}
    for field in old.keys() - new.keys():
        _check_gone(f"{name}.{field}", old[field], version)
    for field in new.keys() - old.keys():
        _check_new(f"{name}.{field}", new[field], version)
    for field in (field for field in old if field in new):
        for rule in _RULES:
            rule(f"{name}.{field}", new[field], old[field], version)
    _check_as_avro(schema, earlier, version)


def _check_gone(where: str, old: Raw, version: int) -> None:
    if "default" not in old:
        raise SchemaProblem(
            f"{where}: version {version} has it and can't be read without it. If it was renamed,"
            f" keep the old name. Put it back, {_FIX}."
        )


def _check_new(where: str, new: Raw, version: int) -> None:
    if "default" not in new:
        raise SchemaProblem(
            f"{where}: version {version} was written without it. Give it a default"
            f' (["null", …] with "default": null), {_FIX}.'
        )


def _check_type(where: str, new: Raw, old: Raw, version: int) -> None:
    before, after = _without_symbols(old["type"]), _without_symbols(new["type"])
    if before != after:
        raise SchemaProblem(
            f"{where}: its type was {json.dumps(structure(old['type']))} in version {version}, and"
            " what was written with one can't be read with the other (wider types, too)."
            f" Put it back and add a field for the new type, {_FIX}."
        )


def _without_symbols(avro_type: Any) -> Any:
    found = structure(avro_type)
    return {k: v for k, v in found.items() if k != "symbols"} if isinstance(found, dict) else found


def _check_symbols(where: str, new: Raw, old: Raw, version: int) -> None:
    if not isinstance(old["type"], dict) or "symbols" not in old["type"]:
        return
    gone = [symbol for symbol in old["type"]["symbols"] if symbol not in new["type"]["symbols"]]
    if gone:
        raise SchemaProblem(
            f"{where}: version {version} has the symbol {gone[0]}, and events that say it would"
            f" read as UNKNOWN. Put it back, {_FIX}."
        )


def _check_default(where: str, new: Raw, old: Raw, version: int) -> None:
    if "default" in old and new.get("default", ...) != old["default"]:
        raise SchemaProblem(
            f"{where}: its default was {json.dumps(old['default'])} in version {version}, and"
            f" who leaves it out relies on that. Put it back, {_FIX}."
        )


def _check_sealed(where: str, new: Raw, old: Raw, version: int) -> None:
    for key in ("sealed", "plain"):
        if new.get(key) != old.get(key):
            raise SchemaProblem(
                f"{where}: its {key} was {json.dumps(old.get(key))} in version {version}, and what"
                f" is on the log stays as it is. Put it back and add a new field, {_FIX}."
            )


def _check_category(where: str, new: Raw, old: Raw, version: int) -> None:
    if new["category"] not in {old["category"], *UNSHARED}:
        raise SchemaProblem(
            f"{where}: its category was {old['category']} in version {version}; in"
            f" {new['category']}, people who agreed to share that would share this unasked."
            f" Put it back, {_FIX}."
        )


_RULES: Final[tuple[Callable[[str, Raw, Raw, int], None], ...]] = (
    _check_type,
    _check_symbols,
    _check_default,
    _check_sealed,
    _check_category,
)


def _check_as_avro(schema: Raw, earlier: Raw, version: int) -> None:
    """Source: Avro 1.12, Schema Resolution, as the `avro` package checks it."""
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
                f"Give a new field a default, keep the old ones, {_FIX}."
            )
