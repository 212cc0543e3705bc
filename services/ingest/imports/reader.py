"""Reads a CSV file as it comes: encoding and delimiter found, rows streamed, limits kept."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from services.common.errors import FieldError, Problem
from services.ingest.imports.mapping import ImportMapping, parts
from services.ingest.imports.rows import Note, Severity, Table

MAX_COLUMNS = 500
MAX_ROW_CHARS = 100_000
MAX_LOOKUP_ROWS = 200_000
_SAMPLE = 256 * 1024
_DELIMITERS = (",", ";", "\t")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is to be read."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]


def _bad_file(detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    return Problem(422, "invalid-file", detail, errors=errors)


def find_encoding(path: Path) -> str:
    """The encoding the whole file can be read in. Raises Problem 422 when there is none."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    for bom, name in _BOMS:
        if sample.startswith(bom):
            _check_decodes(path, name)
            return name
    failed_at = _first_undecodable(path, "utf-8")
    if failed_at is None:
        return "utf-8"
    with path.open("rb") as file:  # the odd character may stand far from the beginning
        file.seek(max(0, failed_at - _SAMPLE // 2))
        best = from_bytes(file.read(_SAMPLE)).best()
    encoding = best.encoding if best is not None else "cp1252"
    _check_decodes(path, encoding)
    return encoding


def _check_decodes(path: Path, encoding: str) -> None:
    if _first_undecodable(path, encoding) is not None:
        raise _bad_file("The file's encoding can't be told. Save it as UTF-8.")


def _first_undecodable(path: Path, encoding: str) -> int | None:
    """About where the file stops being in this encoding, or None when it never does."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return position + error.start
            position += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return position
    return None


def inspect(path: Path, needed: frozenset[str], what: str = "file") -> Dialect:
    """Find out how to read the file. Raises Problem 422 naming the columns that are missing."""
    encoding = find_encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        first = _first_line(file)
    headers = {d: tuple(c.strip() for c in _cells(first, d)) for d in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda d: (len(needed & set(headers[d])), len(headers[d])))
    header = headers[delimiter]
    if not any(header):
        raise _bad_file(f"The {what} is empty: its first row must name the columns.")
    if len(header) > MAX_COLUMNS:
        raise _bad_file(f"The {what} has {len(header)} columns; {MAX_COLUMNS} are allowed.")
    errors = [_missing(name, header, what) for name in sorted(needed - set(header))]
    errors += [
        FieldError(name[:80], f"stands twice in the {what}'s first row", "Rename one of them.")
        for name in sorted(needed)
        if header.count(name) > 1
    ]
    if errors:
        raise _bad_file(f"The mapping does not fit the {what}.", errors)
    return Dialect(encoding, delimiter, header)


def _missing(name: str, header: Sequence[str], what: str) -> FieldError:
    there = ", ".join(column[:80] for column in header[:60])
    return FieldError(
        name, f"the mapping names this column, the {what} has none", f"It has {there}"
    )


def _first_line(file: io.TextIOBase) -> str:
    """The header, which may hold line breaks inside quotes."""
    first = ""
    while line := file.readline(MAX_ROW_CHARS):
        first += line
        if len(first) >= MAX_ROW_CHARS:
            raise _bad_file(f"The first row is over {MAX_ROW_CHARS:,} characters long.")
        if not first.strip():
            first = ""
        elif first.count('"') % 2 == 0:
            return first
    return first


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next((row for row in csv.reader([line], delimiter=delimiter) if row), [])
    except csv.Error:
        return []


@dataclass(slots=True)
class Progress:
    """How far a reader has come."""

    bytes_read: int = 0


def read_rows(
    path: Path, dialect: Dialect, progress: Progress | None = None
) -> Iterator[tuple[int, Mapping[str, str] | Note]]:
    """Each row with its number, as a spreadsheet shows it; blank rows are left out.

    A row that can't be read comes as a note, and the rows after it go on.
    """
    with path.open("rb") as raw, io.TextIOWrapper(raw, dialect.encoding, newline="") as file:
        rows = csv.reader(file, delimiter=dialect.delimiter, strict=True)
        header_seen = False
        for number in itertools.count(1):
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, _unreadable(number, f"can't be read as CSV: {error}")
                continue
            if progress is not None:
                progress.bytes_read = raw.tell()
            if not any(cell.strip() for cell in cells):
                continue
            if header_seen:
                yield number, _named(number, cells, dialect.header)
            header_seen = True


def _named(number: int, cells: list[str], header: Sequence[str]) -> Mapping[str, str] | Note:
    if len(cells) != len(header):
        return _unreadable(number, f"has {len(cells)} cells, the first row has {len(header)}")
    if sum(map(len, cells)) > MAX_ROW_CHARS:
        return _unreadable(number, f"is over {MAX_ROW_CHARS:,} characters long")
    if any("\x00" in cell for cell in cells):
        return _unreadable(number, "holds a zero byte")
    return dict(zip(header, cells, strict=True))


def _unreadable(number: int, reason: str) -> Note:
    fix = "Check the quotes and delimiters of this row and of the one before."
    return Note(number, Severity.REFUSED, "", "", "unreadable", reason, fix)


def read_table(path: Path, mapping: ImportMapping, name: str) -> Table:
    """The lookup table `name` of the mapping, from a file. Raises Problem 422."""
    key = mapping.files[name]
    dialect = inspect(path, mapping.lookup_columns(name), f"table {name!r}")
    table: dict[str, Mapping[str, str]] = {}
    for number, cells in read_rows(path, dialect):
        if isinstance(cells, Note):
            raise _bad_file(f"Row {number} of the table {name!r} {cells.reason}.")
        if number > MAX_LOOKUP_ROWS:
            raise _bad_file(f"The table {name!r} has over {MAX_LOOKUP_ROWS:,} rows.")
        clean = {column: cell.strip() for column, cell in cells.items()}
        filled = (clean[piece] if is_reference else piece for is_reference, piece in parts(key))
        table["".join(filled)] = clean
    return table
