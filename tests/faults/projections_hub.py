"""Projection workers with a Kafka and a PostgreSQL of their own, and everything that befalls them."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from services.common.settings import Settings
from services.common.setup import initialise
from services.launcher.kafka import LocalKafka
from services.launcher.postgres import LocalPostgres
from services.launcher.process import LOOPBACK
from services.launcher.program import Program
from services.launcher.server import LocalServer
from tests.faults.cutting import Wire

WORKERS = 3
SESSION_S = 6  # the shortest that Kafka grants by default
# Who can't write for so long gives way. Short, so that a stalled wire shows it.
LONGEST_WRITE_S = 12


class WiredKafka(LocalKafka):
    """A broker with one more door for each worker, which is told to come in by its own wire."""

    def __init__(self, data_dir: Path, wires: Mapping[str, Wire]) -> None:
        super().__init__(data_dir)
        self._wires = wires

    def _port_roles(self) -> tuple[str, ...]:
        return (*super()._port_roles(), *self._wires)

    def _prepare(self) -> None:
        super()._prepare()
        ports = self._ports
        own = {"CLIENTS": ports["clients"], "CONTROLLER": ports["controller"]}
        doors = own | {name: ports[name] for name in self._wires}
        told = {"CLIENTS": ports["clients"]} | {n: w.port for n, w in self._wires.items()}
        # Of a property that stands twice the later counts.
        with self._properties.open("a") as file:
            file.write(
                f"listeners={_addresses(doors)}\nadvertised.listeners={_addresses(told)}\n"
                f"listener.security.protocol.map={','.join(f'{n}:PLAINTEXT' for n in doors)}\n"
            )
        for name, wire in self._wires.items():
            wire.to_port = ports[name]


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())


class ProjectionsHub:
    """Starts what died again, as the launcher does, and counts what befell whom."""

    def __init__(self, folder: Path) -> None:
        names = [f"W{number}" for number in range(WORKERS)]
        self.to_kafka = {name: Wire() for name in names}
        self.to_postgres = {name: Wire() for name in names}
        self.kafka = WiredKafka(folder / "kafka", self.to_kafka)
        self.postgres = LocalPostgres(folder / "postgres")
        self.workers: dict[str, Program] = {}
        self.befell: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self._folder = folder
        self._away: set[str] = set()  # not to be started again yet

    @property
    def wires(self) -> list[Wire]:
        return [*self.to_kafka.values(), *self.to_postgres.values()]

    async def start(self) -> Settings:
        """Start everything. The answer's addresses lead past the wires."""
        servers: tuple[LocalServer, ...] = (self.kafka, self.postgres)
        for server in servers:
            server.launch()
        for server in servers:
            await asyncio.to_thread(server.wait_ready)
        for wire in self.wires:
            await wire.start()
        for wire in self.to_postgres.values():
            wire.to_port = self.postgres.port
        settings = Settings(
            kafka_bootstrap=self.kafka.bootstrap,
            database_url=SecretStr(self.postgres.url),
            topic_prefix=f"f{secrets.token_hex(3)}.",
            partitions=6,
            vault_dir=self._folder / "vault",
        )
        await initialise(settings)
        for name in self.to_kafka:
            self.workers[name] = self._program(name, settings)
            self.workers[name].launch()
        return settings

    def _program(self, name: str, settings: Settings) -> Program:
        url = urlsplit(settings.database_url.get_secret_value())
        by_wire = f"{url.username}:{url.password}@{LOOPBACK}:{self.to_postgres[name].port}"
        env = {
            **os.environ,
            "KAFKA_BOOTSTRAP": f"{LOOPBACK}:{self.to_kafka[name].port}",
            "DATABASE_URL": urlunsplit(url._replace(netloc=by_wire)),
            "TOPIC_PREFIX": settings.topic_prefix,
            "PARTITIONS": str(settings.partitions),
            "VAULT_DIR": str(settings.vault_dir),
            "PROJECTIONS_INSTANCE_ID": f"projections-{name}",
            "PROJECTIONS_SESSION_TIMEOUT": f"PT{SESSION_S}S",
            "PROJECTIONS_LONGEST_WRITE": f"PT{LONGEST_WRITE_S}S",
        }
        command = [sys.executable, "-m", "services.cli", "work", "projections"]
        return Program(name, command, env, self._folder / f"{name}.log")

    async def keep_running(self) -> None:
        """Start again what died by itself, for ever. A crash is counted, not forgiven silently."""
        while True:
            for name, worker in self.workers.items():
                if worker.pid is None and name not in self._away:
                    self.crashes[name] += 1
                    worker.launch()
            await asyncio.sleep(0.2)

    def unhealthy(self) -> list[str]:
        return [name for name, worker in self.workers.items() if worker.pid is None]

    async def kill(self, name: str, away_s: float) -> None:
        """SIGKILL, and start again after a while."""
        self._away.add(name)
        self.workers[name].kill()
        await asyncio.sleep(away_s)
        self.workers[name].launch()
        self._away.discard(name)

    async def leave(self, name: str, away_s: float) -> None:
        """End it as an operator would, and start it again after a while."""
        self._away.add(name)
        self.workers[name].ask_to_stop()
        await asyncio.to_thread(self.workers[name].wait)
        await asyncio.sleep(away_s)
        self.workers[name].launch()
        self._away.discard(name)

    async def freeze(self, name: str, for_s: float) -> None:
        """SIGSTOP for longer than its session lasts, then SIGCONT: a zombie that wakes up."""
        pid = self.workers[name].pid
        if pid is None:
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def restart_kafka(self, how: signal.Signals, away_s: float) -> None:
        await self._restart(self.kafka, how, away_s)

    async def restart_postgres(self, how: signal.Signals, away_s: float) -> None:
        """SIGQUIT is PostgreSQL's immediate shutdown: no checkpoint, recovery at the next start."""
        await self._restart(self.postgres, how, away_s)
        for wire in self.to_postgres.values():
            wire.to_port = self.postgres.port

    async def _restart(self, server: LocalServer, how: signal.Signals, away_s: float) -> None:
        if server.pid is not None:
            os.kill(server.pid, how)
        await asyncio.to_thread(server.wait)
        await asyncio.sleep(away_s)
        server.launch()
        await asyncio.to_thread(server.wait_ready)

    async def trouble(self, wire: Wire, how: Callable[[], None], for_s: float) -> None:
        how()
        await asyncio.sleep(for_s)
        wire.mend()

    async def stop(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        for wire in self.wires:
            await wire.stop()
        self.kafka.kill()
        self.postgres.stop()
