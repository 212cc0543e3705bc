"""What is wrong with a file, as CSV: a report by line, and the refused rows to correct and send
again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

import orjson

from services.common.csv_cells import csv_line
from services.common.vault import Vault
from services.ingest.imports.reader import MARKERS
from services.ingest.imports.report_store import Refused
from services.ingest.imports.rows import Note, RowResult, Severity

COLUMNS = {
    "row": "row_number",
    "line": "line_number",
    "severity": "severity",
    "event": "event_type",
    "column": "column_name",
    "value": "value",
    "rule": "rule",
    "reason": "reason",
    "fix": "fix",
}
# Excel takes UTF-8 for something else without it, and would spoil every name with an accent.
_MARK = "\ufeff"


async def report_lines(notes: AsyncIterator[Mapping[str, object]]) -> AsyncIterator[str]:
    """The header, then a line for each note."""
    yield csv_line(COLUMNS)
    async for note in notes:
        yield csv_line(note[name] for name in COLUMNS.values())


def seal_refused(vault: Vault, import_id: UUID, row: RowResult, notes: Sequence[Note]) -> Refused:
    """The row with what is wrong with it."""
    said = [note for note in notes if note.severity is Severity.REFUSED]
    texts = [
        "; ".join(dict.fromkeys(text for text in texts if text))
        for texts in (
            [note.column for note in said],
            [f"{note.column} {note.reason}".strip() for note in said],
            [note.fix for note in said],
        )
    ]
    plain = orjson.dumps([row.line, *texts, list(row.raw)])
    return Refused(row.row, vault.seal_secret(_name(import_id, row.row), plain))


async def refused_lines(
    vault: Vault, import_id: UUID, columns: Sequence[str], rows: AsyncIterator[Refused]
) -> AsyncIterator[str]:
    """The file's own columns after ours, then each refused row as it stood in the file.

    The reader leaves our columns out and takes off what `csv_line` put on, so a corrected file
    can be sent as it is, with the same mapping.
    """
    yield _MARK + csv_line([*MARKERS, *columns])
    async for row in rows:
        *ours, cells = orjson.loads(vault.open_secret(_name(import_id, row.row_number), row.sealed))
        yield csv_line([*ours, *cells])


def _name(import_id: UUID, row_number: int) -> str:
    return f"import/{import_id}/{row_number}"
