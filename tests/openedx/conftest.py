"""Apicurio, a real schema registry, and an environment with Open edX's own libraries."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import apicurio
from tests.apicurio import CACHE
from tests.needs import absent

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def openedx_python() -> Path:
    """Python of an environment with `requirements.txt`, made once and kept."""
    wanted = (HERE / "requirements.txt").read_bytes()
    digest = hashlib.sha256(wanted + sys.version.encode()).hexdigest()[:16]
    folder = CACHE / f"openedx-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        _fetch(python)
        (folder / "complete").touch()
    return python


def _fetch(python: Path, tries: int = 3) -> None:
    """Install `requirements.txt`; a network may fail once."""
    command = [python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and tries > 1:
        time.sleep(5)
        _fetch(python, tries - 1)
    elif done.returncode:
        absent(f"Open edX's libraries cannot be had: {done.stderr[-500:]}")


@pytest.fixture(scope="session")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Confluent's API of a registry for these tests; each has topics, so subjects, of its own."""
    with apicurio.running(tmp_path_factory.mktemp("apicurio")) as url:
        yield url
