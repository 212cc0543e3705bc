"""Rows to events, by a mapping: pure, no I/O. What is dirty is repaired, emptied or refused."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from schemas.edge import EdgeEvent, StoryEvent
from schemas.models import MODELS
from services.common.errors import Problem
from services.ingest.imports.mapping import (
    CALLER,
    ROW,
    EventMapping,
    FieldSpec,
    ImportMapping,
    Spec,
    parts,
    references,
)
from services.ingest.imports.rows import Note, Row, RowResult, Severity, Table
from services.ingest.imports.values import TRANSFORMS, BadValue, Options, zone_of

MAX_ONCE = 1_000_000  # different events of `once` in a file: what was given is remembered


def _digest(*parts: str) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).digest()


@cache
def _optional(model: type[EdgeEvent]) -> frozenset[str]:
    """Fields that may be left empty; an import must name person and event."""
    fields = model.model_fields.items()
    own = {name for name, field in fields if not field.is_required()}
    return frozenset(own - {"source_record_id", "source_event_id"})


class RefusedValue(Exception):
    """A bad value, with the column it stands in."""

    def __init__(self, columns: Sequence[str], value: str, bad: BadValue) -> None:
        super().__init__(bad.reason)
        self.column = ", ".join(columns)
        self.value = value
        self.bad = bad


class _Row:
    """The values of one row, each cleaned once."""

    def __init__(self, mapper: RowMapper, cells: Mapping[str, str]) -> None:
        self._mapper = mapper
        self._cells = cells
        self._known: dict[str, str | None] = {}
        self.repairs: Counter[str] = Counter()

    def get(self, reference: str) -> str | None:
        """A column, a value of the mapping or a lookup's column. None when it is empty."""
        if reference not in self._known:
            self._known[reference] = self._find(reference)
        return self._known[reference]

    def _find(self, reference: str) -> str | None:
        mapping = self._mapper.mapping
        if reference == CALLER:
            return self._mapper.caller
        if reference == ROW:
            return self._mark()
        if reference in mapping.values:
            return self.make(mapping.values[reference])
        if name := mapping.lookup_of(reference):
            return self._look_up(name, reference.partition(".")[2])
        return self._clean(self._cells[reference])

    def _mark(self) -> str:
        """What tells this row from others: a hash of the columns that the mapping uses."""
        used = [
            f"{name}\x1e{self.get(name) or ''}" for name in sorted(self._mapper.mapping.columns)
        ]
        return _digest(*used).hex()

    def _clean(self, raw: str) -> str | None:
        clean = " ".join(raw.split())
        if clean in self._mapper.empty:
            return None
        if clean != raw:
            self.repairs["whitespace"] += 1
        return clean

    def _look_up(self, name: str, column: str) -> str | None:
        by = self._mapper.mapping.lookups[name].by
        key = self.fill(by)
        if key is None:
            return None
        found = self._mapper.tables[name].get(key)
        if found is None:
            bad = BadValue(
                "lookup", f"is not in the table {name!r}", "Add it there, or correct it."
            )
            raise RefusedValue(self._mapper.columns_of(by), key, bad)
        return self._clean(found[column])

    def fill(self, template: str) -> str | None:
        """The template with its references filled in. None when one of them is empty."""
        pieces = parts(template)
        if len(pieces) == 1:
            is_reference, piece = pieces[0]
            return self.get(piece) if is_reference else piece
        filled = []
        for is_reference, piece in pieces:
            value = self.get(piece) if is_reference else piece
            if value is None:
                return None
            filled.append(value)
        return "".join(filled) or None

    def make(self, spec: Spec) -> str | None:
        """Raises RefusedValue."""
        value = self.fill(spec.from_)
        if value is None and spec.default is not None:
            value = self.fill(spec.default)
        if value is None:
            return None
        try:
            return self._settle(spec, value)
        except BadValue as bad:
            raise RefusedValue(self._mapper.columns_of(spec.from_), value, bad) from None

    def _settle(self, spec: Spec, value: str) -> str | None:
        if spec.map is not None:
            if value not in spec.map:
                if spec.otherwise is None:
                    known = f"It knows {', '.join(spec.map)}."
                    raise BadValue("unknown_value", "is not a value the mapping knows", known)
                self.repairs["unknown_value"] += 1
            value = spec.map.get(value, spec.otherwise or "")
        if spec.as_ is None:
            return value
        start = self.fill(spec.start) if spec.start is not None else None
        options = Options(self._mapper.zone, spec.formats, start, spec.divide_by, spec.decimal)
        settled = TRANSFORMS[spec.as_](value, options)
        if settled.repair is not None:
            self.repairs[settled.repair] += 1
        return settled.text or None


