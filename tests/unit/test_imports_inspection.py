"""What a file seems to hold is shown; what can be read in two ways is left to the mapping."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.access import Role
from services.common.errors import Problem
from services.ingest.imports.columns import profile
from services.ingest.imports.inspection import inspected
from services.ingest.imports.parsing import parse_mapping
from services.ingest.imports.reader import Asked, inspect
from services.ingest.imports.values import TRANSFORMS, BadValue, Options

ROOT = Path(__file__).parents[2]
OULAD = ROOT / "services" / "demo" / "data" / "oulad"


def column(tmp_path: Path, *cells: str) -> dict[str, Any]:
    path = tmp_path / "a.csv"
    path.write_text("x|y\n" + "".join(f"{cell}|1\n" for cell in cells), encoding="utf-8")
    return profile(path, inspect(path, Asked())).columns[0].as_dict(examples=True)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-20", "+3"], "integer"),
        (["1.5", "20", "1,250.75"], "decimal_point"),
        (["1,5", "20", "1.250,75"], "decimal_comma"),
        (["yes", "No", "yes"], "boolean"),
        (["0", "1", "1"], "boolean"),
        (["2024-03-01T10:00:00Z", "2024-03-01 11:00"], "instant"),
        (["07016", "07017"], "code"),
        (["WELD-1", "a/b"], "code"),
        (["Welding for all", "x"], "text"),
        (["", "n/a"], "empty"),
        (["2024-01-31", "2024-12-01"], "date"),
    ],
)
def test_a_column_s_type_is_guessed(tmp_path: Path, cells: list[str], kind: str) -> None:
    assert column(tmp_path, *cells)["type"] == kind


@pytest.mark.parametrize(
    ("cells", "forms"),
    [
        (["03/04/2024", "05/06/2024"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["03/04/2024", "25/06/2024"], ["%d/%m/%Y"]),
        (["03/04/2024", "05/26/2024"], ["%m/%d/%Y"]),
        (["3/4/24", "5/6/24"], ["%d/%m/%y", "%m/%d/%y"]),
        (["31.12.2024", "01.02.2024"], ["%d.%m.%Y"]),
        (["31-Dec-2024"], ["%d-%b-%Y"]),
        (["December 31, 2024"], ["%B %d, %Y"]),
        (["31/12/2024 23:59", "01/02/2024 00:01"], ["%d/%m/%Y %H:%M"]),
    ],
)
def test_day_first_or_month_first_is_told_only_where_the_file_settles_it(
    tmp_path: Path, cells: list[str], forms: list[str]
) -> None:
    found = column(tmp_path, *cells)

    assert (found["type"], found["formats"]) == ("date", forms)
    assert ("ambiguous" in found) == (len(forms) > 1)


def test_a_thousand_or_one_and_a_bit_is_said_to_be_either(tmp_path: Path) -> None:
    assert "1234 or 1.234" in column(tmp_path, "1,234", "2,500")["ambiguous"]
    assert "ambiguous" not in column(tmp_path, "1,234", "2,500.5")


def test_empty_cells_distinct_values_and_words_for_nothing_are_counted(tmp_path: Path) -> None:
    found = column(tmp_path, "a", "a", "b", "", "?", "N/A")

    assert (found["empty"], found["distinct"]) == (0.5, 2)
    assert found["stands_for_empty"] == ["?", "N/A"]
    assert found["examples"] == ["a", "b"]


def test_a_few_odd_cells_do_not_change_the_type_and_are_told(tmp_path: Path) -> None:
    found = column(tmp_path, *(["12"] * 98), "twelve", "a dozen")

    assert (found["type"], found["fits"]) == ("integer", 0.98)


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_quote_are_found_without_a_mapping(
    tmp_path: Path, delimiter: str, quote: str
) -> None:
    path = tmp_path / "a.csv"
    cell = f"{quote}one{delimiter}two, three{quote}"
    path.write_text(f"a{delimiter}b{delimiter}c\n1{delimiter}{cell}{delimiter}3\n")

    form = inspect(path, Asked(quote=None)).form

    assert (form.delimiter, form.quote) == (delimiter, quote)


FILE = """Student ID,Course,Completed on,Outcome,Mark %
00417,WELD-1,03/14/2024,Passed,70
00418,WELD-1,05/16/2024,Failed,
00419,CARE-2,07/21/2024,Distinction,95
"""


def test_a_proposed_mapping_for_a_plain_file_can_be_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(FILE)

    proposal = inspected(path, None, Role.PROVIDER, None)["proposal"]

    assert (proposal["type"], proposal["open"]) == ("TrainingCompleted", [])
    (event,) = parse_mapping(proposal["mapping"].encode()).events
    made = yaml.safe_load(proposal["mapping"])["events"][0]["fields"]
    assert made["source_record_id"] == "{Student ID}"
    assert made["occurred_at"]["formats"] == ["%m/%d/%Y"]
    assert made["result"]["map"]["Distinction"] == "DISTINCTION"
    assert made["provider_id"] == "{@caller}"
    assert set(event.fields) >= {"course_id", "enrolment_id", "score"}


def test_what_only_a_person_can_know_is_left_open_and_the_mapping_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(FILE.replace("14", "04").replace("16", "06").replace("21", "01"))

    proposal = inspected(path, None, Role.PROVIDER, "TrainingCompleted")["proposal"]

    assert proposal["open"] == ["occurred_at"]
    with pytest.raises(Problem) as refused:
        parse_mapping(proposal["mapping"].encode())
    assert "occurred_at" in refused.value.errors[0].field
    assert refused.value.errors[0].problem == "is still to be chosen"


def test_a_type_that_the_caller_may_not_send_is_not_proposed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(FILE)

    with pytest.raises(Problem) as refused:
        inspected(path, None, Role.PROVIDER, "ConsentGranted")

    assert "TrainingEnrolled" in (refused.value.errors[0].fix or "")


def test_with_a_mapping_its_fit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(FILE)
    proposed = inspected(path, None, Role.PROVIDER, None)["proposal"]["mapping"]
    mapping = parse_mapping(proposed.replace("%m/%d/%Y", "%d/%m/%Y").encode())
    path.write_text(FILE.replace("Course,", "Class,"))

    fit = inspected(path, mapping, Role.PROVIDER, None)["mapping"]

    assert (fit["missing"], fit["unused"]) == (["Course"], ["Class"])
    assert fit["fields"]["Mark %"] == ["TrainingCompleted.score"]
    assert fit["problems"] == ["Completed on: 3 cells are not %d/%m/%Y; they look like %m/%d/%Y"]


def test_a_mapping_may_not_read_a_date_in_either_order() -> None:
    text = """{"events": [{"type": "TrainingEnrolled", "fields": {"source_record_id": "{p}",
      "source_event_id": "{@row}", "enrolment_id": "e", "course_id": "c", "provider_id": "p1",
      "occurred_at": {"from": "{d}", "as": "date", "formats": FORMS}}}]}"""

    for forms in ('["%d/%m/%Y", "%m/%d/%Y"]', '["%Q"]', '["%H:%M"]'):
        with pytest.raises(Problem):
            parse_mapping(text.replace("FORMS", forms).encode())
    for form in ("%d/%d/%Y", "%Y %Y", "%Y-%c", "%z%z", "%Y %", "%Y" * 50_000):
        with pytest.raises(Problem) as refused:
            parse_mapping(text.replace("FORMS", json.dumps([form])).encode())
        error = refused.value.errors[0]
        assert error.field == "events.0.fields.occurred_at.formats"
        assert error.problem.endswith("Write one such as %d/%m/%Y, with each part once")
        assert len(error.problem) < 200
    assert parse_mapping(text.replace("FORMS", '["%d/%m/%Y", "%b %d, %Y"]').encode())


@pytest.mark.parametrize(
    ("value", "decimal", "number"),
    [
        ("1,250.50", ".", "1250.50"), ("1250", ".", "1250"), ("1.250,50", ",", "1250.50"),
        ("1 250,50", ",", "1250.50"), ("0,5", ",", "0.5"), ("-1.250", ",", "-1250"),
    ],
)  # fmt: skip
def test_a_number_is_read_with_the_decimal_sign_of_the_mapping(
    value: str, decimal: str, number: str
) -> None:
    assert TRANSFORMS["number"](value, Options(decimal=decimal)).text == number


@pytest.mark.parametrize(
    ("value", "decimal"), [("1,5", "."), ("12,34", "."), ("1.250,50", "."), ("1.5", ",")]
)
def test_a_number_with_the_other_sign_is_refused_and_not_multiplied(
    value: str, decimal: str
) -> None:
    with pytest.raises(BadValue, match="is not a number"):
        TRANSFORMS["number"](value, Options(decimal=decimal))


def throughline(*arguments: str, env: dict[str, str] | None = None) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "import", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
        env={"PATH": "/usr/bin:/bin", **(env or {})},
    )  # fmt: skip


def test_the_command_shows_a_file_and_saves_a_mapping_without_a_hub(tmp_path: Path) -> None:
    saved = tmp_path / "m.yaml"

    done = throughline("inspect", str(OULAD / "studentInfo.csv"), "--save", str(saved), "--json")
    again = throughline("inspect", str(OULAD / "studentInfo.csv"), "--save", str(saved))

    found = json.loads(done.stdout)
    assert (done.returncode, again.returncode) == (0, 5)
    assert {c["name"] for c in found["columns"]} >= {"id_student", "final_result"}
    assert saved.read_text() == found["proposal"]["mapping"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["inspect", "nowhere.csv"], 3, "there is no file nowhere.csv"),
        (["inspect", "README.md", "--role", "king"], 5, "is not a role"),
        (["run", "nowhere.csv", "--mapping", "m"], 5, "--key-file"),
        (["run", "README.md", "--mapping", "m", "--lookup", "x"], 5, "name=FILE"),
    ],
)
def test_the_command_ends_with_the_code_of_what_is_wrong(
    arguments: list[str], code: int, says: str
) -> None:
    done = throughline(*arguments)

    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_a_hub_that_does_not_answer_ends_with_4(tmp_path: Path) -> None:
    env = {"THROUGHLINE_KEY": "tl_a_b", "THROUGHLINE_URL": "http://127.0.0.1:1"}

    done = throughline("list", env=env)

    assert done.returncode == 4, done.stderr
    assert "does not answer" in done.stderr
