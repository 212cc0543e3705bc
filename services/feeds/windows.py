"""Windows of exit: program years, and when what is measured in them can be known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """Exits from 1 July of `year` until 30 June of the next: program year `year`.

    Source: RSA-TAC-17-01, program year; 20 CFR 677.150.
    """

    year: int

    @property
    def window_id(self) -> str:
        return f"PY{self.year}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, 7, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after the window."""
        return datetime(self.year + 1, 7, 1, tzinfo=UTC)

    def complete_at(self, lag: timedelta) -> datetime:
        """When the second quarter after the window's last exit is over, and reported.

        The last exits are in April to June of the next year, so their second quarter after exit
        is October to December of that year.
        """
        return datetime(self.year + 2, 1, 1, tzinfo=UTC) + lag


def parse(window_id: str) -> Window:
    """Raises ValueError when the text is not like PY2024."""
    digits = window_id.removeprefix("PY")
    if not (window_id.startswith("PY") and len(digits) == 4 and digits.isdigit()):
        raise ValueError(f"{window_id[:20]!r} is not a program year such as PY2024")
    return Window(int(digits))
