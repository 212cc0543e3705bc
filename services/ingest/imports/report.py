"""The report of an import as CSV: what was refused or left empty, where, why, and the fix."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping

from services.common.csv_cells import safe_cell

COLUMNS = {
    "row": "row_number",
    "severity": "severity",
    "event": "event_type",
    "column": "column_name",
    "value": "value",
    "rule": "rule",
    "reason": "reason",
    "fix": "fix",
}


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()


async def report_lines(notes: AsyncIterator[Mapping[str, object]]) -> AsyncIterator[str]:
    """The header, then a line for each note."""
    yield _line(COLUMNS)
    async for note in notes:
        yield _line(note[name] for name in COLUMNS.values())
