"""One Kafka and one PostgreSQL for the whole session; a fresh prefix and database per test.

`KAFKA_BOOTSTRAP` and `DATABASE_URL` point the tests at servers that already run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import hypothesis
import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from services.common.access import Role, issue_key
from services.common.http import build_app
from services.common.kafka import create_topics, open_producer
from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.common.setup import make_tables

# Tests that are not about agreements need none. The hub's processes inherit this.
os.environ.setdefault("INGEST_REQUIRE_AGREEMENT", "false")
# On a busy machine the read model comes late. The hub's processes inherit this.
os.environ.setdefault("PORTAL_AFTER_PATIENCE", "PT60S")
# Kafka starts often and never runs long here: Java's quick compiler alone costs less.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
# For a broker that no test kills: the pause of a busy machine is not its end.
NEVER_FENCED = {"broker.session.timeout.ms": "60000"}


_MEMORY = Path("/dev/shm")
_ROOM = 6 << 30  # bytes; the servers of fifteen files, some their own, took 0.7 GB


@contextlib.contextmanager
def servers_folder() -> Iterator[Path]:
    """A folder for servers' data, in memory where there is room.

    A test's database alone is 770 files, made and removed: on a disk that took most of the time of
    its set-up, and the longer the more others write there.

    Not below pytest's own folder, which each start of pytest closes to other users again:
    PostgreSQL, which does not run as root, would lose its data in the middle of a run.
    """
    where = _MEMORY if _has_room() else None
    prefix = f"throughline-tests-{os.getpid()}-"
    made = tempfile.TemporaryDirectory(prefix=prefix, dir=where, ignore_cleanup_errors=True)
    with made as folder:
        yield Path(folder)


def _has_room() -> bool:
    if not os.access(_MEMORY, os.W_OK):
        return False
    for left in _MEMORY.glob("throughline-tests-*"):  # by a run that was killed
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    return min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available) > _ROOM


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    with servers_folder() as folder:
        yield folder


@contextlib.contextmanager
def kafka_server(folder: Path) -> Iterator[str]:
    """Where Kafka is: the one that `KAFKA_BOOTSTRAP` names, or one of our own."""
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        yield given
        return
    from services.launcher.kafka import LocalKafka

    kafka = LocalKafka(folder / "kafka", settings=NEVER_FENCED)
    kafka.start()
    yield kafka.bootstrap
    kafka.stop()


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Where PostgreSQL is: the one that `DATABASE_URL` names, or one of our own."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    from services.launcher.postgres import LocalPostgres

    # Not to the disk: these data end with the session, and a killed server still keeps them.
    settings = {"fsync": "off", "full_page_writes": "off"}
    postgres = LocalPostgres(folder / "postgres", settings=settings)
    postgres.start()
    yield postgres.url
    postgres.stop()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers here when several processes test side by side: they share them."""
    if not config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        return
    servers = contextlib.ExitStack()
    data = servers.enter_context(servers_folder())
    os.environ["KAFKA_BOOTSTRAP"] = servers.enter_context(kafka_server(data))
    os.environ["DATABASE_URL"] = servers.enter_context(postgres_server(data))
    config.add_cleanup(servers.close)


def pytest_collection_finish() -> None:
    """No collection of garbage looks again at what all tests imported: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def kafka_bootstrap(data_dir: Path) -> Iterator[str]:
    with kafka_server(data_dir) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres_url(data_dir: Path) -> Iterator[str]:
    with postgres_server(data_dir) as url:
        yield url


def _with_database(url: str, name: str) -> str:
    head, _, query = url.partition("?")
    base = head.rsplit("/", 1)[0] if head.count("/") > 2 else head
    return f"{base}/{name}" + (f"?{query}" if query else "")


# How long an example takes says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile(
    "hub",
    hypothesis.settings.get_profile("default"),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
# CI judges a change, not its own luck: the same examples in every run. All others look for new ones.
hypothesis.settings.register_profile(
    "hub-ci", hypothesis.settings.get_profile("hub"), derandomize=True, database=None
)
hypothesis.settings.load_profile("hub-ci" if os.environ.get("CI") else "hub")


class Template:
    """A hub's tables and its master key, made once: a test starts from a copy of both."""

    def __init__(self, postgres_url: str, vault_dir: Path) -> None:
        self.name = f"template_{secrets.token_hex(6)}"
        self.vault_dir = vault_dir
        self._settings = Settings(
            kafka_bootstrap="",
            database_url=SecretStr(_with_database(postgres_url, self.name)),
            vault_dir=vault_dir,
        )

    async def make(self, admin: asyncpg.Connection[asyncpg.Record]) -> None:
        await admin.execute(f"CREATE DATABASE {self.name}")
        await make_tables(self._settings)


