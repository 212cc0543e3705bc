"""An import made ready to read: its mapping, its file, and batches that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from services.ingest.imports.columns import profile
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.parsing import parse_mapping
from services.ingest.imports.reader import Asked, Dialect, inspect, read_rows, read_table
from services.ingest.imports.row_mapper import RowMapper
from services.ingest.imports.rows import Row, RowResult
from services.ingest.imports.store import NewImport

BATCH_EVENTS = 2_000
BATCH_CHARS = 4_000_000


def file_of(folder: Path, import_id: UUID) -> Path:
    return folder / str(import_id) / "file.csv"


def lookup_file_of(folder: Path, import_id: UUID, name: str) -> Path:
    return folder / str(import_id) / f"lookup-{name}.csv"


@dataclass(slots=True)
class Opened:
    """An import ready to read."""

    mapper: RowMapper
    rows: Iterator[Row]
    batch_rows: int
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are taken together, and how far into the file they reach."""

    rows: list[RowResult]
    bytes_read: int


def open_import(folder: Path, job: NewImport, row_done: int = 0) -> Opened:
    """Raises Problem 415 or 422 when the mapping and the files don't fit, FileNotFoundError."""
    mapping = parse_mapping(job.mapping.encode())
    path = file_of(folder, job.import_id)
    dialect = inspect(path, Asked.of(mapping))
    tables = {
        name: read_table(lookup_file_of(folder, job.import_id, name), mapping, name)
        for name in mapping.files
    }
    mapper = RowMapper(mapping, tables, job.principal.subject)
    batch_rows = max(1, BATCH_EVENTS // len(mapping.events))
    opened = Opened(mapper, read_rows(path, dialect), batch_rows, dialect)
    _skip(opened, mapping, row_done)
    return opened


def looked_at(folder: Path, job: NewImport) -> NewImport:
    """The import with what its file says of itself. Raises as `open_import` does."""
    opened = open_import(folder, job)
    dialect = opened.dialect
    guessed: tuple[dict[str, object], ...] = ()
    if job.dry_run:
        found = profile(file_of(folder, job.import_id), dialect, opened.mapper.mapping.empty)
        guessed = tuple(column.as_dict(examples=False) for column in found.columns)
    name = dialect.encoding.name
    return replace(job, encoding=name, columns=dialect.header, guessed=guessed)


def _skip(opened: Opened, mapping: ImportMapping, row_done: int) -> None:
    """Pass over what was written before a crash, remembering what was given once."""
    if row_done == 0:
        return
    remember = any(event.once for event in mapping.events)
    for row in opened.rows:
        if remember:
            opened.mapper.map(row)
        if row.number >= row_done:
            return


def next_batch(opened: Opened) -> Batch:
    """The next rows; none at the end of the file."""
    rows: list[RowResult] = []
    chars = bytes_read = 0
    for row in opened.rows:
        rows.append(opened.mapper.map(row))
        bytes_read = row.bytes_read
        chars += sum(map(len, row.raw))
        if len(rows) >= opened.batch_rows or chars > BATCH_CHARS:
            break
    return Batch(rows, bytes_read)
