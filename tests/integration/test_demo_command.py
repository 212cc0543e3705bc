"""`throughline seed` against a hub of real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.common.postgres import Pool
from services.demo.state import DemoState
from services.launcher.process import next_free_port
from tests.processes import until

WORKERS = 8
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def hub_of_processes(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a hub: HTTP services in one process, projections in another."""
    port = next_free_port(18_600 + os.getpid() % 500)
    env = environment | {"PUBLIC_URL": f"http://127.0.0.1:{port}"}
    commands = [
        ("serve", "ingest", "consent", "delivery", "--port", str(port)),
        ("work", "projections"),
    ]
    with (tmp_path / "hub.log").open("wb") as log:
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "services.cli", *c], env=env, stdout=log, stderr=log
            )
            for c in commands
        ]
        try:
            _wait_for(f"{env['PUBLIC_URL']}/health/ready")
            yield env
        finally:
            for process in running:
                process.kill()
            for process in running:
                process.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if httpx.get(url, timeout=10).is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the hub does not start"
        time.sleep(0.2)


def _seed(env: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "services.cli", "seed", "--workers", str(WORKERS), *options]
    return subprocess.Popen(
        command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


async def _on_the_log(pool: Pool) -> int:
    """Events that came in and are there; what the hub itself tells is not counted."""
    published = "SELECT count(*) FROM ingest_work.reservation WHERE log_offset IS NOT NULL"
    return int(await pool.fetchval(published))


async def test_seed_then_live_then_seed_again(hub_of_processes: dict[str, str], pool: Pool) -> None:
    first = _seed(hub_of_processes, "--json")
    out, err = first.communicate(timeout=240)
    assert first.returncode == 0, err
    done = json.loads(out)
    assert done["workers"] == WORKERS
    assert set(done["events"]) == {"accepted"}

    state = DemoState.load(Path(hub_of_processes["VAULT_DIR"]).parent)
    names = [person.name for person in state.regions["1"].people.values()]
    assert {"Rosa Martinez", "Ben Tran", "Dana Ruiz"} <= set(names)

    seeded = await _on_the_log(pool)
    live = _seed(hub_of_processes, "--live")
    shown = f"http://127.0.0.1:{state.receiver_port}/"
    _wait_for(shown)
    page = httpx.get(shown, timeout=60).text
    assert "What the employers" in page

    async def streaming() -> bool:
        return await _on_the_log(pool) > seeded

    await until(streaming, within_s=120)
    live.send_signal(signal.SIGTERM)
    out, err = live.communicate(timeout=60)
    assert live.returncode == 0, err
    assert "the stream ends" in out + err

    again = _seed(hub_of_processes, "--json")
    out, err = again.communicate(timeout=240)
    assert json.loads(out)["events"] == {"duplicate": done["events"]["accepted"]}, err
