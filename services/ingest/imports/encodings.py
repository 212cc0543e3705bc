"""Which encoding a file is in, and how sure that is; and files that are no text at all."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charset_normalizer import from_bytes

from services.common.errors import Problem

_SAMPLE = 64 * 1024
_ENOUGH_ODD_BYTES = 100
_PLAUSIBLE = ["cp1252", "mac_roman", "cp1250", "cp1251", "shift_jis", "gb18030", "euc_kr", "big5"]
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How files begin that people send in place of a CSV file.
_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
)
_CSV_PLEASE = "Open it and save it as CSV (in Excel: Save As, CSV UTF-8), then send that."


@dataclass(frozen=True, slots=True)
class Encoding:
    """`sure`: `certain` follows from the bytes, `likely` from many, `guess` from few."""

    name: str
    sure: Literal["certain", "likely", "guess"]
    why: str


def find_encoding(path: Path, named: str | None = None) -> Encoding:
    """The encoding the whole file can be read in. A mark at the start counts more than a name.

    Raises Problem 415 when it is another kind of file, 422 when it can't be read as text.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    refuse_other_formats(start)
    for found in _candidates(path, start, named):
        if _decodes(path, found.name):
            return found
    told = f" The mapping says {named}; leave that out or correct it." if named else ""
    detail = f"The file's encoding can't be told. Save it as UTF-8.{told}"
    raise Problem(422, "invalid-file", detail)


def refuse_other_formats(start: bytes) -> None:
    """Raises Problem 415 with the way out."""
    for beginning, what in _FORMATS:
        if start.startswith(beginning):
            detail = f"This is {what}, not a CSV file. {_CSV_PLEASE}"
            raise Problem(415, "not-csv", detail)


def _candidates(path: Path, start: bytes, named: str | None) -> list[Encoding]:
    """What to try, best first. The last one is worked out from the odd bytes of the whole file."""
    for bom, name in _BOMS:
        if start.startswith(bom):
            return [Encoding(name, "certain", "the mark at its start says so")]
    if named is not None:
        return [Encoding(named, "certain", "the mapping names it")]
    if wide := _without_mark(start):
        return [Encoding(wide, "likely", "every other byte at its start is zero")]
    utf8 = Encoding("utf-8", "certain", "all its bytes are UTF-8")
    return [utf8] if _decodes(path, "utf-8") else [_guess(_odd_lines(path))]


def _without_mark(start: bytes) -> str | None:
    """UTF-16 without a mark: in Western text one byte of each two is zero."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    pairs = len(start) // 2
    if pairs and max(even, odd) > 0.6 * pairs and min(even, odd) < 0.1 * pairs:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _odd_lines(path: Path) -> bytes:
    """Lines that are not plain ASCII, as many as a guess needs."""
    found = b""
    with path.open("rb") as file:
        while len(found) < _SAMPLE and (line := file.readline(_SAMPLE)):
            found += line if not line.isascii() else b""
    return found


def _guess(odd: bytes) -> Encoding:
    """Few odd characters are taken for Windows-1252, the commonest by far: the fewer there are,
    the less a guess is worth.
    """
    count = sum(byte > 127 for byte in odd)
    if count < _ENOUGH_ODD_BYTES:
        why = f"it is not UTF-8, and has only {count} bytes to judge by"
        return Encoding("cp1252", "guess", why)
    best = from_bytes(odd, cp_isolation=_PLAUSIBLE).best()
    name = best.encoding if best is not None else "cp1252"
    return Encoding(name, "likely", f"the words of {count} bytes beyond ASCII look like it")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True
