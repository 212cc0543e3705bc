"""`throughline schemas check` and `ls`: what they print, and the codes they end with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.catalog import ROOT, event_types, versions
from services.cli.exits import Exit


def schemas(*arguments: str, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, on the catalogue at `at`."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "schemas", *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{at.parent}:{ROOT.parent}", "PATH": "/usr/bin:/bin"},
        cwd=at.parent,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(ROOT, tmp_path / "schemas", ignore=ignored)


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


def test_a_sound_catalogue_is_said_to_be_so(copied: Path) -> None:
    done = schemas("check", at=copied)

    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    assert done.stdout == f"{len(versions())} schemas are sound, compatible and fresh.\n"


def test_a_schema_that_breaks_a_rule_ends_with_1_and_names_field_and_fix(copied: Path) -> None:
    edit(copied / "skill" / "SkillClaimed.avsc", lambda text: text.replace('"topic"', '"tropic"'))

    done = schemas("check", at=copied)

    assert (done.returncode, done.stdout) == (Exit.FAILED, "")
    assert done.stderr.startswith("SkillClaimed.avsc: add a topic, one of stories")


def test_history_that_was_changed_ends_with_1(copied: Path) -> None:
    (copied / "history" / "PromiseMade" / "1.avsc").unlink()

    done = schemas("check", at=copied)

    assert (done.returncode, done.stdout) == (Exit.FAILED, "")
    assert done.stderr.startswith("PromiseMade: history/PromiseMade/1.avsc is missing")


def test_what_is_stale_is_named_with_the_command_that_makes_it_and_left_as_it_is(
    copied: Path,
) -> None:
    models = copied / "models.py"
    edit(models, lambda text: text + "# By hand.\n")
    (copied / "events.py").unlink()

    done = schemas("check", at=copied)

    assert (done.returncode, done.stdout) == (Exit.FAILED, "")
    assert done.stderr.splitlines() == [
        "schemas/models.py is stale: run `make events`",
        "schemas/events.py is stale: run `make events`",
    ]
    assert models.read_text().endswith("# By hand.\n")
    assert not (copied / "events.py").exists()


def test_the_newest_versions_are_listed_and_all_of_them_when_asked() -> None:
    newest = schemas("ls")
    assert newest.returncode == Exit.DONE
    lines = newest.stdout.splitlines()
    assert [line.split()[3] for line in lines] == sorted(
        one.full_name for one in event_types().values()
    )
    made = event_types()["PromiseMade"]
    assert f"   {made.schema_id}  v2   stories     throughline.promise.PromiseMade" in lines
    assert len(schemas("ls", "--all").stdout.splitlines()) == len(versions())


def test_the_list_as_json_says_what_each_is() -> None:
    done = schemas("ls", "--all", "--json")

    assert done.returncode == Exit.DONE
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert rows.keys() == versions().keys()
    for schema_id, one in versions().items():
        assert rows[schema_id] == {
            "id": schema_id,
            "version": one.version,
            "topic": one.topic,
            "subject": one.full_name,
            "doc": one.doc,
        }
    assert len(json.loads(schemas("ls", "--json").stdout)) == len(event_types())


@pytest.mark.parametrize("arguments", [["ls", "--nonsense"], ["check", "extra"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert schemas(*arguments).returncode == Exit.USAGE
