"""A whole hub of a fault run's own: Kafka, PostgreSQL and the processes, killed and started again."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import Counter
from pathlib import Path

import httpx
from pydantic import SecretStr

from services.common.settings import Settings
from services.common.setup import initialise
from services.launcher.kafka import LocalKafka
from services.launcher.postgres import LocalPostgres
from services.launcher.server import LocalServer
from tests.processes import HubProcess, free_port, until

COMMANDS = {
    "projections": ("work", "projections"),
    "delivery": ("work", "delivery"),
    "promises": ("work", "promises"),
}


class FaultyHub:
    """Keeps every process running, as the launcher's supervisor does, and counts the deaths."""

    def __init__(self, folder: Path) -> None:
        self.kafka = LocalKafka(folder / "kafka")
        self.postgres = LocalPostgres(folder / "postgres")
        self.servers: dict[str, LocalServer] = {"kafka": self.kafka, "postgresql": self.postgres}
        self.processes: dict[str, HubProcess] = {}
        self.kills: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._down: set[str] = set()  # killed, and not to be started again yet

    async def start(self) -> Settings:
        """Start everything and answer the settings to reach it with."""
        for server in self.servers.values():
            server.prepare()
            server.launch()
        for server in self.servers.values():
            await asyncio.to_thread(server.wait_ready)
        settings = Settings(
            kafka_bootstrap=self.kafka.bootstrap,
            database_url=SecretStr(self.postgres.url),
            topic_prefix=f"f{secrets.token_hex(3)}.",
            partitions=4,
            vault_dir=self._folder / "vault",
            allow_private_receivers=True,
        )
        await initialise(settings)
        self._make_processes(settings)
        for process in self.processes.values():
            process.start()
        await until(self.ready, within_s=90)
        return settings

    def _make_processes(self, settings: Settings) -> None:
        env = {
            **os.environ,
            "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "TOPIC_PREFIX": settings.topic_prefix,
            "PARTITIONS": str(settings.partitions),
            "VAULT_DIR": str(settings.vault_dir),
            "ALLOW_PRIVATE_RECEIVERS": "true",
            "INGEST_REQUIRE_AGREEMENT": "false",
            "PUBLIC_URL": self.url,
            "PORTAL_CONSENT_URL": self.url,
        }
        port = self.url.rpartition(":")[2]
        services = ("ingest", "consent", "delivery", "promises", "feeds", "portal")
        serve = ("serve", *services, "--port", port)
        for name, command in {"http": serve, **COMMANDS}.items():
            log = self._folder / f"{name}.log"
            self.processes[name] = HubProcess(*command, environment=env, log=log)

    @property
    def targets(self) -> list[str]:
        """All that can be killed."""
        return [*self.processes, *self.servers]

    async def ready(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=5) as http:
                return (await http.get(f"{self.url}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    async def keep_running(self) -> None:
        """Start again what died by itself, for ever. A crash is counted, not forgiven silently."""
        while True:
            for name, process in self.processes.items():
                if not process.running and name not in self._down:
                    self.crashes[name] += 1
                    process.start()
            await asyncio.sleep(0.2)

    def kill(self, name: str) -> None:
        """SIGKILL; it stays away until it is brought back."""
        self._down.add(name)
        self.kills[name] += 1
        self._target(name).kill()

    async def bring_back(self, name: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        target = self._target(name)
        if isinstance(target, LocalServer):
            target.launch()
            await asyncio.to_thread(target.wait_ready)
        else:
            target.start()
        self._down.discard(name)

    def _target(self, name: str) -> HubProcess | LocalServer:
        return self.processes.get(name) or self.servers[name]

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()
        for server in self.servers.values():
            server.stop()
