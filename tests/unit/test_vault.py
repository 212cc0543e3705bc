"""Sealing: a value opens only in its own place, with its own key."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from services.common.postgres import Pool
from services.common.vault import DataKey, Keyring, MasterKeyProblem, Place, Redacted, Vault


def a_place() -> Place:
    return Place("stories", uuid4(), uuid4(), "display_name")


def test_a_sealed_value_opens_in_its_place_only() -> None:
    key, place = DataKey(uuid4(), os.urandom(32)), a_place()

    sealed = key.seal(place, b"Rosa")

    assert b"Rosa" not in sealed
    assert key.open(place, sealed) == b"Rosa"
    moved = [
        replace(place, topic="directory"),
        replace(place, event_id=uuid4()),
        replace(place, worker_id=uuid4()),
        replace(place, field="contact_email"),
    ]
    assert all(isinstance(key.open(other, sealed), Redacted) for other in moved)


def test_a_changed_byte_does_not_open() -> None:
    key, place = DataKey(uuid4(), os.urandom(32)), a_place()
    sealed = bytearray(key.seal(place, b"Rosa"))
    sealed[-1] ^= 1

    assert isinstance(key.open(place, bytes(sealed)), Redacted)


def test_sealing_twice_gives_different_bytes() -> None:
    key, place = DataKey(uuid4(), os.urandom(32)), a_place()
    assert key.seal(place, b"Rosa") != key.seal(place, b"Rosa")


def test_names_differ_between_recipients_and_stay_the_same_for_one() -> None:
    vault, worker = Vault(os.urandom(32)), uuid4()
    assert vault.pseudonym(worker, "acme") == vault.pseudonym(worker, "acme")
    assert vault.pseudonym(worker, "acme") != vault.pseudonym(worker, "river-college")
    assert vault.message_id("c-1", worker) != vault.message_id("c-2", worker)


def test_the_master_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = Vault.create(tmp_path / "vault").blind_index("a")
    assert Vault.create(tmp_path / "vault").blind_index("a") == first
    path = tmp_path / "vault" / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600

    path.chmod(0o644)
    with pytest.raises(MasterKeyProblem, match="chmod 600"):
        Vault.open(tmp_path / "vault")


def test_a_missing_master_key_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyProblem, match="throughline init"):
        Vault.open(tmp_path)


async def test_a_destroyed_key_gives_redacted_not_an_exception(pool: Pool) -> None:
    ring, place = Keyring(pool, Vault(os.urandom(32))), a_place()
    keys = await ring.for_sealing([(place.worker_id, "identity")])
    sealed = keys[place.worker_id, "identity"].seal(place, b"Rosa")
    assert await ring.open_all({place: sealed}) == {place: "Rosa"}

    await pool.execute("DELETE FROM vault.worker_key")

    assert await ring.open_all({place: sealed}) == {place: Redacted("no key")}


async def test_asking_for_a_key_again_gives_the_same_key(pool: Pool) -> None:
    ring, worker = Keyring(pool, Vault(os.urandom(32))), uuid4()
    wanted = [(worker, "identity"), (worker, "skill"), (worker, "identity")]
    assert await ring.for_sealing(wanted) == await ring.for_sealing(wanted)


def test_garbage_is_redacted(tmp_path: Path) -> None:
    key = DataKey(uuid4(), os.urandom(32))
    assert isinstance(key.open(a_place(), b"\x01" + bytes(60)), Redacted)