class RowMapper:
    """A mapping made ready: its tables loaded, what was given once remembered."""

    def __init__(self, mapping: ImportMapping, tables: Mapping[str, Table], caller: str) -> None:
        self.mapping = mapping
        self.caller = caller
        self.empty = frozenset(mapping.empty) | {""}
        self.zone = zone_of(mapping.timezone)
        inline = {n: lookup.rows for n, lookup in mapping.lookups.items() if lookup.rows}
        self.tables: Mapping[str, Table] = {**inline, **tables}
        self._given: set[bytes] = set()

    def columns_of(self, template: str) -> list[str]:
        """The file's own columns that a template rests on."""
        columns: list[str] = []
        for name in references(template):
            if lookup := self.mapping.lookup_of(name):
                columns += self.columns_of(self.mapping.lookups[lookup].by)
            elif name in self.mapping.values:
                columns += self.columns_of(self.mapping.values[name].from_)
            elif name not in (CALLER, ROW):
                columns.append(name)
        return list(dict.fromkeys(columns))

    def map(self, row: Row) -> RowResult:
        """The events of one row. A row with a refused event gives none at all."""
        result = RowResult(row.number, line=row.line, raw=row.raw)
        if row.note is not None:
            result.notes.append(row.note)
            return result
        values = _Row(self, row.cells)
        fresh: list[bytes] = []
        for event in self.mapping.events:
            built = _Builder(self, values, event, result).build()
            if built is None:
                continue
            key = _digest(event.type, str(built.source_event_id)) if event.once else b""
            if key in self._given:
                result.repeated += 1
                continue
            result.events.append(built)
            if event.once:
                fresh.append(key)
        result.repairs = values.repairs
        if result.refused:
            result.events.clear()
        else:
            self._given.update(fresh)
        if len(self._given) > MAX_ONCE:
            detail = f"Over {MAX_ONCE:,} different events of 'once'. Send the file in parts."
            raise Problem(422, "invalid-file", f"Line {row.line}: {detail}")
        return result


class _Builder:
    """Builds one event of one row, and notes what is wrong with it."""

    def __init__(
        self, mapper: RowMapper, row: _Row, event: EventMapping, result: RowResult
    ) -> None:
        self._mapper = mapper
        self._row = row
        self._event = event
        self._result = result
        self._model: type[EdgeEvent] = MODELS[event.type]
        self._refused = False

    def build(self) -> EdgeEvent | None:
        """The event, or None when it does not apply or is refused."""
        if not self._applies():
            return None
        raw: dict[str, Any] = {"type": self._event.type}
        for name, spec in self._event.fields.items():
            value = self._value(name, spec)
            if value is not None:
                raw[name] = value
        return None if self._refused else self._checked(raw)

    def _applies(self) -> bool:
        try:
            return all(c.holds(self._row.get(c.column)) for c in self._event.when)
        except RefusedValue as error:
            self._note(Severity.REFUSED, error.column, error.bad, error.value)
            return False

    def _value(self, name: str, spec: FieldSpec) -> Any:
        if isinstance(spec, list):
            items = [self._one(item, optional=True) for item in spec]
            return list(dict.fromkeys(item for item in items if item is not None))
        optional = name in _optional(self._model)
        value = self._one(spec, optional=optional)
        if value is None and not optional and not self._refused:
            columns = ", ".join(self._mapper.columns_of(spec.from_)) or name
            bad = BadValue("empty", "is empty and must not be", f"Fill it in: {name} needs it.")
            self._note(Severity.REFUSED, columns, bad)
        return value

    def _one(self, spec: Spec, *, optional: bool) -> str | None:
        try:
            return self._row.make(spec)
        except RefusedValue as error:
            severity = Severity.WARNING if optional else Severity.REFUSED
            self._note(severity, error.column, error.bad, error.value)
            return None

    def _checked(self, raw: dict[str, Any]) -> EdgeEvent | None:
        """Hold the event against its model; an optional field that does not fit is left empty."""
        for _attempt in range(2):
            try:
                return self._model.model_validate(raw)
            except ValidationError as error:
                for item in error.errors(include_input=False, include_url=False):
                    self._misfit(raw, str(item["loc"][0]) if item["loc"] else "", item["msg"])
                if self._refused:
                    return None
        return None

    def _misfit(self, raw: dict[str, Any], name: str, message: str) -> None:
        spec = self._event.fields.get(name)
        columns: list[str] = []
        for part in spec if isinstance(spec, list) else [spec]:
            columns += self._mapper.columns_of(part.from_) if part is not None else []
        optional = name in _optional(self._model)
        bad = BadValue("misfit", f"does not fit {name}: {message}", "Correct it in the file.")
        severity = Severity.WARNING if optional else Severity.REFUSED
        self._note(severity, ", ".join(columns) or name, bad, str(raw.pop(name, "")))

    def _note(self, severity: Severity, column: str, bad: BadValue, value: str = "") -> None:
        self._refused = self._refused or severity is Severity.REFUSED
        about_person = issubclass(self._model, StoryEvent)
        shown = "" if about_person else value[:200]
        row, kind, line = self._result.row, self._event.type, self._result.line
        self._result.notes.append(
            Note(row, severity, kind, column, bad.rule, bad.reason, bad.fix, shown, line)
        )
