"""Deletes a data directory, and nothing that is not one."""

from __future__ import annotations

import shutil
from pathlib import Path

from services.cli.exits import NotFound, Refused
from services.launcher import run_file

_MARKS = ("lock", "run.json", "kafka", "postgres", "vault", "logs")


def must_be_ours(data: Path) -> None:
    """Raises NotFound when there is nothing, Refused when it runs or is not a data directory."""
    if not data.exists():
        raise NotFound(f"there is no {data.resolve()}")
    if not (data / "lock").is_file() or not any((data / mark).exists() for mark in _MARKS[1:]):
        raise Refused(f"{data.resolve()} does not look like a data directory of Throughline")


def delete(data: Path) -> None:
    """Delete it all. Raises AlreadyRunning while a hub uses it."""
    with run_file.claim(data):
        run_file.end_leftovers(data)
        shutil.rmtree(data)
