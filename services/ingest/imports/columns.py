"""What the columns of a file seem to hold: types, dates and their order, empty cells, examples.

A guess is only shown. What can be read in two ways (03/04/2024, 1,234) is said to be so, and the
mapping must settle it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from services.ingest.imports.reader import Dialect, read_rows
from services.ingest.imports.values import swapped

MAX_ROWS = 20_000
_MAX_CELLS = 1_000_000
_MAX_DISTINCT = 10_000
_EXAMPLES = 3
_EXAMPLE_CHARS = 60
_MOSTLY = 0.95  # of the cells must fit a type; the others are told
# What people write for "not known".
EMPTY_WORDS = frozenset({"", "?", "-", "n/a", "na", "null", "none", "nan", "#n/a", "unknown"})
_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y",
    "%B %d, %Y", "%b %d, %Y",
)  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_LIKE_A_DAY = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|\d{1,2}[ -][A-Za-z]{3}|[A-Za-z]{3,9} \d")
_GROUPS_ONLY = re.compile(r"[+-]?\d{1,3}([.,]\d{3})")  # 1,234: a thousand, or one and a bit
_PATTERNS = {
    "integer": re.compile(r"[+-]?\d+"),
    "decimal_point": re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?"),
    "decimal_comma": re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?(,\d+)?"),
    "boolean": re.compile(r"true|false|yes|no|y|n|t|f|0|1", re.I),
    "code": re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}"),
}
_LEADING_ZERO = re.compile(r"0\d+")


@dataclass(slots=True)
class Column:
    """One column, as far as it was read."""

    name: str
    cells: int = 0
    filled: int = 0
    matches: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)  # of dates
    groups_only: int = 0
    leading_zeros: int = 0
    examples: list[str] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)
    empty_words: set[str] = field(default_factory=set)
    _forms: list[str] = field(default_factory=lambda: [d + c for d in _DAYS for c in _CLOCKS])

    def add(self, raw: str, empty: frozenset[str]) -> None:
        text = " ".join(raw.split())
        self.cells += 1
        if text in empty or text.lower() in EMPTY_WORDS:
            self.empty_words.add(text)
            return
        self.filled += 1
        if len(self.values) < _MAX_DISTINCT or text in self.values:
            self.values[text] += 1
        if len(self.examples) < _EXAMPLES and (shown := text[:_EXAMPLE_CHARS]) not in self.examples:
            self.examples.append(shown)
        self.matches.update(n for n, pattern in _PATTERNS.items() if pattern.fullmatch(text))
        self.groups_only += _GROUPS_ONLY.fullmatch(text) is not None
        self.leading_zeros += _LEADING_ZERO.fullmatch(text) is not None
        if _LIKE_A_DAY.match(text):
            self._add_day(text)

    def _add_day(self, text: str) -> None:
        if len(text) > 10 and _reads(datetime.fromisoformat, text):
            self.matches["instant"] += 1
        for form in self._forms:
            if _reads(lambda said, form=form: datetime.strptime(said, form), text):  # type: ignore[misc]  # noqa: DTZ007
                self.forms[form] += 1
        if self.filled == 20:  # what has fitted nothing so far is not asked again
            self._forms = [form for form in self._forms if self.forms[form]] or self._forms

    @property
    def date_forms(self) -> list[str]:
        """The forms that fit best; two when day and month can't be told apart."""
        best = max(self.forms.values(), default=0)
        fits = [form for form, count in self.forms.items() if count == best]
        return fits if best >= _MOSTLY * max(self.filled, 1) else []

    @property
    def guess(self) -> tuple[str, int]:
        """The type, and how many filled cells fit it."""
        counts = self.matches
        if self.date_forms:
            return "date", max(self.forms.values())
        order = ("instant", "boolean", "integer", "decimal_point", "decimal_comma", "code")
        for name in order:
            if self.filled and counts[name] >= _MOSTLY * self.filled:
                if name == "integer" and self.leading_zeros:
                    continue  # 07016 is no number
                if name.startswith("decimal") and self.leading_zeros:
                    continue
                if name == "boolean" and len(self.values) > 2:
                    continue
                return name, counts[name]
        return ("text", self.filled) if self.filled else ("empty", 0)

    @property
    def ambiguous(self) -> str | None:
        """What can be read in two ways, and how to settle it."""
        day_first = [f for f in self.date_forms if swapped(f) in self.date_forms]
        if day_first:
            forms = " or ".join(sorted(day_first))
            return f"every date fits {forms}: give the one that is meant in 'formats'"
        kind, fits = self.guess
        if kind.startswith("decimal") and self.groups_only == fits:
            return "1,234 may be 1234 or 1.234: say 'decimal: \".\"' or 'decimal: \",\"'"
        return None

    def as_dict(self, *, examples: bool) -> dict[str, Any]:
        """JSON. Without examples it says nothing about a person."""
        kind, fits = self.guess
        shown: dict[str, Any] = {
            "name": self.name,
            "type": kind,
            "fits": round(fits / self.filled, 4) if self.filled else 1.0,
            "empty": round(1 - self.filled / self.cells, 4) if self.cells else 1.0,
            "distinct": len(self.values),
        }
        if len(self.values) >= _MAX_DISTINCT:
            shown["distinct_at_least"] = True
        if self.date_forms:
            shown["formats"] = sorted(self.date_forms)
        if self.ambiguous:
            shown["ambiguous"] = self.ambiguous
        if words := sorted(self.empty_words - {""}):
            shown["stands_for_empty"] = words
        return shown | ({"examples": self.examples} if examples else {})


@dataclass(frozen=True, slots=True)
class Profile:
    """The columns, and how much of the file speaks for them."""

    columns: list[Column]
    rows_read: int
    whole_file: bool
    unreadable: int  # rows


def profile(path: Path, dialect: Dialect, empty: Iterable[str] = ()) -> Profile:
    """Read the first rows of a file: at most 20,000, and a million cells."""
    known_empty = frozenset(empty)
    columns = [Column(name) for name in dialect.header]
    most = min(MAX_ROWS, _MAX_CELLS // max(len(columns), 1))
    read = unreadable = 0
    for row in read_rows(path, dialect):
        if read == most:
            return Profile(columns, read, False, unreadable)
        read += 1
        unreadable += row.note is not None
        if row.note is None:
            _add(columns, row.raw, known_empty)
    return Profile(columns, read, True, unreadable)


def _add(columns: Sequence[Column], cells: Sequence[str], empty: frozenset[str]) -> None:
    for column, cell in zip(columns, cells, strict=True):
        column.add(cell, empty)


def _reads(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
