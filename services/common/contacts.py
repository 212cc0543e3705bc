"""Addresses of people, known by keyed hash alone: who has the vault's key can compare two."""

from __future__ import annotations

import unicodedata
from typing import Final

from services.common.vault import Vault

#: What an address' blind index is made of, beside the address.
INDEX: Final = "contact_email"


def normal(email: str) -> str:
    """The form in which addresses are compared, and mailed to: without blanks around it, NFKC, in
    lower case.

    Two mailboxes that differ in case alone count as one; hardly any server has such (RFC 5321,
    2.4). Proofs go to this form, so who proves an address reads the mail of the form that counts.
    """
    return unicodedata.normalize("NFKC", email).strip().lower()


def index_of(vault: Vault, email: str) -> bytes:
    """Raises UnicodeEncodeError for text that is not Unicode."""
    return vault.blind_index(INDEX, normal(email))
