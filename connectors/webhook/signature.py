"""The signature of Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime


def sign(secret: bytes, message_id: str, sent_at: datetime, body: bytes) -> str:
    """Return the value of the `webhook-signature` header.

    secret: decoded key, 24 to 64 bytes. sent_at: signed as whole seconds
    since 1970-01-01 UTC. body: exactly the bytes that are sent.
    Raises ValueError for another key length.
    Source: Standard Webhooks 1.0.0, "Signature scheme".
    """
    if not 24 <= len(secret) <= 64:
        raise ValueError(f"secret is {len(secret)} bytes, expected 24 to 64")
    signed = b"%s.%d.%s" % (message_id.encode(), int(sent_at.timestamp()), body)
    digest = hmac.digest(secret, signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def new_secret() -> bytes:
    return secrets.token_bytes(32)


def show_secret(secret: bytes) -> str:
    """The secret as receivers' libraries take it."""
    return "whsec_" + base64.b64encode(secret).decode()
