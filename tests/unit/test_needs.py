"""A test whose needs are absent is skipped with the reason; in continuous integration it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import absent

ROOT = Path(__file__).parents[2]


def test_here_it_is_skipped_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="LEFT OUT: no registry"):
        absent("no registry")


def test_in_continuous_integration_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no registry"):
        absent("no registry")


@pytest.mark.parametrize(("ci", "code", "outcome"), [("", 0, "1 skipped"), ("true", 1, "1 error")])
def test_without_a_chromium_one_test_stands_for_all(ci: str, code: int, outcome: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/browser"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env |= {"PATH": "/nowhere", "CHROMIUM": "", "CI": ci}

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    assert done.returncode == code, done.stdout + done.stderr
    assert outcome in done.stdout
    assert "browser tests did not run" in done.stdout


def test_the_run_of_continuous_integration_says_that_it_is_one() -> None:
    assert "export CI=true\n" in (ROOT / ".ci" / "run").read_text()
