"""Kafka, PostgreSQL, a database of one's own, and processes that are measured."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr

from services.common.kafka import create_topics
from services.common.settings import Settings
from services.launcher.kafka import LocalKafka
from services.launcher.postgres import LocalPostgres

_TIMEOUT_S = 900
# A server's, not a laptop's: the launcher's own 256 MB of buffers do not hold 5 M events' indexes,
# and with 2 GB of log each page is written whole again every minute.
# A server that has run for a while writes over log files that it has; a new one fills each with
# zeros first.
_POSTGRES = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_init_zero": "off",
}


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Where Kafka and PostgreSQL are: those the environment names, or some of our own."""
    given = os.environ.get("KAFKA_BOOTSTRAP"), os.environ.get("DATABASE_URL")
    if given[0] and given[1]:
        yield given[0], given[1]
        return
    with tempfile.TemporaryDirectory() as folder:
        kafka = LocalKafka(Path(folder) / "kafka")
        postgres = LocalPostgres(Path(folder) / "postgres", settings=_POSTGRES)
        kafka.start()
        postgres.start()
        try:
            yield kafka.bootstrap, postgres.url
        finally:
            postgres.stop()
            kafka.stop()


@asynccontextmanager
async def hub(bootstrap: str, database_url: str) -> AsyncIterator[Settings]:
    """Topics and a database of the benchmark's own; the database is dropped afterwards."""
    name = f"bench_{secrets.token_hex(4)}"
    settings = Settings(
        kafka_bootstrap=bootstrap,
        database_url=SecretStr(with_database(database_url, name)),
        topic_prefix=f"{name}.",
    )
    await create_topics(settings)
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        yield settings
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def with_database(url: str, name: str) -> str:
    """The same server's URL with another database in it."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def measured(module: str, *arguments: str) -> float:
    """Run a contestant in a process of its own; it prints its events per second last.

    Raises AssertionError when it fails, whatever it printed before.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    if process.returncode != 0:
        raise AssertionError(f"{module} ended with {process.returncode}")
    return float(out.split()[-1])
