"""`up`: everything starts, a dead child comes back, and nothing is left behind by any exit."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.launcher import initialised, run_file
from services.launcher.keeping import pause_after
from services.launcher.process import Identity, is_free, limit
from services.launcher.supervisor import _SERVERS_END_S, _SERVICES_END_S
from tests.processes import free_port, until

HUB = str(Path(__file__).with_name("launcher_hub.py"))
ROOT = str(Path(__file__).parents[2])
OURS = ("KAFKA_BOOTSTRAP", "DATABASE_URL")


class Running:
    """One `up` in a process of its own."""

    def __init__(self, data: Path, port: int, env: dict[str, str]) -> None:
        self.data = data
        self.errors = data.with_name(f"{data.name}-{free_port()}.err")
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, HUB, "up", str(data), str(port)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**env, "PYTHONPATH": ROOT},
                text=True,
            )

    def addresses(self) -> dict[str, Any]:
        """Wait until it is healthy and tells where."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said()
        found: dict[str, Any] = json.loads(line)
        return found

    def said(self) -> str:
        return self.errors.read_text()

    def children(self) -> dict[str, Identity]:
        run = run_file.running(self.data)
        assert run is not None
        return run.children

    def end(self) -> None:
        """However the test went."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()
        self.process.wait()


@pytest.fixture
def data(data_dir: Path, tmp_path: Path) -> Path:
    return data_dir / tmp_path.name


@pytest.fixture
def own_servers() -> dict[str, str]:
    """An environment in which `up` starts its own Kafka and PostgreSQL."""
    return {name: value for name, value in os.environ.items() if name not in OURS}


@pytest.fixture
def given_servers(kafka_bootstrap: str, postgres_url: str) -> dict[str, str]:
    """An environment that names the session's Kafka and PostgreSQL."""
    return {**os.environ, "KAFKA_BOOTSTRAP": kafka_bootstrap, "DATABASE_URL": postgres_url}


@pytest.fixture
def start(data: Path) -> Iterator[Any]:
    started: list[Running] = []

    def starter(env: dict[str, str], port: int | None = None) -> Running:
        started.append(Running(data, port or free_port(), env))
        return started[-1]

    yield starter
    for running in reversed(started):
        running.end()
    run_file.end_leftovers(data)


def _left(children: dict[str, Identity]) -> dict[str, Identity]:
    """Those that still run."""
    return {name: child for name, child in children.items() if child.runs()}


async def test_a_killed_run_leaves_nothing_and_the_next_one_has_its_data(
    start: Any, own_servers: dict[str, str], data: Path
) -> None:
    first = start(own_servers)
    told = first.addresses()
    children = first.children()
    assert set(children) == {"kafka", "postgresql", "http", "copier"}
    everyone = {
        str(p.pid): Identity(p.pid, p.create_time())
        for p in psutil.Process(first.process.pid).children(recursive=True)
    }

    first.process.kill()
    first.process.wait()
    second = start(own_servers)
    again = second.addresses()

    async def all_ended() -> bool:
        return not _left(everyone)

    await until(all_ended)
    assert again["kafka"] == told["kafka"]
    children = second.children()
    assert (data / "postgres" / "cluster" / "PG_VERSION").exists()
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(60) == 0
    assert run_file.read(data) is None
    assert not _left(children)


def test_whoever_presses_ctrl_c_waits_under_5_s_for_what_does_not_end_by_itself() -> None:
    assert _SERVICES_END_S + _SERVERS_END_S < 5


def test_servers_that_the_environment_names_are_used_and_none_is_started(
    start: Any, given_servers: dict[str, str], data: Path
) -> None:
    running = start(given_servers)

    told = running.addresses()

    assert told["kafka"] == given_servers["KAFKA_BOOTSTRAP"]
    assert set(running.children()) == {"http", "copier"}
    assert not (data / "kafka").exists()


