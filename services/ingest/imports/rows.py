"""A row of a file, what it gives, and what is said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.edge import EdgeEvent

Table = Mapping[str, Mapping[str, str]]


class Severity(StrEnum):
    REFUSED = "refused"  # the row gives no event
    WARNING = "warning"  # an optional field was left empty


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report. `value` is kept only where no person is described."""

    row: int
    severity: Severity
    event_type: str
    column: str
    rule: str
    reason: str
    fix: str
    value: str = ""
    line: int = 0  # as a text editor counts; `row` counts as a spreadsheet does


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file as it stands there. `note` says why it can't be read as a row."""

    number: int
    line: int
    cells: Mapping[str, str]  # by column; empty when there is a note
    raw: Sequence[str]
    bytes_read: int = 0
    note: Note | None = None


@dataclass(slots=True)
class RowResult:
    """What one row gives: events to write, or notes why not."""

    row: int
    events: list[EdgeEvent] = field(default_factory=list)
    repeated: int = 0  # events of `once` that an earlier row gave
    notes: list[Note] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)
    line: int = 0
    raw: Sequence[str] = ()

    @property
    def refused(self) -> bool:
        return any(note.severity is Severity.REFUSED for note in self.notes)
