"""`throughline up`: everything on one machine, kept running until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.launcher import initialised, run_file
from services.launcher.errors import DiedAtStart, LaunchError, NotReady
from services.launcher.health import http_ready, workers_ready
from services.launcher.jars import missing
from services.launcher.kafka import LocalKafka
from services.launcher.keeping import Keeper, Say
from services.launcher.postgres import LocalPostgres
from services.launcher.process import Identity, last_lines, limit, next_free_port
from services.launcher.program import Program
from services.launcher.server import LocalServer

HTTP_SERVICES = (
    *("ingest", "consent", "delivery", "promises", "feeds", "registry", "portal"),
    "projections",
)
WORKERS = ("projections", "delivery", "promises")

_COMMAND = (sys.executable, "-m", "services.cli")
_HEALTHY_WITHIN_S = 120.0
_POLL_S = 0.1
_GIVE_UP_AFTER_DEATHS = 4
_THREADS = 32  # each child has one that waits for its end
# Both together stay under the 5 s that Ctrl-C may take.
_SERVICES_END_S = 3.0
_SERVERS_END_S = 1.6


def servers_given() -> bool:
    """Whether the environment names a cluster of one's own."""
    return not os.environ.keys().isdisjoint({"KAFKA_BOOTSTRAP", "DATABASE_URL"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. The defaults are the whole hub; tests put smaller things in their place."""

    data: Path
    port: int = 8080
    demo: bool = True
    people: int = 500  # of the demo region
    command: tuple[str, ...] = _COMMAND
    workers: tuple[str, ...] = WORKERS
    projections: int = 1  # workers of that name; they share the partitions
    sources: bool = False  # read other systems' topics
    provider_topics: bool = False  # a port of the local Kafka for providers


@dataclass(frozen=True, slots=True)
class Up:
    """What `throughline up` tells once it is healthy."""

    url: str
    kafka: str
    data: str
    started_s: float
    demo: bool = False


class Supervisor:
    """One run. `run` blocks until a signal; call it from the main thread."""

    def __init__(self, plan: Plan, say: Say, healthy: Callable[[Up], None]) -> None:
        """say: progress and trouble, a line each. healthy: told the addresses once."""
        self.plan = plan
        self._data = plan.data.resolve()
        self._say = say
        self._healthy = healthy
        self._began = time.monotonic()
        self._stop = asyncio.Event()
        self._keeper = Keeper(say, self._record)
        me = Identity.of(os.getpid())
        assert me is not None
        self._run = run_file.Run(me)
        self._env: dict[str, str] = {}

    def run(self) -> None:
        """Start, keep, stop. Raises LaunchError (AlreadyRunning too) after stopping everything."""
        with run_file.claim(self._data):
            if left := run_file.end_leftovers(self._data):
                self._say(f"Ended what an interrupted run left: {', '.join(left)}")
            asyncio.run(self._main())
            run_file.remove(self._data)

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        limiting = asyncio.create_task(self._keeper.limit_logs())
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        finally:
            for task in (starting, stopping, limiting):
                task.cancel()
            with suppress(asyncio.CancelledError, LaunchError):
                await starting
            servers = frozenset({"kafka", "postgresql"})
            await self._keeper.stop([(frozenset(), _SERVICES_END_S), (servers, _SERVERS_END_S)])

    def _asked_to_stop(self) -> None:
        if not self._stop.is_set():
            self._say("Stopping; the data is kept.")
        self._stop.set()

    def _record(self, name: str, identity: Identity | None) -> None:
        self._run.children.pop(name, None)
        if identity is not None:
            self._run.children[name] = identity
        run_file.write(self._data, self._run)

    async def _start(self) -> None:
        port = self._http_port()
        url = f"http://127.0.0.1:{port}"
        self._env = {**os.environ, **await self._servers(), **self._settings(url)}
        self._run.environment = _addresses(self._env)
        await self._init()
        arguments = ("serve", *HTTP_SERVICES, "--port", str(port))
        self._keeper.keep(self._program("http", *arguments))
        for worker in self.plan.workers:
            self._keeper.keep(self._program(worker, "work", worker))
        for name in [f"projections-{n}" for n in range(2, self.plan.projections + 1)]:
            own = {"PROJECTIONS_INSTANCE_ID": name}
            self._keeper.keep(self._program(name, "work", "projections", **own))
        if self.plan.sources:
            self._keeper.keep(self._program("ingest", "work", "ingest"))
        await self._until_healthy(port)
        self._say(f"Healthy after {time.monotonic() - self._began:.1f} s")
        await self._demo()
        self._run.url = url
        run_file.write(self._data, self._run)
        took_s = round(time.monotonic() - self._began, 1)
        found = Up(url, self._env["KAFKA_BOOTSTRAP"], str(self._data), took_s, demo=self.plan.demo)
        self._healthy(found)

    def _http_port(self) -> int:
        port = next_free_port(self.plan.port)
        if port != self.plan.port:
            self._say(f"Port {self.plan.port} is in use by another program; taking {port}.")
        return port

    async def _servers(self) -> dict[str, str]:
        """Start Kafka and PostgreSQL side by side, unless the environment names others."""
        addresses: dict[str, str] = {}
        kafka = LocalKafka(
            self._data / "kafka", log=self._log("kafka"), providers=self.plan.provider_topics
        )
        postgres = LocalPostgres(self._data / "postgres", log=self._log("postgresql"))
        wanted: list[LocalServer] = []
        if "DATABASE_URL" not in os.environ:
            wanted.append(postgres)
        if "KAFKA_BOOTSTRAP" not in os.environ:
            await self._jars()
            wanted.append(kafka)
        await asyncio.gather(*(self._serve(server) for server in wanted))
        if kafka in wanted:
            addresses["KAFKA_BOOTSTRAP"] = kafka.bootstrap
            if self.plan.provider_topics:
                addresses["PROVIDER_TOPICS_BOOTSTRAP"] = kafka.providers_bootstrap
                addresses["PROVIDER_TOPICS_SECURITY_PROTOCOL"] = "SASL_PLAINTEXT"
        if postgres in wanted:
            addresses["DATABASE_URL"] = postgres.url
        return addresses

    async def _jars(self) -> None:
        """Fetch what is missing, in a process that Ctrl-C can end. Raises JarsMissing."""
        if not missing():
            return
        self._say("Fetching Apache Kafka (45 MB, once)")
        command = [sys.executable, "-m", "services.launcher.jars"]
        await self._finish(Program("jars", command, os.environ, self._log("jars")))

    async def _serve(self, server: LocalServer) -> None:
        began = time.monotonic()
        await asyncio.to_thread(server.prepare)
        self._keeper.keep(server)
        deadline = began + server.patience_s
        while not server.ready():
            if time.monotonic() > deadline:
                raise NotReady(server.name, server.patience_s, last_lines(server.log))
            await asyncio.sleep(_POLL_S)
        took_s = time.monotonic() - began
        self._say(f"{server.name} at 127.0.0.1:{server.port} ({took_s:.1f} s)")

    def _settings(self, url: str) -> dict[str, str]:
        """What our services need to know; the caller's own environment wins."""
        ours = {
            "VAULT_DIR": str(self._data / "vault"),
            "PUBLIC_URL": url,
            "PORTAL_CONSENT_URL": url,
            "PORTAL_PROMISES_URL": url,
            # Keeps a worker's partitions over a quick restart; one hub has one of each.
            "PROJECTIONS_INSTANCE_ID": "projections-1",
            "DELIVERY_INSTANCE_ID": "delivery-1",
            "PROMISES_INSTANCE_ID": "promises-1",
            "PYTHONUNBUFFERED": "1",
        }
        if self.plan.provider_topics:
            ours |= {"PROVIDER_TOPICS_ENABLED": "true", "PROVIDER_TOPICS_INSTANCE_ID": "ingest-1"}
        if self.plan.demo:
            ours |= {"DEMO": "true", "ALLOW_PRIVATE_RECEIVERS": "true"}
        return {name: os.environ.get(name, value) for name, value in ours.items()}

    def _log(self, name: str) -> Path:
        return self._data / "logs" / f"{name}.log"

    def _program(self, name: str, *arguments: str, **own: str) -> Program:
        """own: settings of this one alone."""
        command = [*self.plan.command, *arguments]
        return Program(name, command, self._env | own, self._log(name))

    async def _init(self) -> None:
        """Make topics and tables, unless this very code did so on these very servers."""
        given = servers_given()
        if not given and initialised.is_done(self._data, self._env):
            return
        # Nothing runs yet: a read model that is declared anew is made again now.
        await self._finish(self._program("init", "init", "--rebuild"), shows="Making the read")
        if not given:
            initialised.mark_done(self._data, self._env)
        self._say("Topics and tables are there")

    async def _finish(self, program: Program, *, shows: str | None = None) -> None:
        """Run a program to its end. Raises DiedAtStart with its last lines when it failed.

        shows: how the lines of its log begin that are repeated here, whenever the last one changed.
        """
        limit(program.log, most_bytes=0)
        self._keeper.own(program)
        showing = (
            asyncio.create_task(self._repeat(program.log, shows)) if shows is not None else None
        )
        try:
            code = await asyncio.to_thread(program.wait)
        finally:
            if showing is not None:
                showing.cancel()
        self._record(program.name, None)
        if code:
            raise DiedAtStart(program.name, code, last_lines(program.log))

    async def _until_healthy(self, port: int) -> None:
        """Wait for the HTTP process and the workers. Raises LaunchError when one gives up."""
        deadline = time.monotonic() + _HEALTHY_WITHIN_S
        bootstrap = self._env["KAFKA_BOOTSTRAP"]
        while not (
            await http_ready(port)
            and await asyncio.to_thread(workers_ready, bootstrap, self.plan.workers)
        ):
            for name, deaths in self._keeper.deaths.items():
                if deaths >= _GIVE_UP_AFTER_DEATHS:
                    raise DiedAtStart(name, None, last_lines(self._log(name)))
            if time.monotonic() > deadline:
                raise NotReady("Throughline", _HEALTHY_WITHIN_S, last_lines(self._log("http")))
            await asyncio.sleep(_POLL_S)

    async def _demo(self) -> None:
        """Seed once per data directory, then keep life in it."""
        if not self.plan.demo:
            return
        seeded = self._data / "seeded"
        if not seeded.exists():
            await self._seed()
            seeded.touch()
        self._keeper.keep(self._program("live", *self._seed_command, "--live"))

    async def _seed(self) -> None:
        """Run the seed, and show how far it is."""
        self._say("Seeding the demo region")
        await self._finish(self._program("seed", *self._seed_command), shows="")

    @property
    def _seed_command(self) -> tuple[str, ...]:
        return "seed", "--workers", str(self.plan.people)

    async def _repeat(self, log: Path, begins: str) -> None:
        shown = ""
        while True:
            await asyncio.sleep(1)
            line = last_lines(log, 1).strip()
            if line and line != shown and line.startswith(begins):
                self._say(f"  {line}")
                shown = line


def _addresses(env: Mapping[str, str]) -> dict[str, str]:
    """What another command needs to reach this hub."""
    names: Sequence[str] = (
        "KAFKA_BOOTSTRAP", "DATABASE_URL", "TOPIC_PREFIX", "PARTITIONS", "VAULT_DIR", "PUBLIC_URL",
        "PORTAL_CONSENT_URL", "PORTAL_PROMISES_URL", "DEMO", "ALLOW_PRIVATE_RECEIVERS",
        "PROVIDER_TOPICS_ENABLED", "PROVIDER_TOPICS_BOOTSTRAP", "PROVIDER_TOPICS_SECURITY_PROTOCOL",
    )  # fmt: skip
    return {name: env[name] for name in names if name in env}
