"""Reading CSV files as they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.errors import Problem
from services.ingest.imports.encodings import find_encoding
from services.ingest.imports.parsing import parse_mapping
from services.ingest.imports.reader import Asked, inspect, read_rows, read_table
from services.ingest.imports.report import report_lines
from services.ingest.imports.rows import Note

NEEDED = Asked(frozenset({"id", "name"}))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def rows(path: Path) -> list[tuple[int, object]]:
    read = read_rows(path, inspect(path, NEEDED))
    return [(row.number, row.note or row.cells) for row in read]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_delimiter_and_encoding_are_found(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = f"id{delimiter}name\r\n1{delimiter}Zoë Müller, née Strauß\r\n"
    if delimiter == ",":
        text = text.replace("Zoë Müller, née Strauß", '"Zoë Müller, née Strauß"')
    path = write(tmp_path / "a.csv", text.encode(encoding))

    assert rows(path) == [(2, {"id": "1", "name": "Zoë Müller, née Strauß"})]


def test_an_odd_character_far_down_the_file_is_found(tmp_path: Path) -> None:
    body = "id,name\n" + "1,Ana\n" * 60_000 + "2,Zoë Größe, déjà vu\n".replace(", ", " ")
    path = write(tmp_path / "a.csv", body.encode("cp1252"))

    assert find_encoding(path).name != "utf-8"
    assert rows(path)[-1] == (60_002, {"id": "2", "name": "Zoë Größe déjà vu"})


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"id,Name\n1,Ana\n")

    with pytest.raises(Problem) as refused:
        inspect(path, NEEDED)

    (error,) = refused.value.errors
    assert error.field == "name"
    assert error.fix == "It has: id, Name."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"id,name,id\n1,2,3\n", "does not fit"),
        (b"id\x01,name\n", "control characters"),
        (b'id,"name\n1,Ana\n', "Check its quotes"),
        (b"PK\x03\x04\x14\x00\x06", "Excel workbook.*save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook.*save it as CSV"),
        (b"%PDF-1.7", "a PDF, not a CSV file"),
        (b",".join(b"c%d" % i for i in range(600)) + b"\n", "columns"),
        (b"id,name" + b" " * 200_000, "characters long"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Problem, match=says):
        inspect(write(tmp_path / "a.csv", content), NEEDED)


def test_a_bad_row_is_reported_and_those_after_it_go_on(tmp_path: Path) -> None:
    content = b'id,name\n1,Ana,x\n\n2,"a" b\n3,\x00\n4,Bo\n'
    read = rows(write(tmp_path / "a.csv", content))

    assert [number for number, _ in read] == [2, 4, 5, 6]
    reasons = [note.reason for _, note in read if isinstance(note, Note)]
    assert reasons[0] == "has 3 cells, the first row has 2"
    assert "can't be read as CSV" in reasons[1]
    assert reasons[2] == "holds a control character"
    assert read[-1] == (6, {"id": "4", "name": "Bo"})


def test_a_cell_without_end_does_not_take_the_memory(tmp_path: Path) -> None:
    content = b'id,name\n1,"' + b"x" * 300_000 + b"\n2,Bo\n"
    read = rows(write(tmp_path / "a.csv", content))

    assert isinstance(read[0][1], Note)
    assert read[-1][1] == {"id": "2", "name": "Bo"}


TABLED = """
lookups:
  tests: {by: "{id}", key: "{code.1}/{kind}"}
events:
  - type: OrganizationRegistered
    fields: {source_event_id: a, occurred_at: "2024-01-01T00:00:00Z", organization_id: college,
      entity_id: college, version: "1", name: "{tests.title}", kind: PROVIDER}
"""


def test_a_table_from_a_file_has_the_key_the_mapping_says(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"code.1;kind;title\na;b; One \n")

    assert read_table(path, parse_mapping(TABLED.encode()), "tests")["a/b"]["title"] == "One"


def test_a_table_without_a_used_column_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"code.1;kind\na;b\n")

    with pytest.raises(Problem) as refused:
        read_table(path, parse_mapping(TABLED.encode()), "tests")

    assert [error.field for error in refused.value.errors] == ["title"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
async def test_no_cell_of_the_report_is_a_formula(start: str) -> None:
    async def notes():  # type: ignore[no-untyped-def]
        yield dict.fromkeys(
            (
                "row_number",
                "line_number",
                "severity",
                "event_type",
                "value",
                "rule",
                "reason",
                "fix",
            ),
            7,
        ) | {"column_name": f"{start}cmd|' /C calc'!A0"}

    lines = [line async for line in report_lines(notes())]

    assert f"'{start}cmd" in lines[1]
