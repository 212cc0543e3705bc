"""Reads a CSV file as it comes: encoding and delimiter found, rows streamed, limits kept."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
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
_SAMPLE = 64 * 1024
_ENOUGH_ODD_BYTES = 100
_PLAUSIBLE = ["cp1252", "mac_roman", "cp1250", "cp1251", "shift_jis", "gb18030", "euc_kr", "big5"]
_DELIMITERS = (",", ";", "\t")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
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


def find_encoding(path: Path, named: str | None = None) -> str:
    """The encoding the whole file can be read in. Raises Problem 422 when there is none.

    A file that is not UTF-8 and has but a few odd characters is taken for Windows-1252, the
    commonest by far: the fewer there are, the less a guess is worth.
    """
    with path.open("rb") as file:
        start = file.read(4)
    marked = next((name for bom, name in _BOMS if start.startswith(bom)), None)
    encoding = named or marked or "utf-8"
    if named is None and marked is None and not _decodes(path, encoding):
        encoding = _guess(_odd_lines(path))
    if not _decodes(path, encoding):
        raise _bad_file("The file's encoding can't be told. Save it as UTF-8.")
    return encoding


def _odd_lines(path: Path) -> bytes:
    """Lines that are not plain ASCII, as many as a guess needs."""
    found = b""
    with path.open("rb") as file:
        while len(found) < _SAMPLE and (line := file.readline(_SAMPLE)):
            found += line if not line.isascii() else b""
    return found


def _guess(odd: bytes) -> str:
    if sum(byte > 127 for byte in odd) < _ENOUGH_ODD_BYTES:
        return "cp1252"
    best = from_bytes(odd, cp_isolation=_PLAUSIBLE).best()
    return best.encoding if best is not None else "cp1252"


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def inspect(
    path: Path, needed: frozenset[str], what: str = "file", encoding: str | None = None
) -> Dialect:
    """Find out how to read the file. Raises Problem 422 naming the columns that are missing."""
    encoding = find_encoding(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        first = _first_line(file)
    headers = {d: tuple(c.strip() for c in _cells(first, d)) for d in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda d: (len(needed & set(headers[d])), len(headers[d])))
    header = headers[delimiter]
    if not any(header):
        raise _bad_file(f"The {what} is empty: its first row must name the columns.")
    if len(header) > MAX_COLUMNS:
        raise _bad_file(f"The {what} has {len(header)} columns; {MAX_COLUMNS} are allowed.")
    if _CONTROL.search(first.replace("\t", "")):
        raise _bad_file(f"The {what}'s first row holds control characters: is it a CSV file?")
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
    return FieldError(name, f"the mapping names this column, not the {what}", f"It has: {there}.")


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
    if any(_CONTROL.search(cell) for cell in cells):
        return _unreadable(number, "holds a control character")
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
