"""CSV records as they stand in a file, one in memory at a time, however long their lines are."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_ROW_CHARS = 100_000
MAX_CELL_CHARS = 32_767  # what a spreadsheet holds
_SHOWN_CHARS = 1_000  # of a row that can't be taken apart


@dataclass(frozen=True, slots=True)
class Form:
    """How the file is written."""

    encoding: str
    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `number` counts as a spreadsheet does, `line` as a text editor does; both
    from 1. `problem` says why it can't be taken apart; then its text is the only cell.
    """

    number: int
    line: int
    cells: list[str]
    bytes_read: int  # of the file, up to some way beyond this record
    problem: str = ""


class _TooLong(Exception):
    pass


class _Lines:
    """The file's lines, and what the record that is being read has taken of them."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._file = file
        self._left = MAX_ROW_CHARS
        self.count = 0
        self.taken: list[str] = []

    def begin(self) -> int:
        """A new record begins. Answers the number of its first line."""
        self._left = MAX_ROW_CHARS
        self.taken.clear()
        return self.count + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.count += 1
        self._left -= len(line)
        self.taken.append(line)
        if self._left < 0:
            while line and not line.endswith(("\n", "\r")):
                line = self._file.readline(1 << 16)
            raise _TooLong
        return line


def records(path: Path, form: Form) -> Iterator[Record]:
    """Every record of the file, blank ones left out but counted."""
    with path.open("rb") as raw, io.TextIOWrapper(raw, form.encoding, newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote, strict=True)
        for number in itertools.count(1):
            first = lines.begin()
            problem = ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = f"can't be read as CSV: {error}"
            except _TooLong:
                last = f" to {lines.count}" if lines.count > first else ""
                problem = f"is over {MAX_ROW_CHARS:,} characters long (lines {first}{last})"
            if problem:
                cells = ["".join(lines.taken).rstrip("\r\n")[:_SHOWN_CHARS]]
            if problem or any(map(str.strip, cells)):
                yield Record(number, first, cells, raw.tell(), problem)
