"""The master key's file: made whole and private, refused when others can read or replace it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.common.settings import Settings
from services.common.vault import MasterKeyProblem, custodian_of
from services.common.vault.key_file import KeyFile

KEK = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "vault"


async def test_it_is_made_once_private_and_with_a_loud_note(folder: Path) -> None:
    with capture_logs() as logs:
        await asyncio.gather(*(KeyFile(folder).make() for _ in range(8)))
    made = (folder / "master.key").read_bytes()
    await KeyFile(folder).make()

    assert (folder / "master.key").read_bytes() == made
    assert len(made) == 32
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["master.key"]
    assert (folder / "master.key").stat().st_mode & 0o777 == 0o600
    assert [(line["log_level"], line["event"][:15]) for line in logs] == [
        ("warning", "MASTER KEY MADE")
    ]


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o644, 0o620, 0o601])
async def test_a_file_that_others_have_any_right_to_is_refused(folder: Path, rights: int) -> None:
    keys = KeyFile(folder)
    await keys.make()
    (folder / "master.key").chmod(rights)
    with pytest.raises(MasterKeyProblem, match="chmod 600"):
        await keys.present()


async def test_a_folder_that_others_can_write_is_refused(folder: Path) -> None:
    keys = KeyFile(folder)
    await keys.make()
    folder.chmod(0o770)
    with pytest.raises(MasterKeyProblem, match="chmod 700"):
        await keys.present()


async def test_a_missing_or_cut_file_says_what_to_do(folder: Path) -> None:
    keys = KeyFile(folder)
    with pytest.raises(MasterKeyProblem, match="throughline init"):
        await keys.present()
    await keys.make()
    for length in (31, 33, 0):
        (folder / "master.key").write_bytes(bytes(length))
        with pytest.raises(MasterKeyProblem, match="32 bytes"):
            await keys.present()


async def test_what_is_wrapped_opens_for_the_same_key_only(folder: Path) -> None:
    keys, kek_id = KeyFile(folder), uuid4()
    await keys.make()
    wrapped = await keys.wrap(await keys.present(), kek_id, KEK)

    assert KEK not in wrapped.bytes
    assert await keys.unwrap(kek_id, wrapped) == KEK
    with pytest.raises(MasterKeyProblem, match="damaged"):
        await keys.unwrap(uuid4(), wrapped)


async def test_another_master_key_says_which_one_is_missing(folder: Path, tmp_path: Path) -> None:
    ours, others = KeyFile(folder), KeyFile(tmp_path / "other")
    await ours.make()
    await others.make()
    wrapped = await others.wrap(await others.present(), uuid4(), KEK)
    with pytest.raises(MasterKeyProblem, match=f"{wrapped.master_id}.*put that master.key back"):
        await ours.unwrap(uuid4(), wrapped)


async def test_the_next_key_takes_the_place_of_the_present_one(folder: Path) -> None:
    keys, kek_id = KeyFile(folder), uuid4()
    await keys.make()
    old, old_bytes = await keys.present(), (folder / "master.key").read_bytes()
    assert await keys.upcoming() is None
    await keys.retire_present()  # nothing to do
    assert await keys.present() == old

    new = await keys.prepare_next()
    assert await keys.prepare_next() == new == await keys.upcoming() != old
    wrapped = await keys.wrap(new, kek_id, KEK)
    with (folder / "master.key").open("rb") as still_open:
        await keys.retire_present()
        await keys.retire_present()
        assert still_open.read() != old_bytes, "the old bytes are overwritten where they lay"

    assert await keys.present() == new
    assert await keys.upcoming() is None
    assert await keys.unwrap(kek_id, wrapped) == KEK
    assert old_bytes not in [path.read_bytes() for path in folder.iterdir()]


@pytest.mark.parametrize("named", ["gcp:x", "aws-kms:1234", ""])
def test_an_unknown_custodian_is_refused(named: str) -> None:
    with pytest.raises(MasterKeyProblem, match="VAULT_MASTER_KEY"):
        custodian_of(Settings(vault_master_key=named))
