"""Data keys in the database: made once, destroyed for good, kept in memory for a while only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import DataKey, Keyring, MasterKeyProblem, Place, Redacted, Vault


@pytest.fixture
def settings(empty_database_url: str, tmp_path: Path) -> Settings:
    """The vault alone: no topics, no other tables."""
    return Settings(database_url=SecretStr(empty_database_url), vault_dir=tmp_path / "vault")


@pytest.fixture
async def vault(settings: Settings, pool: Pool) -> Vault:
    return await Vault.create(settings, pool)


def at(worker_id: UUID, field: str = "display_name") -> Place:
    return Place("stories", uuid4(), worker_id, field)


async def sealed(ring: Keyring, place: Place, text: str, category: str = "identity") -> bytes:
    pair = (place.worker_id, category)
    return (await ring.for_sealing([pair]))[pair].seal(place, text.encode())


async def test_names_and_indexes_stay_the_same_and_differ_between_recipients(
    settings: Settings, vault: Vault
) -> None:
    worker = uuid4()
    again = await Vault.open(settings)
    assert again.blind_index("a", "b") == vault.blind_index("a", "b") != vault.blind_index("ab")
    assert again.pseudonym(worker, "acme") == vault.pseudonym(worker, "acme")
    assert vault.pseudonym(worker, "acme") != vault.pseudonym(worker, "river-college")
    assert vault.message_id("c-1", worker) != vault.message_id("c-2", worker)
    assert again.open_secret("hook", vault.seal_secret("hook", b"s")) == b"s"


async def test_setting_up_at_once_and_again_makes_one_vault(
    settings: Settings, pool: Pool, vault: Vault
) -> None:
    found = await asyncio.gather(*(Vault.create(settings, pool) for _ in range(4)))
    assert {one.blind_index("a") for one in found} == {vault.blind_index("a")}
    assert await pool.fetchval("SELECT count(*) FROM vault.key_encryption_key") == 1


async def test_no_master_key_is_made_where_another_has_wrapped_something(
    settings: Settings, pool: Pool, vault: Vault
) -> None:
    path = settings.vault_dir / "master.key"
    path.rename(path.with_name("lost"))
    with pytest.raises(MasterKeyProblem, match=r"put that master\.key back"):
        await Vault.create(settings, pool)
    assert not path.exists()


async def test_a_vault_that_was_never_set_up_says_what_to_run(
    settings: Settings,
) -> None:
    with pytest.raises(MasterKeyProblem, match="throughline init"):
        await Vault.open(settings)


async def test_asking_for_keys_again_and_at_once_gives_the_same(pool: Pool, vault: Vault) -> None:
    worker = uuid4()
    wanted = [(worker, "identity"), (worker, "skill"), (worker, "identity")]
    rings = [Keyring(pool, vault) for _ in range(6)]
    found = await asyncio.gather(*(ring.for_sealing(wanted) for ring in rings))
    assert all(keys == found[0] for keys in found)
    assert await pool.fetchval("SELECT count(*) FROM vault.worker_key") == 2


async def test_categories_of_a_group_share_a_key(pool: Pool, vault: Vault) -> None:
    worker = uuid4()
    pairs = [(worker, c) for c in ("skill", "training", "identity", "demographic")]
    keys = await Keyring(pool, vault).for_sealing(pairs)
    assert [keys[pair].key_id for pair in pairs].count(keys[pairs[0]].key_id) == 2
    assert len({key.key_id for key in keys.values()}) == 3


async def test_a_destroyed_key_gives_redacted_at_once_and_for_good(
    pool: Pool, vault: Vault
) -> None:
    ring, other, place = Keyring(pool, vault), Keyring(pool, vault), at(uuid4())
    value = await sealed(ring, place, "Rosa")
    assert await other.open_all({place: value}) == {place: "Rosa"}

    await pool.execute("DELETE FROM vault.worker_key")

    # The sealing side still has the key in memory.
    for reader in (ring, other):
        assert await reader.open_all({place: value}) == {place: Redacted("no key")}
    ring.forget([place.worker_id])
    later = await sealed(ring, place, "Rosa")
    assert later[1:17] != value[1:17], "a new key"
    assert await ring.open_all({place: value}) == {place: Redacted("no key")}


async def test_keys_are_kept_no_longer_and_no_more_than_said(pool: Pool, vault: Vault) -> None:
    now = 0.0
    ring = Keyring(pool, vault, keep_s=60, keep_most=2, timer=lambda: now)
    first, second, third = [(uuid4(), "identity") for _ in range(3)]

    async def forgotten(pair: tuple[UUID, str], before: Mapping[object, DataKey]) -> bool:
        """Whether the database was asked: there it has another key by now."""
        return (await ring.for_sealing([pair]))[pair] != before[pair]

    before = {**await ring.for_sealing([first]), **await ring.for_sealing([second])}
    await pool.execute("DELETE FROM vault.worker_key")
    now = 59.9
    assert not await forgotten(first, before)
    await ring.for_sealing([third])  # one too many: the oldest goes
    assert not await forgotten(second, before)
    assert await forgotten(first, before)
    now = 60.0
    assert await forgotten(second, before)


async def test_one_event_about_two_people_uses_two_keys(pool: Pool, vault: Vault) -> None:
    """Each field names its person; without the one's key the other's still opens."""
    ring, event_id, worker, mentor = Keyring(pool, vault), uuid4(), uuid4(), uuid4()
    hers = Place("stories", event_id, worker, "words")
    his = Place("stories", event_id, mentor, "mentor_name")
    keys = await ring.for_sealing([(worker, "skill"), (mentor, "identity")])
    values = {
        hers: keys[worker, "skill"].seal(hers, b"welding"),
        his: keys[mentor, "identity"].seal(his, b"Luis"),
    }
    assert await ring.open_all(values) == {hers: "welding", his: "Luis"}

    await pool.execute("DELETE FROM vault.worker_key WHERE worker_id = $1", mentor)

    assert await ring.open_all(values) == {hers: "welding", his: Redacted("no key")}


async def test_whatever_stands_in_a_sealed_field_the_others_open(pool: Pool, vault: Vault) -> None:
    ring, good = Keyring(pool, vault), at(uuid4())
    value = await sealed(ring, good, "Rosa")
    bad = {
        at(good.worker_id): value,  # of another event
        at(uuid4()): b"",
        at(uuid4()): b"\x02" + value[1:],
        at(uuid4()): value[:44],
        at(uuid4()): b"\x01" + os.urandom(60),
    }
    opened = await ring.open_all({good: value, **bad})
    assert opened.pop(good) == "Rosa"
    assert opened.keys() == bad.keys()
    assert all(isinstance(found, Redacted) for found in opened.values())


async def test_a_wrapped_key_moved_to_another_worker_opens_nothing(
    pool: Pool, vault: Vault
) -> None:
    """Who can write the table, but has no master key, can't make one person's key another's."""
    ring, ana, ben = Keyring(pool, vault), at(uuid4()), at(uuid4())
    value, _ = await sealed(ring, ana, "Ana"), await sealed(ring, ben, "Ben")
    await pool.execute("DELETE FROM vault.worker_key WHERE worker_id = $1", ben.worker_id)
    await pool.execute("UPDATE vault.worker_key SET worker_id = $1", ben.worker_id)
    assert await ring.open_all({ana: value}) == {ana: Redacted("no key")}


async def test_a_key_encryption_key_stays_while_anything_needs_it(pool: Pool, vault: Vault) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute("DELETE FROM vault.key_encryption_key")


async def test_nothing_that_is_printed_shows_a_key(
    settings: Settings, pool: Pool, vault: Vault, capfd: pytest.CaptureFixture[str]
) -> None:
    ring, place = Keyring(pool, vault), at(uuid4())
    keys = await ring.for_sealing([(place.worker_id, "identity")])
    key = next(iter(keys.values()))
    master = Path(settings.vault_dir / "master.key").read_bytes()
    shown = repr([keys, key, str(key), vault, vault.keks, ring, vault.keks.custodian])
    printed = shown + "".join(capfd.readouterr())
    for secret in (key.key, master):
        for form in (secret.hex(), repr(secret)[2:-1]):
            assert form not in printed
