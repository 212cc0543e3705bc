"""Sealing: AES-256-GCM under a key per worker and key group.

A sealed value is version (1 byte), key id (16), nonce (12), ciphertext and tag. Its additional
data names topic, event, worker and field, so a value moved elsewhere does not open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION: Final = 1
_ID, _NONCE, _TEXT = slice(1, 17), slice(17, 29), slice(29, None)
_SHORTEST: Final = 29 + 16

# Which categories share a key. A group is what can be destroyed apart from the rest of a person's
# record: fewer keys than one per category, and nothing that must be able to go alone is with
# something that must stay.
KEY_GROUPS: Final[Mapping[str, str]] = {
    "identity": "identity",  # names, contacts, the sources' own numbers
    "demographic": "demographic",  # said voluntarily, may be taken back
    "training": "learning",
    "credential": "learning",
    "skill": "learning",
    "experience": "learning",
    "employment": "work",
    "wage": "work",
    "opportunity": "work",
    "promise": "work",
    "support": "support",  # what somebody needed help with
    "consent": "rights",  # words of disputes and their answers
}


@dataclass(frozen=True, slots=True)
class Redacted:
    """What a reader gets in place of a sealed value that it can't open. `reason` is for people."""

    reason: str = "sealed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; it opens nowhere else.

    `worker_id` is the person whom the field is about. In an event about two people each field
    names its own, and is sealed with that person's key.
    """

    topic: str  # stories, directory or deliveries
    event_id: UUID
    worker_id: UUID
    field: str

    def bound(self) -> bytes:
        head = f"{self.topic}\x1f{self.field}\x1f".encode()
        return head + self.event_id.bytes + self.worker_id.bytes


@dataclass(frozen=True, slots=True)
class DataKey:
    """One worker's key for one group, unwrapped. Never shown when printed."""

    key_id: UUID
    key: bytes = field(repr=False)
    _cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cipher", AESGCM(self.key))

    def seal(self, place: Place, plain: bytes) -> bytes:
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, plain, place.bound())
        return bytes([VERSION]) + self.key_id.bytes + nonce + sealed

    def open(self, place: Place, sealed: bytes) -> bytes | Redacted:
        """The plaintext, or Redacted for whatever does not open here; never an exception."""
        if key_id_of(sealed) != self.key_id:
            return Redacted("not sealed with this key")
        try:
            return self._cipher.decrypt(sealed[_NONCE], sealed[_TEXT], place.bound())
        except InvalidTag:
            return Redacted("does not open here")

    def open_text(self, place: Place, sealed: bytes) -> str | Redacted:
        plain = self.open(place, sealed)
        if isinstance(plain, Redacted):
            return plain
        try:
            return plain.decode()
        except UnicodeDecodeError:
            return Redacted("is not text")


def key_id_of(sealed: bytes) -> UUID | None:
    """The id of the key that opens the value; None for what is no sealed value of this version."""
    if len(sealed) < _SHORTEST or sealed[0] != VERSION:
        return None
    return UUID(bytes=sealed[_ID])
