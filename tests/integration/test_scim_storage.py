"""Our storage under scim2-server's own contract for storages: each case an organisation of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from scim2_models import ResourceType, ScimProvider
from scim2_server.storage import ScimStorage
from scim2_server.testing import AsyncScimStorageContract, BlockingStorage

from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.scim import initialise
from services.ingest.scim.outbox import Outbox
from services.ingest.scim.provider import scim_service
from services.ingest.scim.storage import OrganizationStorage, Parts
from tests.conftest import _with_database


class Untold(Outbox):
    """Leaves the events where they are: what is told of them has tests of its own."""

    def __init__(self) -> None:
        pass

    async def soon(self, organization_id: str, scim_id: UUID) -> None:
        pass

    async def must_be_covered(
        self, organization_id: str, key_id: str, names: Collection[str]
    ) -> None:
        """No agreement is asked for: nothing is told."""


async def _open(stack: AsyncExitStack, url: str, folder: Path) -> Parts:
    name = f"t_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(url)
    stack.push_async_callback(admin.close)
    await admin.execute(f"CREATE DATABASE {name}")
    stack.push_async_callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
    settings = Settings(database_url=SecretStr(_with_database(url, name)), vault_dir=folder)
    pool: Pool = await stack.enter_async_context(open_pool(settings))
    vault = await Vault.create(settings, pool)
    await initialise(pool)
    return Parts(pool, vault, Keyring(pool, vault), Untold())


@pytest.fixture(scope="module")
def opened(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[asyncio.Runner, Parts]]:
    folder, stack = tmp_path_factory.mktemp("vault") / "keys", AsyncExitStack()
    with asyncio.Runner() as runner:
        try:
            yield runner, runner.run(_open(stack, postgres_url, folder))
        finally:
            runner.run(stack.aclose())


class TestOrganizationStorage(AsyncScimStorageContract):
    @pytest.fixture
    def provider(self) -> ScimProvider:
        return scim_service().provider

    @pytest.fixture
    def group_type(self, provider: ScimProvider) -> ResourceType:
        pytest.skip("groups are not served")

    @pytest.fixture
    def storage(self, opened: tuple[asyncio.Runner, Parts]) -> ScimStorage:
        runner, parts = opened
        organization_id = f"o-{secrets.token_hex(6)}"
        return BlockingStorage(OrganizationStorage(parts, organization_id, "k-1"), runner)
