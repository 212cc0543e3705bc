"""Against a real process of ours: two checkers by others, `scim2 test` and `scim-sanity`, and an
employer's system that hires somebody, changes the job and ends it.
"""

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
from services.common.codec import Decoded
from services.common.postgres import Pool
from services.common.settings import Settings
from tests.integration.imports_kit import on_the_log
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


async def test_scim2_test_passes(
    scim2: Path, service: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    url, key = service
    header = f"Authorization: Bearer {key}"
    code, out = await output(scim2, "--url", url, "-h", header, "test")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out)
    print(lines)
    results = [line.split()[0] for line in lines.splitlines() if re.match(r"[A-Z]+ ", line)]
    with capsys.disabled():
        print(f"\nscim2 test: {results.count('SUCCESS')} of {len(results)} checks pass")
    assert code == 0, lines[-4000:]
    assert results.count("SUCCESS") == len(results)
    assert len(results) > 100


async def test_scim_sanity_finds_nothing_wrong(
    service: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    url, key = service
    sanity = Path(sys.executable).parent / "scim-sanity"
    order = ("probe", url, "--token", key, "--resource", "User", "--json-output")
    code, out = await output(sanity, *order, "--i-accept-side-effects")
    found = json.loads(out[out.index("{") :])
    for result in found["results"]:
        print(result["status"], result["name"], result.get("message", ""))
    done = found["summary"]
    with capsys.disabled():
        print(f"\nscim-sanity: {done['passed']} checks pass, {done['skipped']} left out")
    assert code == 0, out[-4000:]
    assert found["summary"]["failed"] == 0
    assert found["summary"]["passed"] >= 18


async def test_hired_changed_and_gone_are_three_events_on_the_log(
    service: tuple[str, str], settings: Settings
) -> None:
    url, key = service
    hired = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ana.diaz@example.com",
        "externalId": "e-17",
        "displayName": "Ana Diaz",
        "title": "51-4121.00",
        "active": True,
    }
    own = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=own, timeout=60) as http:
        made = await http.post(f"{url}/Users", json=hired)
        assert made.status_code == 201, made.text
        ana = made.json()["id"]
        for path, value in (("title", "51-1011.00"), ("active", False)):
            body = {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": path, "value": value}],
            }
            changed = await http.patch(f"{url}/Users/{ana}", json=body)
            assert changed.is_success, changed.text

    async def told() -> list[Decoded]:
        events = await on_the_log(settings, "stories")
        return events if len(events) >= 4 else []

    events = await until(told)
    assert [event.name for event in events] == [
        "WorkerRegistered",
        "EmploymentStarted",
        "RoleChanged",
        "EmploymentEnded",
    ]
    assert len({event.worker_id for event in events}) == 1
    assert {event.fields["source"] for event in events} == {"acme"}
    jobs = [event.fields for event in events[1:]]
    assert {(job["employment_id"], job["employer_id"]) for job in jobs} == {(ana, "acme")}
    assert [job.get("occupation") for job in jobs] == ["51-4121.00", "51-1011.00", None]
