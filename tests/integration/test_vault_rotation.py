"""A new master key: nothing is lost wherever it is cut, services run on, old keys open nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from services.common.clock import utc_now
from services.common.locks import Lock
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import (
    DamagedKey,
    Keyring,
    MasterKeyProblem,
    Place,
    Redacted,
    Vault,
    Wrapped,
)
from services.common.vault.envelope import KeyEncryptionKeys, data_key_name
from services.common.vault.key_file import KeyFile
from services.common.vault.rotation import RotationRuns, is_due, key_ages, rotate

BATCH, WORKERS = 2, 5


@pytest.fixture
def settings(empty_database_url: str, tmp_path: Path) -> Settings:
    """The vault alone: no topics, no other tables."""
    return Settings(database_url=SecretStr(empty_database_url), vault_dir=tmp_path / "vault")


class Service:
    """A process that seals and opens: it has the vault from its start on."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        # Nothing is kept, so each call meets the keys as they are now.
        self.ring = Keyring(pool, vault, keep_s=0)
        self.vault = vault
        self.sealed: dict[Place, bytes] = {}

    async def seal(self, worker_id: UUID) -> None:
        pair, place = (worker_id, "identity"), Place("stories", uuid4(), worker_id, "words")
        key = (await self.ring.for_sealing([pair]))[pair]
        self.sealed[place] = key.seal(place, str(worker_id).encode())

    async def opens(self, sealed: dict[Place, bytes]) -> bool:
        found = await self.ring.open_all(sealed)
        return found == {place: str(place.worker_id) for place in sealed}


@pytest.fixture
async def service(settings: Settings, pool: Pool) -> Service:
    made = Service(pool, await Vault.create(settings, pool))
    for _ in range(WORKERS):
        await made.seal(uuid4())
    return made


def keys_of(settings: Settings) -> KeyEncryptionKeys:
    """What a process of its own knows at its start."""
    return KeyEncryptionKeys(KeyFile(settings.vault_dir))


async def run(settings: Settings, pool: Pool, steps: int | None = None) -> list[str]:
    """Rotate, up to the given number of steps."""
    seen = []
    async with aclosing(rotate(pool, keys_of(settings), batch=BATCH)) as rotating:
        async for progress in rotating:
            seen.append(progress.step)
            if len(seen) == steps:
                break
    return seen


async def test_values_names_and_secrets_stay_and_the_old_keys_go(
    settings: Settings, pool: Pool, service: Service
) -> None:
    before, vault = await key_ages(pool), service.vault
    hook = vault.seal_secret("hook", b"s")
    master = (settings.vault_dir / "master.key").read_bytes()

    steps = await run(settings, pool)

    assert steps == ["begun", "retired", "wrapped", "wrapped", "wrapped", "deleted", "done"]
    (after,) = await key_ages(pool)
    assert after.data_keys == WORKERS
    assert {before[0].kek_id, before[0].master_id}.isdisjoint({after.kek_id, after.master_id})
    assert (settings.vault_dir / "master.key").read_bytes() != master
    assert [path.name for path in settings.vault_dir.iterdir()] == ["master.key"]
    fresh = Service(pool, await Vault.open(settings, pool))
    assert await fresh.opens(service.sealed)
    assert await service.opens(service.sealed), "without a restart"
    assert fresh.vault.blind_index("a") == vault.blind_index("a")
    assert fresh.vault.pseudonym(UUID(int=1), "acme") == vault.pseudonym(UUID(int=1), "acme")
    assert fresh.vault.open_secret("hook", hook) == b"s"


async def test_wherever_it_is_cut_services_run_on_and_it_can_be_ended(
    settings: Settings, pool: Pool, service: Service
) -> None:
    """Cut after each of its steps in turn; a service from before and one begun now both work."""
    for steps in range(1, 7):
        await run(settings, pool, steps)
        begun_now = Service(pool, await Vault.open(settings, pool))
        for one in (service, begun_now):
            assert await one.opens(service.sealed), f"cut after {steps} steps"
            await one.seal(uuid4())
        service.sealed |= begun_now.sealed
        assert (await run(settings, pool))[-1] == "done"
        assert await service.opens(service.sealed), f"ended after {steps} steps"
        assert len(await key_ages(pool)) == 1
    assert [path.name for path in settings.vault_dir.iterdir()] == ["master.key"]


