"""Reads a CSV file as it comes: how it is written is found, rows are streamed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.common.csv_cells import plain_cell
from services.common.errors import FieldError, Problem
from services.ingest.imports.encodings import Encoding, find_encoding
from services.ingest.imports.lines import MAX_CELL_CHARS, Form, Record, records
from services.ingest.imports.mapping import ImportMapping, parts
from services.ingest.imports.rows import Note, Row, Severity, Table

MAX_COLUMNS = 500
MAX_LOOKUP_ROWS = 200_000
MAX_LOOKUP_CHARS = 30_000_000
DELIMITERS = (",", ";", "\t", "|")
QUOTES = ('"', "'")
# The columns that we put before those of a refused row; a corrected file still has them.
MARKERS = ("throughline_line", "throughline_column", "throughline_reason", "throughline_fix")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_TRIED = 200  # records that speak for or against a delimiter


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mapping says of a file. Without a mapping nothing is asked."""

    needed: frozenset[str] = frozenset()
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = '"'  # None: to be found out

    @classmethod
    def of(cls, mapping: ImportMapping) -> Asked:
        return cls(mapping.columns, mapping.encoding, mapping.delimiter, mapping.quote)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is to be read, and what its columns are called."""

    form: Form
    encoding: Encoding
    header: tuple[str, ...]
    markers: tuple[int, ...] = ()  # where our own columns stand: a file that we wrote


def bad_file(detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    return Problem(422, "invalid-file", detail, errors=errors)


def inspect(path: Path, asked: Asked, what: str = "file") -> Dialect:
    """Find out how to read the file. Raises Problem 415, or 422 naming the columns that miss."""
    encoding = find_encoding(path, asked.encoding)
    forms = [
        Form(encoding.name, delimiter, quote)
        for quote in ([asked.quote] if asked.quote else QUOTES)
        for delimiter in ([asked.delimiter] if asked.delimiter else DELIMITERS)
    ]
    starts = {form: list(islice(records(path, form), _TRIED)) for form in forms}
    form = max(forms, key=lambda form: _fitness(form, starts[form], asked.needed))
    if not starts[form]:
        raise bad_file(f"The {what} is empty: its first row must name the columns.")
    first = starts[form][0]
    _refuse_bad_header(first, what)
    names = tuple(cell.strip() for cell in first.cells)
    markers = tuple(names.index(name) for name in MARKERS if name in names)
    header = _without(names, markers)
    if markers:
        header = tuple(plain_cell(name) for name in header)
    if errors := _misfits(header, asked.needed, what):
        raise bad_file(f"The mapping does not fit the {what}.", errors)
    return Dialect(form, encoding, header, markers)


def _fitness(form: Form, start: Sequence[Record], needed: frozenset[str]) -> tuple[int, ...]:
    """How well a form fits: columns that are needed, rows as wide as the header, its width; and
    cells that stand in the other quotes speak against it.
    """
    if not start or start[0].problem:
        return (0, 0, 2, 0) if start else (0, 0, 0, 0)  # likelier than a file of one column
    header = [cell.strip() for cell in start[0].cells]
    width = len(header)
    alike = sum(len(record.cells) == width for record in start) if width > 1 else 0
    other = "'" if form.quote == '"' else '"'
    quoted = sum(
        len(cell) > 1 and cell[0] == other == cell[-1] for record in start for cell in record.cells
    )
    return (len(needed & set(header)), alike * 10 // len(start), width, -quoted)


def _refuse_bad_header(first: Record, what: str) -> None:
    if first.problem:
        place = f"Line {first.line} of the {what}, which must name the columns,"
        raise bad_file(f"{place} {first.problem}. Check its quotes.")
    if len(first.cells) > MAX_COLUMNS:
        raise bad_file(f"The {what} has {len(first.cells)} columns; {MAX_COLUMNS} are allowed.")
    if any(_CONTROL.search(cell) for cell in first.cells):
        raise bad_file(f"The {what}'s first row holds control characters: is it a CSV file?")


def _misfits(header: Sequence[str], needed: frozenset[str], what: str) -> list[FieldError]:
    there = ", ".join(column[:80] for column in header[:60])
    missing = [
        FieldError(name, f"the mapping names this column, not the {what}", f"It has: {there}.")
        for name in sorted(needed - set(header))
    ]
    return missing + [
        FieldError(name[:80], f"stands twice in the {what}'s first row", "Rename one of them.")
        for name in sorted(needed)
        if header.count(name) > 1
    ]


def _without(cells: Sequence[str], markers: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(cell for index, cell in enumerate(cells) if index not in markers)


def read_rows(path: Path, dialect: Dialect) -> Iterator[Row]:
    """Each row after the header. One that can't be read has a note, and those after it go on."""
    header, markers = dialect.header, dialect.markers
    for record in islice(records(path, dialect.form), 1, None):
        cells: Sequence[str] = record.cells
        if markers and not record.problem:
            cells = tuple(map(plain_cell, _without(cells, markers)))
        note = _unreadable(record) if record.problem else _unfit(record, cells, header)
        values = dict(zip(header, cells, strict=True)) if note is None else {}
        yield Row(record.number, record.line, values, cells, record.bytes_read, note)


