"""Reads a mapping from YAML or JSON, and knows those that come with the hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError

from services.common.errors import FieldError, Problem
from services.ingest.explain import named
from services.ingest.imports.mapping import ImportMapping

MAX_MAPPING_BYTES = 256_000
_DEEPEST = 50  # parts within parts; the language itself needs seven
_MOST_ERRORS = 20
_FORMS = ("function-after[", "list[")
CHOOSE = "CHOOSE"  # begins what a proposed mapping leaves to its user
_NAMED = resources.files("services.ingest.imports").joinpath("mappings")


class _TextLoader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """YAML where each scalar is text, so that `NO`, `2013` and `1.10` stay what they are."""


def parse_mapping(text: bytes) -> ImportMapping:
    """Read a mapping in YAML or JSON. Raises Problem 422 naming the place and the fix."""
    if len(text) > MAX_MAPPING_BYTES:
        raise Problem(413, "too-large", f"The mapping is over {MAX_MAPPING_BYTES:,} bytes.")
    try:
        _refuse_odd_forms(text)
        raw: Any = yaml.load(text, Loader=_TextLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _bad([FieldError("mapping", f"is not YAML or JSON: {error}")]) from None
    if still_open := [place for place, text in _texts(raw) if text.startswith(CHOOSE)]:
        fix = "Write what is meant in its place."
        raise _bad([FieldError(place, "is still to be chosen", fix) for place in still_open])
    try:
        return ImportMapping.model_validate(raw)
    except ValidationError as error:
        raise _bad([_field_error(item) for item in error.errors()]) from None


def _refuse_odd_forms(text: bytes) -> None:
    """Aliases, and parts within parts without end: what is loaded may overflow the process's
    stack, while events come one at a time.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_TextLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _bad([FieldError("mapping", "uses a YAML alias", "Write the part out.")])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            line = event.start_mark.line + 1  # type: ignore[union-attr]
            fix = "Write it flatter; docs/imports.md has examples."
            problem = f"is nested more than {_DEEPEST} deep in line {line}"
            raise _bad([FieldError("mapping", problem, fix)])


def _texts(part: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the mapping, keys included, with where it stands."""
    if isinstance(part, dict):
        for key, value in part.items():
            here = f"{place}.{key}".lstrip(".")
            yield here, str(key)
            yield from _texts(value, here)
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from _texts(value, f"{place}.{index}")
    elif isinstance(part, str):
        yield place or "mapping", part


def _field_error(item: Any) -> FieldError:
    # Between the names stands also which of two forms pydantic tried.
    names = [n for part in item["loc"] if not (n := str(part)).startswith(_FORMS)]
    place = ".".join(names) or "mapping"
    return FieldError(place, item["msg"].removeprefix("Value error, "))


def _bad(errors: Sequence[FieldError]) -> Problem:
    shown = [replace(error, field=named(error.field)) for error in errors[:_MOST_ERRORS]]
    return Problem(422, "invalid-mapping", "The mapping can't be used.", errors=shown)


def named_mappings() -> list[str]:
    """The mappings that come with the hub."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in _NAMED.iterdir()
        if entry.name.endswith(".yaml")
    )


def named_mapping(name: str) -> bytes:
    """The text of a mapping that comes with the hub. Raises Problem 422 for an unknown name."""
    if name not in named_mappings():
        there_are = f"The hub has {', '.join(named_mappings())}; or send the mapping itself."
        raise _bad([FieldError("mapping", f"there is no mapping named {name[:60]!r}", there_are)])
    return _NAMED.joinpath(f"{name}.yaml").read_bytes()
