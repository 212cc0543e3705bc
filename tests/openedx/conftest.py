"""Apicurio, a real schema registry, and an environment with Open edX's own libraries."""

from __future__ import annotations

import hashlib
import subprocess
import sys
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
        command = [python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            absent(f"Open edX's libraries cannot be had: {done.stderr[-500:]}")
        (folder / "complete").touch()
    return python


@pytest.fixture(scope="session")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Confluent's API of a registry for these tests; each has topics, so subjects, of its own."""
    with apicurio.running(tmp_path_factory.mktemp("apicurio")) as url:
        yield url
