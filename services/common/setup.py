"""Makes what the services need before they start: topics, database schemas, the master key."""

from __future__ import annotations

from importlib import import_module

from services.common.kafka import create_topics
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.common.vault import Vault

# In this order: each has `async def initialise(pool)` in its __main__.
WITH_TABLES = ("projections", "ingest", "consent", "delivery", "promises", "feeds", "portal")


async def initialise(settings: Settings) -> None:
    """Idempotent. Raises DependencyDown, KafkaError, MasterKeyProblem."""
    await create_topics(settings)
    await make_tables(settings)


async def make_tables(settings: Settings) -> None:
    """The tables and the master key. Idempotent. Raises DependencyDown, MasterKeyProblem."""
    async with open_pool(settings, most=2) as pool:
        await Vault.create(settings, pool)
        for name in WITH_TABLES:
            # By name, for this library may not import the services above it.
            await import_module(f"services.{name}.__main__").initialise(pool)
