"""The command line's promises: light start, codes that say what kind, JSON, no colour in pipes."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.cli.exits import Exit, NotFound, Refused, exit_code_of
from services.common.errors import DependencyDown, ThroughlineError
from services.launcher.errors import AlreadyRunning, JarMismatch

COMMANDS = ("up", "serve", "work", "init", "seed", "tail", "doctor", "reset", "bench")
HEAVY = ("polars", "aiokafka", "asyncpg", "fastapi", "pydantic", "rich", "psutil", "uvicorn")
NOWHERE = {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}


def run(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin", **(env or {})},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom services.cli.__main__ import main\n"
        f"sys.argv = ['throughline', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "Usage: throughline" in done.stdout
    assert done.stdout.endswith("HEAVY []\n"), done.stdout + done.stderr


def test_the_help_of_all_names_every_command() -> None:
    shown = run("--help").stdout
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_piped_output_has_no_colour() -> None:
    for arguments in (["--help"], ["serve", "nothing"], ["doctor"], ["nonsense"]):
        done = run(*arguments, env={**NOWHERE, "TERM": "xterm-256color"})
        assert "\x1b" not in done.stdout + done.stderr, arguments


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ThroughlineError("x"), Exit.FAILED),
        (JarMismatch("x"), Exit.FAILED),
        (NotFound("x"), Exit.NOT_FOUND),
        (DependencyDown("x"), Exit.UNREACHABLE),
        (Refused("x"), Exit.REFUSED),
        (AlreadyRunning("x"), Exit.REFUSED),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: ThroughlineError, code: Exit) -> None:
    assert exit_code_of(error) is code


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--port", "70000"], ["serve"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == Exit.USAGE
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["serve", "nothing"], ["work", "ingest/../x"], ["tail", "nothing"], ["bench", "x"]],
)
def test_what_there_is_not_ends_with_3_and_says_what_there_is(arguments: list[str]) -> None:
    done = run(*arguments, env=NOWHERE)
    assert done.returncode == Exit.NOT_FOUND, done.stderr
    assert "there is no" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_kafka_ends_with_4() -> None:
    done = run("tail", env=NOWHERE)
    assert done.returncode == Exit.UNREACHABLE, done.stderr
    assert "Kafka at 127.0.0.1:1 does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_names_what_is_wrong_and_the_fix(tmp_path: Path) -> None:
    done = run("doctor", "--json", "--data", str(tmp_path / "none"), env=NOWHERE)

    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == Exit.FAILED
    assert findings["Python"]["ok"]
    for name in ("Kafka", "PostgreSQL"):
        assert not findings[name]["ok"]
        assert "throughline up" in findings[name]["fix"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that a hub left after a clean stop."""
    folder = tmp_path / "data"
    (folder / "logs").mkdir(parents=True)
    (folder / "lock").touch()
    return folder


def test_reset_deletes_a_data_directory(data: Path) -> None:
    done = run("reset", "--yes", "--data", str(data))
    assert done.returncode == Exit.DONE, done.stderr
    assert not data.exists()


def test_reset_asks_first_and_keeps_all_when_nobody_is_there(data: Path) -> None:
    done = run("reset", "--data", str(data))
    assert done.returncode == Exit.REFUSED
    assert "--yes" in done.stderr
    assert data.exists()


def test_reset_is_refused_while_a_hub_uses_the_data(data: Path) -> None:
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("reset", "--yes", "--data", str(data))

    assert done.returncode == Exit.REFUSED
    assert (data / "logs").exists()


def test_reset_deletes_nothing_that_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    done = run("reset", "--yes", "--data", str(tmp_path))
    assert done.returncode == Exit.REFUSED
    assert (tmp_path / "thesis.txt").exists()


def test_the_list_of_benchmarks_is_json_when_asked() -> None:
    listed = json.loads(run("bench", "--list", "--json").stdout)
    assert all(isinstance(text, str) and text for text in listed.values())


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each `up` of the test would run."""
    from services.launcher import supervisor

    plans: list[supervisor.Plan] = []

    class Noted:
        def __init__(self, plan: supervisor.Plan, *_: object) -> None:
            plans.append(plan)

        def run(self) -> None: ...

    monkeypatch.setattr(supervisor, "Supervisor", Noted)
    return plans


@pytest.mark.parametrize(
    ("named", "options", "demo"),
    [
        ({}, [], True),
        ({}, ["--no-demo"], False),
        ({"KAFKA_BOOTSTRAP": "kafka.internal:9092"}, [], False),
        ({"DATABASE_URL": "postgresql://db.internal/hub"}, [], False),
        ({"KAFKA_BOOTSTRAP": "kafka.internal:9092"}, ["--demo"], True),
    ],
)
def test_the_demo_stays_off_clusters_of_ones_own(
    named: dict[str, str],
    options: list[str],
    demo: bool,
    monkeypatch: pytest.MonkeyPatch,
    plans: list[Any],
) -> None:
    from services.cli.__main__ import app

    for name in ("KAFKA_BOOTSTRAP", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    app(["up", *options], standalone_mode=False)
    assert [plan.demo for plan in plans] == [demo]


@pytest.mark.parametrize(
    ("name", "value", "arguments"),
    [
        ("OPENEDX_TOPICS", "prod-learning-certificate-lifecycle", ["up"]),
        ("OPENEDX_TOPICS", "{}", ["up"]),
        ("OPENEDX_LONGEST_WAIT", "soon", ["up"]),
        ("PARTITIONS", "many", ["doctor"]),
    ],
)
def test_a_variable_that_cannot_be_taken_is_named_in_one_line(
    name: str, value: str, arguments: list[str], tmp_path: Path
) -> None:
    done = run(*arguments, "--data", str(tmp_path), env={**NOWHERE, name: value})

    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith(f"throughline: {name}: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("named", "options", "sources"),
    [
        ({}, [], False),
        ({"OPENEDX_TOPICS": "[]", "PROVIDER_TOPICS_ENABLED": "false"}, [], False),
        ({"OPENEDX_TOPICS": '["prod-learning-certificate-lifecycle"]'}, [], True),
        ({"PROVIDER_TOPICS_ENABLED": "true"}, [], True),
        ({}, ["--provider-topics"], True),
    ],
)
def test_up_reads_the_sources_that_are_configured(
    named: dict[str, str],
    options: list[str],
    sources: bool,
    monkeypatch: pytest.MonkeyPatch,
    plans: list[Any],
) -> None:
    from services.cli.__main__ import app

    for name, value in named.items():
        monkeypatch.setenv(name, value)
    app(["up", *options], standalone_mode=False)
    assert [plan.sources for plan in plans] == [sources]
