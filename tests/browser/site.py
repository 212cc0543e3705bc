"""The portal on a real socket, with a read model that the real projections worker keeps."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import uvicorn
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from services.common.access import Role, issue_key
from services.common.http import build_app
from services.common.kafka import Position, open_producer
from services.common.positions import wait_until_read
from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.common.setup import initialise
from services.common.vault import Keyring, Vault
from services.consent.__main__ import service as consent
from services.feeds.__main__ import service as feeds
from services.ingest.__main__ import service as ingest
from services.portal.__main__ import service as portal
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from services.promises.__main__ import service as promises
from services.registry.__main__ import service as registry
from tests.browser.people import Log
from tests.conftest import _with_database
from tests.sockets import bound, port_of

T = TypeVar("T")
PICTURES = bool(os.environ.get("SCREENSHOTS"))


class Site:
    """Runs in a thread with a loop of its own, so that the browser's tests need none."""

    def __init__(self, kafka: str, postgres: str, folder: Path, *, demo: bool = True) -> None:
        self._socket = bound()
        self.url = f"http://127.0.0.1:{port_of(self._socket)}"
        self._postgres = postgres
        self._database = f"t_{secrets.token_hex(6)}"
        self.settings = Settings(
            kafka_bootstrap=kafka,
            database_url=SecretStr(_with_database(postgres, self._database)),
            # Pictures show the name that topics have in use.
            topic_prefix="workforce." if PICTURES else f"t{secrets.token_hex(4)}.",
            partitions=4,
            vault_dir=folder / "vault",
            public_url=self.url,
            demo=demo,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()
        self.pool: Pool
        self.log: Log

    def do(self, work: Coroutine[Any, Any, T], within_s: float = 120) -> T:
        """Run something on the site's loop and answer its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within_s)

    def start(self) -> None:
        self._thread.start()
        self.do(self._start(), within_s=280)

    def stop(self) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _admin(self, statement: str) -> None:
        admin = await asyncpg.connect(self._postgres)
        await admin.execute(statement)
        await admin.close()

    async def _start(self) -> None:
        await self._admin(f"CREATE DATABASE {self._database}")
        await initialise(self.settings)
        self.pool = await self._stack.enter_async_context(open_pool(self.settings, most=4))
        producer = await self._stack.enter_async_context(open_producer(self.settings))
        self.log = Log(self.settings, producer, Keyring(self.pool, await Vault.open(self.settings)))
        self._worker = ProjectionsWorker(self.settings, ProjectionsSettings(), PROJECTIONS)
        self._projecting = asyncio.create_task(self._worker.run())
        app = build_app(
            [ingest(), consent(), portal(), feeds(), promises(), registry()], self.settings
        )
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._answers()

    async def _answers(self) -> None:
        while not self._server.started:
            assert not self._serving.done(), "the server did not start"
            await asyncio.sleep(0.02)

    async def _stop(self) -> None:
        self._server.should_exit = True
        await self._serving
        self._worker.stop()
        await self._projecting
        await self._stack.aclose()
        await self._admin(f"DROP DATABASE {self._database} WITH (FORCE)")

    async def read(self) -> None:
        """Wait until the read model holds everything that the log was given here."""
        for position in self.log.ends.values():
            await wait_until_read(self.pool, position, within_s=100)

    async def read_to_the_end(self, topic: str) -> None:
        """Wait until the read model holds what anybody wrote to a topic until now."""
        full = self.settings.topic(topic)
        places = [TopicPartition(full, number) for number in range(self.settings.partitions)]
        async with AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap) as consumer:
            ends = await consumer.end_offsets(places)
        for place, end in ends.items():
            if end:
                last = Position(topic, place.partition, end - 1)
                await wait_until_read(self.pool, last, within_s=100)

    async def key(self, role: Role, subject: str) -> str:
        return await issue_key(self.pool, role, subject)
