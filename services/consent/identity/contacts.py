"""An address is somebody's when they can read what is mailed to it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from email_validator import EmailNotValidError, validate_email

from services.common import claim_codes
from services.common.contacts import index_of, normal
from services.common.errors import FieldError, Problem
from services.common.locks import Lock
from services.common.postgres import Pool
from services.common.vault import Vault

_WINDOW = timedelta(hours=1)
_FORGET = "DELETE FROM vault.contact_check WHERE expires_at < $1 AND asked_at < $2"
_ASKED = """
SELECT count(*) FILTER (WHERE worker_id = $1) AS by_worker,
       count(*) FILTER (WHERE contact_index = $2) AS to_address
FROM vault.contact_check WHERE asked_at > $3
"""
_ASK = """
INSERT INTO vault.contact_check
    (check_id, worker_id, contact_index, code_index, asked_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_TRY = """
UPDATE vault.contact_check SET tries = tries + 1
WHERE check_id = $1 AND worker_id = $2 AND expires_at > $3 AND tries < $4 AND verified_at IS NULL
RETURNING code_index
"""
# One statement: the code is used up, and the address is the person's, or neither.
_VERIFY = """
WITH used AS (
    UPDATE vault.contact_check SET verified_at = $2
    WHERE check_id = $1 AND verified_at IS NULL RETURNING worker_id, contact_index)
INSERT INTO vault.verified_contact AS v (worker_id, contact_index, verified_at)
SELECT worker_id, contact_index, $2 FROM used
ON CONFLICT (worker_id, contact_index) DO UPDATE SET verified_at = $2
"""
_FORGET_ALL = """
WITH asked AS (DELETE FROM vault.contact_check WHERE worker_id = $1 AND asked_at <= $2)
DELETE FROM vault.verified_contact WHERE worker_id = $1
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A code to be mailed. It is not kept in clear, nor is the address."""

    check_id: UUID
    email: str
    code: str
    expires_at: datetime


class Contacts:
    def __init__(self, pool: Pool, vault: Vault, *, valid: timedelta, per_hour: int) -> None:
        """valid: how long a code is good. per_hour: codes for one person, and to one address."""
        self._pool = pool
        self._vault = vault
        self._valid = valid
        self._per_hour = per_hour

    async def ask(self, worker_id: UUID, text: str, at: datetime) -> Asked:
        """A code for this address and nothing else.

        Raises Problem 422 for what is no address, 429 when there were too many within an hour,
        whether of the person or to the address; which of both is not told.
        """
        email, index = address(text), index_of(self._vault, text)
        asked = Asked(uuid4(), email, claim_codes.new_code(), at + self._valid)
        since = at - _WINDOW
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.ASK_CONTACT)
            await connection.execute(_FORGET, at, since)
            counted = await connection.fetchrow(_ASKED, worker_id, index, since)
            assert counted is not None
            if max(counted) >= self._per_hour:
                raise _too_many()
            code_index = self._code_index(asked.check_id, asked.code)
            await connection.execute(
                _ASK, asked.check_id, worker_id, index, code_index, at, asked.expires_at
            )
        return asked

    async def verify(
        self, check_id: UUID, worker_id: UUID, text: str, at: datetime, most_tries: int
    ) -> bool:
        """Whether the code is the one that was mailed. Each look counts as a try."""
        code = claim_codes.read(text)
        if code is None:
            return False
        kept = await self._pool.fetchval(_TRY, check_id, worker_id, at, most_tries)
        if kept is None or not hmac.compare_digest(kept, self._code_index(check_id, code)):
            return False
        return bool(await self._pool.execute(_VERIFY, check_id, at) == "INSERT 0 1")

    async def forget(self, worker_id: UUID, at: datetime) -> None:
        """Forget the person's addresses, and codes that are an hour old."""
        await self._pool.execute(_FORGET_ALL, worker_id, at - _WINDOW)

    def _code_index(self, check_id: UUID, code: str) -> bytes:
        return self._vault.blind_index("contact_check", str(check_id), code)


def address(text: str) -> str:
    """Where mail to this address goes, in its normal form. Raises Problem 422.

    Whether it exists is not looked up; non-ASCII is taken in the domain alone.
    """
    try:
        found = validate_email(normal(text), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        wrong = FieldError("email", "is not an e-mail address", "Write it as name@example.org.")
        raise Problem(422, "invalid", "This is not an address.", errors=[wrong]) from None
    assert found.ascii_email is not None
    return found.ascii_email


def _too_many() -> Problem:
    wait_s = int(_WINDOW.total_seconds())
    detail = "Too many codes were asked for. Look for the last one, or wait an hour."
    return Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait_s)})
