"""What Python's own csv module writes and reads, the importer reads the same; whatever else comes
is refused row by row, and never more than a row is held.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.csv_cells import csv_line
from services.common.errors import Problem
from services.ingest.imports.lines import MAX_CELL_CHARS, MAX_ROW_CHARS, Form, records
from services.ingest.imports.reader import MARKERS, Asked, inspect, read_rows

READABLE = st.characters(
    exclude_categories=["Cs", "Cc"], include_characters="\n\t", exclude_characters="\ufeff"
)
CELLS = st.text(READABLE | st.sampled_from(",;|\t\"'\n \u2028é€"), max_size=12)
NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=5, unique=True)
FORMS = st.tuples(
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(NAMES)
    row = st.lists(CELLS, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row, max_size=8))


def written(path: Path, rows: list[list[str]], form: tuple[str, str, str]) -> None:
    delimiter, end, encoding = form
    out = io.StringIO()
    # With \r as its end, the writer leaves a lone \n in a cell without quotes.
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    path.write_bytes(out.getvalue().encode(encoding))


@settings(max_examples=60, deadline=None)
@given(tables(), FORMS)
def test_what_the_csv_module_writes_is_read_as_it_was(
    table: tuple[list[str], list[list[str]]], form: tuple[str, str, str]
) -> None:
    names, rows = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        written(path, [names, *rows], form)
        mark = form[2] if form[2] == "utf-16-le" else None
        dialect = inspect(path, Asked(frozenset(names), mark, form[0]))
        found = [(row.cells, row.note) for row in read_rows(path, dialect)]

    # A row of nothing but blanks counts, and is left out.
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert found == [(dict(zip(names, row, strict=True)), None) for row in filled]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(",;\t|"))
def test_whatever_stands_in_a_file_each_row_is_read_or_refused(
    content: bytes, delimiter: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(f"a{delimiter}b\n".encode() + content)
        try:
            dialect = inspect(path, Asked())
        except Problem:
            return
        for row in read_rows(path, dialect):
            assert (row.note is None) == (set(row.cells) == set(dialect.header))
            assert row.line >= 2


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_file_of_refused_rows_is_read_as_the_rows_were(
    table: tuple[list[str], list[list[str]]],
) -> None:
    names, rows = table
    text = csv_line([*MARKERS, *names])
    for number, row in enumerate(rows, 2):
        text += csv_line([number, "a", "-a is bad", "=fix", *row])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text(f"\ufeff{text}", encoding="utf-8", newline="")
        dialect = inspect(path, Asked(frozenset(names), "cp1252"))
        found = [list(row.cells.values()) for row in read_rows(path, dialect)]

    assert dialect.header == tuple(names)
    assert found == rows


def test_a_corrected_file_may_have_its_columns_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"b,{MARKERS[2]},a\n'=x,why,-5\n")

    (row,) = read_rows(path, inspect(path, Asked(frozenset("ab"))))

    assert row.cells == {"b": "=x", "a": "-5"}


def test_an_apostrophe_of_the_file_s_own_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n'=x,'s Gravenhage\n")

    (row,) = read_rows(path, inspect(path, Asked()))

    assert row.cells == {"a": "'=x", "b": "'s Gravenhage"}


def test_lines_are_counted_as_an_editor_does_and_rows_as_a_spreadsheet_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b\r\n1,"x\r\ny"\n\n2,z\r3,w\n')

    places = [(r.number, r.line) for r in read_rows(path, inspect(path, Asked()))]

    assert places == [(2, 2), (4, 5), (5, 6)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('1,"' + "x\n" * MAX_ROW_CHARS, rf"over {MAX_ROW_CHARS:,} characters long \(lines 2 to"),
        ('"x\n",' * MAX_ROW_CHARS, rf"over {MAX_ROW_CHARS:,} characters long"),
        ("1" * 2_000_000 + "\n", rf"over {MAX_ROW_CHARS:,} characters long \(lines 2\)"),
        ("1," + "y" * (MAX_CELL_CHARS + 1) + "\n", f"over {MAX_CELL_CHARS:,} characters"),
        ("1\n", "has 1 cells, the first row has 2"),
        ("1,2\x00\n", "holds a control character"),
        ("1,2\x1b[2J\n", "holds a control character"),
        ('1,"2\n', "can't be read as CSV"),
    ],
)
def test_what_is_too_long_or_odd_is_refused_by_line(tmp_path: Path, body: str, says: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"a,b\n{body}", newline="")

    first = next(iter(read_rows(path, inspect(path, Asked()))))

    assert first.note is not None
    assert re.search(says, first.note.reason)
    assert first.note.line == 2
    assert first.note.fix


def test_of_a_row_without_end_no_more_than_is_allowed_is_held(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1," + "x" * 5_000_000 + "\n2,y\n")

    found = list(records(path, Form("utf-8")))

    assert [len("".join(record.cells)) <= 1_000 for record in found] == [True] * 3
    assert found[-1].cells == ["2", "y"]


def test_a_mark_at_the_start_counts_more_than_the_mapping_s_word(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("a,b\n1,Zoë\n".encode("utf-8-sig"))

    (row,) = read_rows(path, inspect(path, Asked(encoding="cp1252")))

    assert row.cells["b"] == "Zoë"


@pytest.mark.parametrize(
    ("content", "name", "sure"),
    [
        (b"a,b\n1,Ana\n", "utf-8", "certain"),
        ("a,b\n1,Zoë\n".encode("utf-8-sig"), "utf-8-sig", "certain"),
        ("a,b\n1,Zoë\n".encode("utf-16"), "utf-16", "certain"),
        ("a,b\n1,Zoë\n".encode("utf-16-be"), "utf-16-be", "likely"),
        ("a,b\n1,Zoë\n".encode("cp1252"), "cp1252", "guess"),
        (("a,b\n" + "1,Größe déjà vu à côté\n" * 60).encode("cp1252"), "cp1252", "likely"),
        (("a,b\n" + "1,Привет, как дела\n" * 60).encode("cp1251"), "cp1251", "likely"),
    ],
)
def test_an_encoding_comes_with_how_sure_it_is(
    tmp_path: Path, content: bytes, name: str, sure: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    encoding = inspect(path, Asked()).encoding

    assert (encoding.name, encoding.sure, bool(encoding.why)) == (name, sure, True)
