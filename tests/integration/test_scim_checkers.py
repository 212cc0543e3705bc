"""Two checkers by others run against a real process of ours: `scim2 test` and `scim-sanity`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from tests.needs import absent
from tests.openedx.conftest import CACHE
from tests.processes import HubProcess, free_port, until

# Its own environment, for its click and Faust's do not go together.
SCIM2_CLI = "scim2-cli==0.6.0"


@pytest.fixture(scope="session")
def scim2() -> Path:
    """The `scim2` command, made once and kept."""
    digest = hashlib.sha256((SCIM2_CLI + sys.version).encode()).hexdigest()[:16]
    folder = CACHE / f"scim2-cli-{digest}"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [folder / "bin" / "python", "-m", "pip", "install", "-q", SCIM2_CLI]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            absent(f"scim2-cli cannot be had: {done.stderr[-500:]}")
        (folder / "complete").touch()
    return folder / "bin" / "scim2"


@pytest.fixture
async def service(
    environment: dict[str, str], pool: Pool, tmp_path: Path
) -> AsyncIterator[tuple[str, str]]:
    """A process that serves `ingest`: the URL of its SCIM endpoints, and an employer's key."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = HubProcess(
        "serve",
        "ingest",
        "--port",
        str(port),
        environment={**environment, "PUBLIC_URL": url},
        log=tmp_path / "ingest.log",
    )
    process.start()

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient() as http:
                return (await http.get(f"{url}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        await until(ready)
        yield f"{url}/scim/v2", await issue_key(pool, Role.EMPLOYER, "acme")
    finally:
        process.stop()
        print(process.log_tail(15))


async def output(*command: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 200)
    return process.returncode or 0, out.decode(errors="replace")


async def test_scim2_test_passes(scim2: Path, service: tuple[str, str]) -> None:
    url, key = service
    header = f"Authorization: Bearer {key}"
    code, out = await output(scim2, "--url", url, "-h", header, "test")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out)
    print(lines)
    results = [line.split()[0] for line in lines.splitlines() if re.match(r"[A-Z]+ ", line)]
    print(f"scim2 test: {results.count('SUCCESS')} of {len(results)} checks pass")
    assert code == 0, lines[-4000:]
    assert results.count("SUCCESS") == len(results)
    assert len(results) > 100


async def test_scim_sanity_finds_nothing_wrong(service: tuple[str, str]) -> None:
    url, key = service
    sanity = Path(sys.executable).parent / "scim-sanity"
    order = ("probe", url, "--token", key, "--resource", "User", "--json-output")
    code, out = await output(sanity, *order, "--i-accept-side-effects")
    found = json.loads(out[out.index("{") :])
    for result in found["results"]:
        print(result["status"], result["name"], result.get("message", ""))
    print(f"scim-sanity: {found['summary']}")
    assert code == 0, out[-4000:]
    assert found["summary"]["failed"] == 0
    assert found["summary"]["passed"] >= 18