@pytest.fixture(scope="session")
def template(postgres_url: str, data_dir: Path) -> Iterator[Template]:
    made = Template(postgres_url, data_dir / "vault")
    asyncio.run(_as_admin(postgres_url, made.make))
    yield made
    drop = f"DROP DATABASE {made.name} WITH (FORCE)"
    asyncio.run(_as_admin(postgres_url, lambda admin: admin.execute(drop)))


async def _as_admin(
    url: str, work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[object]]
) -> None:
    admin = await asyncpg.connect(url)
    try:
        await work(admin)
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def _database(postgres_url: str, template: str) -> AsyncIterator[str]:
    name = f"t_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres_url)
    try:
        # As files, which takes half as long as through the write-ahead log.
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield _with_database(postgres_url, name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def database_url(postgres_url: str, template: Template) -> AsyncIterator[str]:
    """A database of the test's own, with a hub's tables, dropped afterwards."""
    async with _database(postgres_url, template.name) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """As `database_url`, without any table."""
    async with _database(postgres_url, "template1") as url:
        yield url


@pytest.fixture
async def settings(
    kafka_bootstrap: str, database_url: str, template: Template, tmp_path: Path
) -> AsyncIterator[Settings]:
    """Settings of a hub of the test's own, with topics and tables made."""
    made = Settings(
        kafka_bootstrap=kafka_bootstrap,
        database_url=SecretStr(database_url),
        topic_prefix=f"t{secrets.token_hex(4)}.",
        partitions=4,
        vault_dir=tmp_path / "vault",
        demo=True,
        allow_private_receivers=True,
    )
    shutil.copytree(template.vault_dir, made.vault_dir)
    await create_topics(made)
    yield made
    await _delete_topics(made)


async def _delete_topics(settings: Settings) -> None:
    """A broker is slower with each topic it holds. Ours may be gone: then so are they."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    # aiokafka asks a controller that it does not know any more for its attributes.
    with contextlib.suppress(KafkaError, TimeoutError, AttributeError):
        await admin.start()
        names = [n for n in await admin.list_topics() if n.startswith(settings.topic_prefix)]
        await admin.delete_topics(names)
    await admin.close()


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The same settings for a process of its own."""
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TOPIC_PREFIX": settings.topic_prefix,
        "PARTITIONS": str(settings.partitions),
        "VAULT_DIR": str(settings.vault_dir),
        "DEMO": "true",
        "ALLOW_PRIVATE_RECEIVERS": "true",
    }


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[Pool]:
    async with open_pool(settings) as opened:
        yield opened


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with open_producer(settings) as opened:
        yield opened


class Hub:
    """The HTTP services in this process, and keys to call them with."""

    def __init__(self, http: httpx.AsyncClient, pool: Pool) -> None:
        self.http = http
        self.pool = pool

    async def key(self, role: Role, subject: str) -> dict[str, str]:
        """Headers of a fresh key for an organisation or a worker."""
        return {"Authorization": f"Bearer {await issue_key(self.pool, role, subject)}"}


@cache
def service_module(name: str) -> Any:
    """A service's module; no collection of garbage looks at it again."""
    found = import_module(f"services.{name}.__main__")
    gc.collect()
    gc.freeze()
    return found


@pytest.fixture
async def hub(settings: Settings, pool: Pool, request: pytest.FixtureRequest) -> AsyncIterator[Hub]:
    """The services that the test's module names in `SERVICES`, without a socket."""
    names = getattr(request.module, "SERVICES", ("ingest", "consent", "portal"))
    app = build_app([service_module(name).service() for name in names], settings)
    async with AsyncExitStack() as stack:
        manager = LifespanManager(app, startup_timeout=120, shutdown_timeout=120)
        await stack.enter_async_context(manager)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url="http://hub.test")
        yield Hub(await stack.enter_async_context(http), pool)