async def test_sigkill_at_any_moment_loses_nothing(
    settings: Settings, pool: Pool, service: Service
) -> None:
    environment = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "VAULT_DIR": str(settings.vault_dir),
    }
    command = (sys.executable, "-m", "tests.vault_rotation_runner", "vault", "rotate")
    for dies_at in ("begun", "switching", "retired", "wrapping", "wrapped", "deleted", ""):
        process = await asyncio.create_subprocess_exec(
            *(*command, "--batch", "1", "--json"),
            env=environment | {"VAULT_DIES_AT": dies_at},
            stdout=PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == (-signal.SIGKILL if dies_at else 0), dies_at
        assert await service.opens(service.sealed), dies_at
    assert json.loads(said.splitlines()[-1])["step"] == "done"
    assert len(await key_ages(pool)) == 1


async def test_keys_made_while_it_runs_are_not_lost(
    settings: Settings, pool: Pool, service: Service
) -> None:
    """Two services make new keys all the time; one of them began before the rotation."""
    other = Service(pool, await Vault.open(settings, pool))
    done = asyncio.Event()

    async def sealing(one: Service) -> None:
        while not done.is_set():
            await one.seal(uuid4())

    tasks = [asyncio.create_task(sealing(one)) for one in (service, other)]
    rotations = 0
    while rotations < 3 or len(other.sealed) <= 3:
        await run(settings, pool)
        rotations += 1
    done.set()
    await asyncio.gather(*tasks)

    fresh = Service(pool, await Vault.open(settings, pool))
    for sealed in (service.sealed, other.sealed):
        assert await fresh.opens(sealed)


async def test_what_was_erased_before_it_never_opens_again(
    settings: Settings, pool: Pool, service: Service
) -> None:
    """Not with a backup of the tables from before, and all that the hub has now."""
    keys = await pool.fetch("SELECT * FROM vault.key_encryption_key")
    backup = await pool.fetchrow("DELETE FROM vault.worker_key RETURNING *")
    assert backup is not None
    gone = {place: v for place, v in service.sealed.items() if place.worker_id == backup[1]}

    await run(settings, pool)

    vault = await Vault.open(settings, pool)
    name = data_key_name(backup["key_id"], backup["worker_id"], backup["key_group"])
    with pytest.raises(DamagedKey):
        vault.keks.unwrap(vault.keks.live, name, backup["wrapped"])
    wrapped = Wrapped(keys[0]["master_id"], keys[0]["wrapped"])
    with pytest.raises(MasterKeyProblem):
        await vault.keks.custodian.unwrap(keys[0]["kek_id"], wrapped)
    opened = await Keyring(pool, vault).open_all(gone)
    assert opened == dict.fromkeys(gone, Redacted("no key"))


async def test_only_one_at_a_time(settings: Settings, pool: Pool, service: Service) -> None:
    async with aclosing(rotate(pool, keys_of(settings))) as first:
        await anext(first)
        with pytest.raises(RotationRuns):
            await run(settings, pool)
    assert (await run(settings, pool))[-1] == "done"


async def test_a_rotation_keeps_no_other_part_of_the_hub_waiting(
    settings: Settings, pool: Pool, service: Service
) -> None:
    async with aclosing(rotate(pool, keys_of(settings))) as rotating, pool.acquire() as other:
        await anext(rotating)
        for lock in set(Lock) - {Lock.ROTATE_MASTER_KEY}:
            assert await other.fetchval("SELECT pg_try_advisory_lock($1)", lock), lock


async def test_a_damaged_key_is_named_and_stops_it(
    settings: Settings, pool: Pool, service: Service
) -> None:
    key_id = await pool.fetchval("SELECT key_id FROM vault.worker_key LIMIT 1")
    await pool.execute("UPDATE vault.worker_key SET wrapped = 'x' WHERE key_id = $1", key_id)
    with pytest.raises(DamagedKey, match=str(key_id)):
        await run(settings, pool)
    await pool.execute("DELETE FROM vault.worker_key WHERE key_id = $1", key_id)
    assert (await run(settings, pool))[-1] == "done"


async def test_it_is_due_after_thirty_days_and_while_one_is_not_ended(
    settings: Settings, pool: Pool, service: Service
) -> None:
    now = utc_now()
    assert not is_due(await key_ages(pool), now + timedelta(days=29))
    assert is_due(await key_ages(pool), now + timedelta(days=31))
    await run(settings, pool, 2)
    assert is_due(await key_ages(pool), now)
