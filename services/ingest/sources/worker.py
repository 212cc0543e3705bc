"""The process that reads the sources: `throughline work ingest`."""

from __future__ import annotations

import asyncio
import signal

from services.common import log, tracing
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.settings import IngestSettings
from services.ingest.sources.openedx import OpenEdxSource
from services.ingest.sources.settings import OpenEdxSettings
from services.ingest.writer import Writer


def run() -> None:
    """Read the sources that are configured, until SIGTERM or SIGINT."""
    settings = Settings()
    log.configure(settings.log_level)
    tracing.configure(settings, "ingest")
    asyncio.run(_work(settings, OpenEdxSettings()))


async def _work(settings: Settings, own: OpenEdxSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if not own.topics:
        log.get_logger("ingest").warning("no source is configured", fix="set OPENEDX_TOPICS")
    async with open_pool(settings) as pool:
        vault = await Vault.open(settings, pool)
        writer = Writer(settings, pool, vault, Keyring(pool, vault), IngestSettings())
        source = OpenEdxSource(own, settings.kafka_bootstrap, writer, pool)
        reading = asyncio.create_task(source.run() if own.topics else stop.wait())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await writer.close()
