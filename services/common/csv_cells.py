"""The one place where CSV is written: text that a spreadsheet would run is neutralised, and what
was neutralised can be read back as it was.

Source: OWASP, "CSV Injection". A cell that begins with `=`, `+`, `-`, `@`, tab, carriage return or
line feed (or a full-width form of the first four), blanks before it or not, gets an apostrophe in
front. So does one that has apostrophes before such a beginning already: that makes it reversible.

A lone number stays as it is, and so does a telephone number without dashes: `-5`, `-1,250.50`,
`+1 (555) 0100`. There is nothing in it to run or to compute, and other programs read these files,
too. `+1-555-0100` is neutralised: a spreadsheet would show -654 instead.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# Apostrophes and blanks, then what starts a formula.
_RUNS = re.compile(r"[' \u00a0]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# One sign, then digits with what groups them; an exponent. No operator, no letter.
_NUMBER = re.compile(r"'*[+-]?[0-9(][0-9 .,()]*(?:[eE][+-]?[0-9]{1,3})?%?")


def safe_cell(value: Any) -> Any:
    """The value as it may stand in a CSV file. Numbers that are numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and _must_be_sheltered(value) else value


def plain_cell(text: str) -> str:
    """What `safe_cell` was given, from what it answered."""
    return text[1:] if text.startswith("'") and _must_be_sheltered(text) else text


def csv_line(cells: Iterable[object]) -> str:
    """One line of a CSV file (RFC 4180), its end included."""
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()


def _must_be_sheltered(text: str) -> bool:
    """The same for a text with and without apostrophes in front of it."""
    return _RUNS.match(text) is not None and _NUMBER.fullmatch(text) is None
