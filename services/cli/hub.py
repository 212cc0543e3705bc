"""Finds the hub a command speaks to: the environment's, or the one that runs here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from services.launcher import run_file

if TYPE_CHECKING:
    from services.common.settings import Settings

T = TypeVar("T")


def hub_settings(data: Path) -> Settings:
    """Settings from the environment; what is not set there comes from a run on `data`.

    The process's environment is completed, because each service reads its own part of it.
    """
    from services.common.settings import Settings

    run = run_file.running(data)
    if run is not None and not {"KAFKA_BOOTSTRAP", "DATABASE_URL"} & os.environ.keys():
        for name, value in run.environment.items():
            os.environ.setdefault(name, value)
    return Settings()


def on_hub(work: Callable[[Settings], Coroutine[None, None, T]], data: Path) -> T:
    """What the work answers, done with the settings of the hub that the command speaks to."""
    return asyncio.run(work(hub_settings(data)))


async def existing_topics(settings: Settings) -> set[str]:
    """Full names of the topics there are. Raises DependencyDown when Kafka does not answer."""
    import logging

    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    from services.common.errors import DependencyDown

    # The error below says it once; the library would say it in lines of its own.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    try:
        await admin.start()
        return set(await admin.list_topics())
    except KafkaError as error:
        raise DependencyDown(f"Kafka at {settings.kafka_bootstrap} does not answer") from error
    finally:
        await admin.close()
