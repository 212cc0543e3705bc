"""The master key in a file of this machine: 32 random bytes that only their owner can read."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.common.log import get_logger
from services.common.vault.custodian import MasterKeyProblem, Wrapped

_BYTES: Final = 32
log = get_logger("vault")


class KeyFile:
    """`master.key`, and beside it `master.next.key` while a rotation is under way.

    Every process of the hub must see the same folder. Files are read anew for each call: calls are
    few, and so a rotation is seen at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._present = folder / "master.key"
        self._next = folder / "master.next.key"

    async def make(self) -> None:
        if _make(self._present):
            log.warning(
                "MASTER KEY MADE. Who has this file can open all sealed data; without it nobody "
                "can. Keep a copy apart from the database and its backups.",
                path=str(self._present),
            )

    async def present(self) -> str:
        return _id(_read(self._present))

    async def upcoming(self) -> str | None:
        return _id(_read(self._next)) if self._next.exists() else None

    async def prepare_next(self) -> str:
        if _make(self._next):
            log.warning("next master key made", path=str(self._next))
        return _id(_read(self._next))

    async def retire_present(self) -> None:
        """The old bytes are overwritten as well. A disk may keep copies all the same: on one that
        does (SSD, snapshots), only encrypting the disk helps."""
        if not self._next.exists():
            return
        with self._present.open("r+b", buffering=0) as old:
            os.replace(self._next, self._present)
            _sync_folder(self._folder)
            old.write(os.urandom(_BYTES))
            os.fsync(old.fileno())
        log.warning(
            "master key replaced; destroy the copies of the old one, and keep one of this",
            path=str(self._present),
        )

    async def wrap(self, master_id: str, kek_id: UUID, key: bytes) -> Wrapped:
        nonce = os.urandom(12)
        text = AESGCM(_wrapping(self._master(master_id))).encrypt(nonce, key, kek_id.bytes)
        return Wrapped(master_id, nonce + text)

    async def unwrap(self, kek_id: UUID, wrapped: Wrapped) -> bytes:
        cipher = AESGCM(_wrapping(self._master(wrapped.master_id)))
        try:
            return cipher.decrypt(wrapped.bytes[:12], wrapped.bytes[12:], kek_id.bytes)
        except (InvalidTag, ValueError):
            raise MasterKeyProblem(
                f"vault.key_encryption_key {kek_id} is damaged: put the table back from a backup"
            ) from None

    def _master(self, master_id: str) -> bytes:
        # The next one first: when it takes the present one's place meanwhile, it is found there.
        for path in (self._next, self._present):
            try:
                master = _read(path)
            except MasterKeyProblem:
                if path.exists():
                    raise
                continue
            if _id(master) == master_id:
                return master
        raise MasterKeyProblem(
            f"the database's keys are wrapped by master key {master_id}, which is not in"
            f" {self._folder}: put that master.key back"
        )


def _id(master: bytes) -> str:
    """Names a master key without saying anything about it."""
    return hmac.digest(master, b"throughline/1/id", hashlib.sha256).hex()[:16]


def _wrapping(master: bytes) -> bytes:
    return hmac.digest(master, b"throughline/1/wrap", hashlib.sha256)


def _read(path: Path) -> bytes:
    """Raises MasterKeyProblem unless the file is whole and its owner's alone."""
    try:
        with path.open("rb", buffering=0) as file:
            rights = os.fstat(file.fileno()).st_mode & 0o077
            master = file.read(_BYTES + 1) or b""
        folder_rights = path.parent.stat().st_mode & 0o022
    except OSError as error:
        raise MasterKeyProblem(f"{path}: {error.strerror}; run `throughline init`") from error
    if rights:
        raise MasterKeyProblem(f"{path} can be read by others: run `chmod 600 {path}`")
    if folder_rights:
        raise MasterKeyProblem(
            f"{path.parent} can be written by others: run `chmod 700 {path.parent}`"
        )
    if len(master) != _BYTES:
        raise MasterKeyProblem(f"{path} is not {_BYTES} bytes long: put the right file back")
    return master


def _make(path: Path) -> bool:
    """Make a key file, whole or not at all; False when there is one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
