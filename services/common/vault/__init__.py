"""The vault: keys, sealed values, and names that only this hub can make.

master key (custodian) -> key-encryption keys -> data keys of workers, secrets of the hub.
"""

from services.common.vault.custodian import Custodian, MasterKeyProblem, Wrapped, custodian_of
from services.common.vault.envelope import DamagedKey, KeyEncryptionKeys
from services.common.vault.hub import SECRETS, Vault
from services.common.vault.keyring import Keyring, KeysChanging
from services.common.vault.sealing import KEY_GROUPS, DataKey, Place, Redacted

__all__ = [
    "KEY_GROUPS",
    "SECRETS",
    "Custodian",
    "DamagedKey",
    "DataKey",
    "KeyEncryptionKeys",
    "Keyring",
    "KeysChanging",
    "MasterKeyProblem",
    "Place",
    "Redacted",
    "Vault",
    "Wrapped",
    "custodian_of",
]
