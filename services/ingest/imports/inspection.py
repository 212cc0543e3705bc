"""What a file looks like before anything is done with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.common.access import Role
from services.ingest.imports.columns import Column, Profile, profile
from services.ingest.imports.mapping import EventMapping, ImportMapping, Spec
from services.ingest.imports.proposal import propose
from services.ingest.imports.reader import Asked, Dialect, inspect
from services.ingest.imports.row_mapper import RowMapper


def inspected(
    path: Path, mapping: ImportMapping | None, role: Role, wanted: str | None
) -> dict[str, Any]:
    """JSON: how the file is written, its columns, and a mapping to begin with or how one fits.

    Raises Problem 415, 422.
    """
    dialect = _dialect(path, mapping)
    found = profile(path, dialect, mapping.empty if mapping is not None else ())
    shown = _shown(dialect, found)
    if mapping is not None:
        return shown | {"mapping": _fit(mapping, found.columns)}
    return shown | {"proposal": propose(found.columns, role, wanted, dialect.form.quote).as_dict()}


def _dialect(path: Path, mapping: ImportMapping | None) -> Dialect:
    if mapping is None:
        return inspect(path, Asked(quote=None))
    return inspect(path, Asked(frozenset(), mapping.encoding, mapping.delimiter, mapping.quote))


def _shown(dialect: Dialect, found: Profile) -> dict[str, Any]:
    form, encoding = dialect.form, dialect.encoding
    return {
        "encoding": {"name": encoding.name, "sure": encoding.sure, "why": encoding.why},
        "delimiter": form.delimiter,
        "quote": form.quote,
        "rows_read": found.rows_read,
        "whole_file": found.whole_file,
        "unreadable_rows": found.unreadable,
        "columns": [column.as_dict(examples=True) for column in found.columns],
    }


def _fit(mapping: ImportMapping, columns: Sequence[Column]) -> dict[str, Any]:
    """Which column feeds which fields, and what does not go together."""
    fed = _fed(mapping)
    names = [column.name for column in columns]
    return {
        "name": mapping.name,
        "missing": sorted(mapping.columns - set(names)),
        "unused": [name for name in names if name not in mapping.columns],
        "fields": {name: sorted(fed[name]) for name in names if name in fed},
        "problems": [said for column in columns for said in _disagreements(mapping, column)],
    }


def _fed(mapping: ImportMapping) -> dict[str, set[str]]:
    mapper = RowMapper(mapping, {}, "")
    fed: dict[str, set[str]] = defaultdict(set)
    for event, name, spec in _specs(mapping):
        for column in mapper.columns_of(spec.from_ + (spec.start or "") + (spec.default or "")):
            fed[column].add(f"{event.type}.{name}")
    return fed


def _specs(mapping: ImportMapping) -> list[tuple[EventMapping, str, Spec]]:
    return [
        (event, name, spec)
        for event in mapping.events
        for name, given in event.fields.items()
        for spec in (given if isinstance(given, list) else [given])
    ]


def _disagreements(mapping: ImportMapping, column: Column) -> list[str]:
    """Where the mapping reads a column as a date that its cells do not look like."""
    said = []
    specs = [spec for _, _, spec in _specs(mapping)] + list(mapping.values.values())
    for spec in specs:
        if spec.from_ != f"{{{column.name}}}" or spec.as_ not in ("date", "iso"):
            continue
        fits = max((column.forms[form] for form in spec.formats), default=None)
        if spec.as_ == "iso":
            fits = column.matches["instant"] + column.forms["%Y-%m-%d"]
        if fits is not None and fits < column.filled:
            wanted = " or ".join(spec.formats) or "ISO 8601"
            seen = " or ".join(sorted(column.date_forms)) or "no date"
            odd = column.filled - fits
            said.append(f"{column.name}: {odd:,} cells are not {wanted}; they look like {seen}")
    return list(dict.fromkeys(said))
