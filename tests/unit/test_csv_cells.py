"""Every CSV file we write is safe to open in a spreadsheet, and can be read back as it was."""

from __future__ import annotations

import ast
import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.csv_cells import csv_line, plain_cell, safe_cell

ROOT = Path(__file__).parents[2]
STARTS = "=+-@\t\r\n＝＋－＠"
TRICKY = st.text(st.sampled_from("'=+-@\t\r\n＝ 09.,()eE%aA|!\""), max_size=12)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("before", ["", " ", "  "])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(start: str, before: str) -> None:
    text = f"{before}{start}cmd|' /C calc'!A0"

    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["-5", "+5", "-1,250.50", "-1.250,50", "-5%", "-1.5e-7", "+15550100", "+1 (555) 0100"]
)
def test_a_lone_number_and_a_telephone_number_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize("text", ["+1-555-0100", "-1+1", "-A1", "+1e5+1", "-5=6", "-", "+1 E5 2"])
def test_what_a_spreadsheet_would_compute_is_no_number(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-5, -5.5, None, 0, True])
def test_what_is_not_text_stays_as_it_is(value: object) -> None:
    assert safe_cell(value) is value


@given(TRICKY | st.text(max_size=20))
def test_what_was_neutralised_comes_back_as_it_was(text: str) -> None:
    safe = safe_cell(text)

    assert plain_cell(safe) == text
    assert safe == text or not safe.lstrip("' ").startswith(tuple(STARTS)) or safe[0] == "'"


@given(st.lists(TRICKY, min_size=1, max_size=5))
def test_a_line_comes_back_as_it_was(cells: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_line(cells), newline=""))

    assert [plain_cell(cell) for cell in row] == cells


_COPY = re.compile(r"\bCOPY\b.*\bTO\b.*\bCSV\b", re.I | re.S)
_WRITERS = {"DictWriter", "write_csv", "to_csv", "save_csv"}


def _writes_csv(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="csv"), attr="writer"):
                return True
            case ast.Attribute(attr=name) if name in _WRITERS:
                return True
            case ast.ImportFrom(module="csv"):
                return True
            case ast.Constant(value=str(text)) if _COPY.search(text):
                return True
    return False


def test_csv_is_written_in_one_place_only() -> None:
    """Whoever answers CSV goes through `csv_line`: nothing else makes a CSV writer."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("services", "connectors", "schemas")
        for path in (ROOT / folder).rglob("*.py")
        if _writes_csv(ast.parse(path.read_text()))
    }

    assert found == {"services/common/csv_cells.py"}


@pytest.mark.parametrize(
    "code",
    [
        "import csv; csv.writer(x)",
        "csv.DictWriter(x, [])",
        "frame.write_csv(x)",
        "from csv import writer",
        "q = 'COPY (SELECT 1) TO STDOUT (FORMAT csv)'",
    ],
)
def test_the_search_finds_each_way_to_write_csv(code: str) -> None:
    assert _writes_csv(ast.parse(code))
