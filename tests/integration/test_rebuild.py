"""The read model made again from the log while everything runs: what is read never fails or lies."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections.comparing import compare
from services.projections.projections import PROJECTIONS
from services.projections.rebuild import work
from services.projections.rebuild.builder import Builder
from services.projections.rebuild.steps import Rebuild
from services.projections.rebuild.work import StepRefused
from services.projections.worker import ProjectionsWorker
from tests.integration.test_projections import (
    QUICK,
    publish,
    session,
    worker_id,
)
from tests.processes import HubProcess, until
from tests.projection_kit import make

OPERATOR = "hub"
# The builder of a test is in this process: it shall not wait for others.
OWN = QUICK.model_copy(update={"rebuild_gives_way_for": timedelta(0)})


@pytest.fixture
def rebuild(pool: Pool) -> Rebuild:
    return Rebuild(pool, "read")


@asynccontextmanager
async def running(worker: ProjectionsWorker | Builder) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


def live(settings: Settings) -> ProjectionsWorker:
    return ProjectionsWorker(settings, QUICK, PROJECTIONS)


def builder(settings: Settings) -> Builder:
    return Builder(settings, OWN)


async def passed(pool: Pool, schema: str, records: int) -> None:
    """Wait until the tables of a schema have passed so many records."""

    async def reached() -> bool:
        query = f"SELECT coalesce(sum(next_offset), 0) FROM {schema}.stream_position"
        return bool(await pool.fetchval(query) >= records)

    await until(reached)


def sessions(count: int, workers: int = 40) -> list[tuple[str, dict[str, object]]]:
    return [session(n % workers, n % 3) for n in range(count)]  # type: ignore[misc]


async def stories(pool: Pool, schema: str = "read") -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM {schema}.story"))


async def test_rebuilt_tables_are_the_same_and_take_the_place_of_those_in_use(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer, rebuild: Rebuild
) -> None:
    await publish(settings, producer, sessions(2_000))
    async with running(live(settings)):
        await passed(pool, "read", 2_000)
        before = await pool.fetchval("SELECT 'read.story'::regclass::oid")
        await rebuild.start(OPERATOR, None)
        async with running(builder(settings)):
            await passed(pool, "read_next", 2_000)
            assert (await rebuild.compare()).equal
            await rebuild.switch()
            assert await pool.fetchval("SELECT 'read_old.story'::regclass::oid") == before

            await publish(settings, producer, sessions(300))
            await passed(pool, "read", 2_300)
            await passed(pool, "read_old", 2_300)
            assert (await rebuild.compare()).equal

            await rebuild.undo()
            assert await pool.fetchval("SELECT 'read.story'::regclass::oid") == before
            await publish(settings, producer, sessions(300))
            await passed(pool, "read", 2_600)
            await rebuild.drop()
    assert await stories(pool) == 2_600
    assert await pool.fetchval("SELECT to_regnamespace('read_next')") is None
    assert await pool.fetchval("SELECT to_regnamespace('read_old')") is None
