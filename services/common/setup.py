"""Makes what the services need before they start: topics, database schemas, the master key."""

from __future__ import annotations

from importlib import import_module, resources

from services.common.kafka import create_topics
from services.common.postgres import apply_sql, open_pool
from services.common.settings import Settings
from services.common.vault import Vault

# In this order: each has `async def initialise(pool)` in its __main__.
WITH_TABLES = ("projections", "ingest", "consent", "delivery", "promises", "feeds", "portal")


async def initialise(settings: Settings) -> None:
    """Idempotent. Raises DependencyDown, KafkaError, MasterKeyProblem."""
    Vault.create(settings.vault_dir)
    await create_topics(settings)
    async with open_pool(settings, most=2) as pool:
        await apply_sql(pool, resources.files("services.common").joinpath("vault.sql").read_text())
        for name in WITH_TABLES:
            # By name, for this library may not import the services above it.
            await import_module(f"services.{name}.__main__").initialise(pool)
