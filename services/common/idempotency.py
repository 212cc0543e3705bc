"""The header `Idempotency-Key`. Source: draft-ietf-httpapi-idempotency-key-header-07."""

from __future__ import annotations

import re

from services.common.errors import Problem

# A structured field's string, or the bare value that many clients send.
_KEY = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,200})"|([\x21\x23-\x5b\x5d-\x7e]{1,200})')


def key_of(header: str | None) -> str | None:
    """The key, or None without one. Raises Problem 400."""
    if header is None:
        return None
    found = _KEY.fullmatch(header.strip())
    if found is None:
        detail = 'Write 1 to 200 printable characters in quotes: Idempotency-Key: "8e03978e".'
        raise Problem(400, "bad-idempotency-key", f"The Idempotency-Key is not one. {detail}")
    return found[1] or found[2]
