"""The embedded Kafka and PostgreSQL: data survives SIGKILL, ports stay, nothing foreign is run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.launcher import jars
from services.launcher.errors import AlreadyRunning, JarMismatch, PortTaken
from services.launcher.kafka import LocalKafka, new_cluster_id
from services.launcher.postgres import LocalPostgres
from services.launcher.process import Identity
from tests.processes import until


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    server = LocalKafka(tmp_path / "kafka")
    yield server
    server.kill()


@pytest.fixture
def postgres(data_dir: Path, tmp_path: Path) -> Iterator[LocalPostgres]:
    server = LocalPostgres(data_dir / tmp_path.name)
    yield server
    server.kill()


async def _produce(bootstrap: str, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True
    ) as producer:
        for number in range(count):
            await producer.send_and_wait("kept", b"%d" % number)


async def _consume(bootstrap: str, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(
        "kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        return [(await consumer.getone()).value for _ in range(count)]


async def test_what_kafka_acknowledged_survives_a_kill_on_the_same_port(kafka: LocalKafka) -> None:
    kafka.start()
    bootstrap = kafka.bootstrap
    await _produce(bootstrap, 20)

    kafka.kill()
    assert kafka.pid is None
    kafka.start()

    assert kafka.bootstrap == bootstrap
    assert await _consume(bootstrap, 20) == [b"%d" % number for number in range(20)]
    kafka.stop(timeout_s=60)
    assert kafka.wait() == 143  # ended by SIGTERM, in order: Java answers 128 + 15


@pytest.fixture
def foreign_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which one jar is not the pinned one."""
    jars.verified_jars()
    real = jars.cache_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = jars.cache_dir()
    folder.mkdir(parents=True)
    for name in jars.pinned():
        (folder / name).symlink_to(real / name)
    foreign = folder / "kafka-server-4.1.0.jar"
    foreign.unlink()
    foreign.write_bytes((real / foreign.name).read_bytes() + b"x")
    return foreign


def test_java_is_not_started_with_a_jar_that_is_not_the_pinned_one(
    foreign_jar: Path, kafka: LocalKafka
) -> None:
    with pytest.raises(JarMismatch, match=foreign_jar.name):
        kafka.start()

    assert kafka.pid is None
    assert not (kafka.data_dir / "topics").exists()


def test_without_jars_and_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    nowhere = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }

    done = subprocess.run(
        [sys.executable, "-m", "services.launcher.jars"],
        env=nowhere,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "could not be fetched" in done.stderr
    assert "KAFKA_BOOTSTRAP" in done.stderr
    assert "Traceback" not in done.stderr


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_what_postgresql_committed_survives_a_kill_and_a_stop(
    postgres: LocalPostgres,
) -> None:
    postgres.start()
    url = postgres.url
    await _ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 20)")

    postgres.kill()
    postgres.start()
    assert await _ask(url, "SELECT count(*) FROM kept") == 20

    postgres.stop()
    postgres.start()
    assert postgres.url == url
    assert await _ask(url, "SELECT count(*) FROM kept") == 20


async def test_nobody_gets_into_postgresql_without_its_password(postgres: LocalPostgres) -> None:
    postgres.start()
    password = postgres.url.split(":")[2].split("@")[0]

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.url.replace(password, "guess"))
    assert (postgres.data_dir / "password").stat().st_mode & 0o077 == 0


async def test_commits_of_postgresql_are_on_the_disk(postgres: LocalPostgres) -> None:
    postgres.start()
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await _ask(postgres.url, f"SHOW {setting}") == "on"


def test_a_lock_whose_pid_went_to_another_process_does_not_stop_postgresql(
    postgres: LocalPostgres,
) -> None:
    postgres.start()
    lock = postgres.data_dir / "cluster" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    postgres.kill()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    postgres.start()

    assert postgres.pid is not None


def test_a_second_postgresql_on_the_same_data_is_refused(postgres: LocalPostgres) -> None:
    postgres.start()

    with pytest.raises(AlreadyRunning, match=str(postgres.pid)):
        LocalPostgres(postgres.data_dir).start()


def test_an_interrupted_initdb_is_done_again(postgres: LocalPostgres) -> None:
    cluster = postgres.data_dir / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("18\n")
    (postgres.data_dir / "initdb-not-finished").touch()

    postgres.start()

    assert postgres.pid is not None


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PortTaken, match=str(port)):
            LocalPostgres(tmp_path / "postgres", port).start()


async def test_a_server_ends_when_the_process_that_started_it_is_killed(
    data_dir: Path, tmp_path: Path
) -> None:
    """Only Linux can promise that; elsewhere the next start cleans up."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    code = (
        "import pathlib, sys, time; from services.launcher.postgres import LocalPostgres\n"
        "server = LocalPostgres(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir / tmp_path.name)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    server = Identity.of(int(parent.stdout.readline()))
    assert server is not None

    parent.kill()
    parent.wait()

    async def ended() -> bool:
        return not server.runs()

    await until(ended)


def test_no_cluster_id_reads_as_an_option() -> None:
    ids = {new_cluster_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert not any(found.startswith("-") for found in ids)
