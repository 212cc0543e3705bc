"""The process that reads the sources: `throughline work ingest`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from services.common import agreements_on_file, log, tracing
from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.common.tasks import end
from services.common.vault import Keyring, Vault
from services.ingest.settings import IngestSettings
from services.ingest.sources.openedx import OpenEdxSource
from services.ingest.sources.provider_topics import ProviderTopics
from services.ingest.sources.settings import OpenEdxSettings, ProviderTopicSettings
from services.ingest.writer import Writer


def run() -> None:
    """Read the sources that are configured, until SIGTERM or SIGINT."""
    settings = Settings()
    log.configure(settings.log_level)
    tracing.configure(settings, "ingest")
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_pool(settings) as pool:
        vault = await Vault.open(settings, pool)
        await agreements_on_file.restore(settings, pool)
        writer = Writer(settings, pool, vault, Keyring(pool, vault), IngestSettings())
        reading = {asyncio.create_task(source) for source in _sources(settings, writer, pool)}
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({*reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in reading:
                if task.done():
                    task.result()
        finally:
            await end(*reading, stopped)
            await writer.close()


def _sources(settings: Settings, writer: Writer, pool: Pool) -> list[Coroutine[Any, Any, None]]:
    """One for each source that is configured."""
    found: list[Coroutine[Any, Any, None]] = []
    edx, topics = OpenEdxSettings(), ProviderTopicSettings()
    if edx.topics:
        found.append(OpenEdxSource(edx, settings.kafka_bootstrap, writer, pool).run())
    if topics.enabled:
        found.append(ProviderTopics(topics, settings, writer, pool).run())
    if not found:
        fix = "set OPENEDX_TOPICS or PROVIDER_TOPICS_ENABLED"
        log.get_logger("ingest").warning("no source is configured", fix=fix)
    return found
