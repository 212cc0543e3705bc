"""Cells of every CSV file we write: text that a spreadsheet would run is neutralised."""

from __future__ import annotations

from typing import Any

_RUNS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would take for a formula.

    Source: OWASP, CSV Injection. Numbers that are numbers stay as they are.
    """
    if isinstance(value, str) and value.startswith(_RUNS):
        return f"'{value}"
    return value
