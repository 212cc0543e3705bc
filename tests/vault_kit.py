"""Vaults without a database, for what needs names and indexes only."""

from __future__ import annotations

from pathlib import Path

from services.common.vault import SECRETS, KeyEncryptionKeys, Vault
from services.common.vault.key_file import KeyFile


def vault_of(secret: bytes) -> Vault:
    """One 32-byte secret for everything; it has no keys to wrap with."""
    return Vault(dict.fromkeys(SECRETS, secret), KeyEncryptionKeys(KeyFile(Path("/nowhere"))))