def test_the_process_that_reads_sources_is_one_of_the_children(
    start: Any, given_servers: dict[str, str]
) -> None:
    running = start({**given_servers, "OPENEDX_TOPICS": '["edx"]'})

    running.addresses()

    assert set(running.children()) == {"http", "copier", "ingest"}


async def test_a_child_that_dies_is_shown_with_its_last_lines_and_started_again(
    start: Any, given_servers: dict[str, str]
) -> None:
    running = start(given_servers)
    running.addresses()
    died = running.children()["copier"]
    log: Path = running.data / "logs" / "copier.log"

    async def copying() -> bool:
        return "copying" in log.read_text()

    await until(copying)
    os.kill(died.pid, signal.SIGKILL)

    async def another() -> bool:
        return running.children().get("copier", died) != died

    await until(another)
    assert "copier was killed by signal 9" in running.said()
    assert "    copying" in running.said()


def test_a_second_up_on_the_same_data_says_where_it_already_runs(
    start: Any, given_servers: dict[str, str]
) -> None:
    first = start(given_servers)
    told = first.addresses()

    second = start(given_servers)

    assert second.process.wait(60) == 5
    assert f"already runs on {first.data} at {told['url']}" in second.said()
    assert first.process.poll() is None


def test_a_taken_port_is_said_and_the_next_free_one_is_used(
    start: Any, given_servers: dict[str, str]
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        taken = other.server_port
        running = start(given_servers, taken)

        told = running.addresses()
        other.shutdown()

    assert told["url"] != f"http://127.0.0.1:{taken}"
    assert f"Port {taken} is in use by another program" in running.said()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def _left_by_a_dead_run(data: Path, child: Identity) -> None:
    data.mkdir()
    dead = Identity(child.pid, child.started_at - 1000)
    run_file.write(data, run_file.Run(dead, "http://127.0.0.1:1", {}, {"http": child}))


def test_an_orphan_is_ended_by_the_next_start(data: Path, sleeper: subprocess.Popen[bytes]) -> None:
    orphan = Identity.of(sleeper.pid)
    assert orphan is not None
    _left_by_a_dead_run(data, orphan)

    assert run_file.end_leftovers(data) == ["http"]

    assert sleeper.wait(60) == -signal.SIGTERM


def test_a_process_that_got_the_pid_of_an_orphan_is_left_alone(
    data: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    other = Identity.of(sleeper.pid)
    assert other is not None
    _left_by_a_dead_run(data, Identity(other.pid, other.started_at - 60))

    assert run_file.end_leftovers(data) == []

    assert sleeper.poll() is None


def test_the_file_of_a_run_is_for_its_owner_only(
    data: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    orphan = Identity.of(sleeper.pid)
    assert orphan is not None
    _left_by_a_dead_run(data, orphan)
    assert run_file.path_of(data).stat().st_mode & 0o077 == 0


def test_pauses_before_a_restart_double_up_to_half_a_minute() -> None:
    assert [pause_after(deaths) for deaths in (1, 2, 3, 7, 50)] == [0.5, 1, 2, 30, 30]


def test_a_log_is_limited_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        limit(log, most_bytes=40)
        writer.write(b"new\n")

    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"old\n" * 10
    assert is_free(free_port())


def test_init_is_left_out_only_for_the_same_code_settings_and_servers(tmp_path: Path) -> None:
    files = ("kafka/topics/meta.properties", "postgres/password", "vault/master.key")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("first")
    initialised.mark_done(tmp_path, {"PARTITIONS": "24"})

    assert initialised.is_done(tmp_path, {"PARTITIONS": "24"})
    assert not initialised.is_done(tmp_path, {"PARTITIONS": "48"})
    (tmp_path / files[0]).write_text("another cluster")
    assert not initialised.is_done(tmp_path, {"PARTITIONS": "24"})
    (tmp_path / files[1]).unlink()
    initialised.mark_done(tmp_path, {})
    assert not initialised.is_done(tmp_path, {})
