"""Counts of one import: what became of each row and each event, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.ingest.imports.rows import Note, RowResult, Severity

_REFUSALS = frozenset({"invalid", "conflict", "forbidden"})


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one event. In a dry run its status is `valid`."""

    status: str  # accepted, duplicate, conflict, invalid, forbidden; valid
    column: str = ""
    reason: str = ""
    fix: str = ""


@dataclass(slots=True)
class Tally:
    """Everything is a count by name, so that two tallies add up."""

    rows: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)  # by event type
    refused: Counter[str] = field(default_factory=Counter)  # rules, of refusals
    warnings: Counter[str] = field(default_factory=Counter)  # rules, of fields left empty
    repaired: Counter[str] = field(default_factory=Counter)  # repairs
    people: Counter[str] = field(default_factory=Counter)  # of a dry run: known, new

    def add(self, row: RowResult, written: Sequence[Written]) -> list[Note]:
        """Count one row. Answers what to say about it in the report."""
        notes = list(row.notes)
        for event, result in zip(row.events, written, strict=True):
            self.events[result.status if result.status not in _REFUSALS else "refused"] += 1
            if result.status in ("accepted", "valid"):
                self.accepted[event.event_type] += 1
            elif result.status in _REFUSALS:
                notes.append(_refusal(row, event.event_type, result))
        self.events["repeated"] += row.repeated
        self.events["refused"] += len(
            {note.event_type for note in row.notes if note.severity is Severity.REFUSED}
        )
        self.rows["read"] += 1
        self.rows[_outcome(row, written, notes)] += 1
        self.repaired.update(row.repairs)
        for note in notes:
            by_rule = self.refused if note.severity is Severity.REFUSED else self.warnings
            by_rule[note.rule] += 1
        return notes

    def as_dict(self) -> dict[str, dict[str, int]]:
        return {name: dict(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def of(cls, counts: dict[str, dict[str, int]]) -> Tally:
        return cls(**{name: Counter(counts.get(name, {})) for name in cls.__slots__})


def _refusal(row: RowResult, event_type: str, result: Written) -> Note:
    return Note(
        row.row,
        Severity.REFUSED,
        event_type,
        result.column,
        result.status,
        result.reason,
        result.fix,
        line=row.line,
    )


def _outcome(row: RowResult, written: Sequence[Written], notes: Iterable[Note]) -> str:
    """One word for a row: refused when any of its events was."""
    if any(note.severity is Severity.REFUSED for note in notes):
        return "refused"
    if any(result.status in ("accepted", "valid") for result in written):
        return "accepted"
    return "duplicate" if written or row.repeated else "empty"
