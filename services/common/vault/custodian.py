"""Who keeps the master key: a file here, or a key management service.

A custodian wraps key-encryption keys only, a handful of them: everything else is wrapped by those,
in this process. So a custodian may be slow and far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.common.errors import TerminalError
from services.common.settings import Settings


class MasterKeyProblem(TerminalError):
    """The master key is missing, damaged, not ours, or can be read by others."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key-encryption key as it is stored: by which master key, and the ciphertext."""

    master_id: str
    bytes: bytes


class Custodian(Protocol):
    """Keeps the master key. To add one: a class with these methods, and a line in `custodian_of`.

    During a rotation there are two master keys: the present one and the next. All methods may be
    called again after a crash. Each raises MasterKeyProblem, or DependencyDown when the custodian
    does not answer.
    """

    async def make(self) -> None:
        """Make a master key if there is none. Called once, when nothing is wrapped yet."""

    async def present(self) -> str:
        """The id of the present master key."""

    async def upcoming(self) -> str | None:
        """The id of the next master key; None unless a rotation is under way."""

    async def prepare_next(self) -> str:
        """Make the next master key, or find the one that was made, and answer its id."""

    async def retire_present(self) -> None:
        """Put the next master key in the present one's place and destroy that. Nothing happens
        when there is no next."""

    async def wrap(self, master_id: str, kek_id: UUID, key: bytes) -> Wrapped:
        """Wrap under the present or the next master key."""

    async def unwrap(self, kek_id: UUID, wrapped: Wrapped) -> bytes:
        """Unwrap; `kek_id` is what it was wrapped for."""


def custodian_of(settings: Settings) -> Custodian:
    """The custodian that VAULT_MASTER_KEY names: `file`, or `aws-kms:alias/<name>`.

    Raises MasterKeyProblem.
    """
    kind, _, name = settings.vault_master_key.partition(":")
    match kind:
        case "file":
            from services.common.vault.key_file import KeyFile

            return KeyFile(settings.vault_dir)
        case "aws-kms" if name.startswith("alias/"):
            from services.common.vault.aws_kms import AwsKms

            return AwsKms(name)
        case "aws-kms":
            raise MasterKeyProblem("VAULT_MASTER_KEY: write aws-kms:alias/<name of the key>")
    raise MasterKeyProblem(f"VAULT_MASTER_KEY: there is no custodian {kind!r}; file or aws-kms:…")
