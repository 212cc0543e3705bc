"""One-time codes with which people take up their record: 16 letters and digits, 80 random bits.

Six of them find the code's row, the others prove it; only a keyed hash of the code is stored.
"""

from __future__ import annotations

import secrets
from typing import Final

# Crockford's: none that is mistaken for another when read aloud or copied by hand.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_LENGTH: Final = 16
_LOOKUP: Final = 6
#: What the code's blind index is made of, beside the code.
INDEX: Final = "claim"


def new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def shown(code: str) -> str:
    """In groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, _LENGTH, 4))


def read(text: str) -> str | None:
    """What was typed, as it was issued; None for what is no code."""
    code = text.upper().translate(_MISREAD)
    return code if len(code) == _LENGTH and set(code) <= set(_ALPHABET) else None


def lookup_of(code: str) -> str:
    return code[:_LOOKUP]
