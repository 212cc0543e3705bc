"""Their Kafka goes while it is read: that is told, and reading goes on once it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaProducer

from connectors.testing import listening
from services.cli.doctor import openedx as doctor_says
from services.common.access import Role, issue_key
from services.common.postgres import Pool
from services.common.settings import Settings
from services.launcher.kafka import LocalKafka
from tests.openedx.test_openedx_source import make_topic
from tests.openedx.test_registry_answers import (
    SchemaRegistry,
    Topic,
    goes_on,
    reading,
    types_on_the_log,
)
from tests.processes import until


async def test_kafka_that_goes_is_told_and_reading_goes_on_when_it_is_back(
    settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    await issue_key(pool, Role.PROVIDER, "open-edx")
    kafka = LocalKafka(tmp_path / "kafka")
    await asyncio.to_thread(kafka.start)
    theirs = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})

    async def waits() -> bool:
        return "waits since" in (await doctor_says(settings)).found

    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        topic = Topic(producer)
        await make_topic(theirs, topic.name, partitions=1)
        async with (
            listening(SchemaRegistry().answer) as url,
            reading(settings, pool, topic, url, bootstrap=kafka.bootstrap),
        ):
            await topic.send(1)
            await types_on_the_log(settings, 2)
            await asyncio.to_thread(kafka.stop)
            await until(waits)
            await asyncio.to_thread(kafka.start)
            await topic.send(2)
            await types_on_the_log(settings, 3)
            await until(lambda: goes_on(pool))
    await asyncio.to_thread(kafka.stop)