def _unfit(record: Record, cells: Sequence[str], header: Sequence[str]) -> Note | None:
    """What is wrong with a row as a whole."""
    if len(cells) != len(header):
        reason = f"has {len(cells)} cells, the first row has {len(header)}"
        if len(cells) > len(header):
            return _note(record, "", reason, "Put quotes around text that holds the delimiter.")
        missing = header[len(cells)]
        return _note(record, missing, reason, f"Write a cell for each column, from {missing!r} on.")
    together = "".join(cells)
    if len(together) > MAX_CELL_CHARS:
        for name, cell in zip(header, cells, strict=True):
            if len(cell) > MAX_CELL_CHARS:
                reason = f"is over {MAX_CELL_CHARS:,} characters long"
                return _note(record, name, reason, "Shorten it; is a quote not closed?")
    if _CONTROL.search(together):
        name = next(n for n, cell in zip(header, cells, strict=True) if _CONTROL.search(cell))
        return _note(record, name, "holds a control character", "Take it out.")
    return None


def _unreadable(record: Record) -> Note:
    fix = "Check the quotes and delimiters of this row and of the one before."
    return _note(record, "", record.problem, fix)


def _note(record: Record, column: str, reason: str, fix: str) -> Note:
    rule, refused = "unreadable", Severity.REFUSED
    return Note(record.number, refused, "", column[:200], rule, reason, fix, line=record.line)


def read_table(path: Path, mapping: ImportMapping, name: str) -> Table:
    """The lookup table `name` of the mapping, from a file: the columns that the mapping uses.

    Raises Problem 415, 422.
    """
    key, wanted = mapping.files[name], mapping.lookup_columns(name)
    dialect = inspect(path, Asked(wanted), f"table {name!r}")
    table: dict[str, Mapping[str, str]] = {}
    chars = 0
    for row in read_rows(path, dialect):
        if row.note is not None:
            place = f"Line {row.line} of the table {name!r}"
            raise bad_file(f"{place} {row.note.column} {row.note.reason}. {row.note.fix}")
        clean = {column: row.cells[column].strip() for column in wanted}
        chars += sum(map(len, clean.values()))
        if len(table) > MAX_LOOKUP_ROWS or chars > MAX_LOOKUP_CHARS:
            most = f"{MAX_LOOKUP_ROWS:,} rows and {MAX_LOOKUP_CHARS:,} characters"
            raise bad_file(f"The table {name!r} is too big; {most} are allowed.")
        filled = (clean[piece] if is_reference else piece for is_reference, piece in parts(key))
        table["".join(filled)] = clean
    return table
