"""Taking up a record with its code, and giving one back."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.common import claim_codes
from services.common.access import Role, issue_key, key_id_of
from services.common.access_keys import revoke_keys
from services.common.errors import Problem, unavailable
from services.common.ids import new_id
from services.common.postgres import Connection, Pool
from services.common.vault import Vault
from services.consent.identity.store import Beginning, IdentityStore, Order

_TRY = """
UPDATE vault.claim SET tries = tries + 1
WHERE lookup = $1 AND claimed_at IS NULL AND expires_at > $2 AND tries < $3
RETURNING code_index, worker_id
"""
# A good code that waits for a yes, or for a move to end, has not been tried in vain.
_GIVE_BACK = "UPDATE vault.claim SET tries = tries - 1 WHERE lookup = $1 AND claimed_at IS NULL"
# A button that is pressed twice sends the code twice. Later on it is used up: the record may have
# been parted again.
_ADDED = """
SELECT code_index FROM vault.claim WHERE lookup = $1 AND worker_id = $2 AND claimed_at > $3
"""
_SAID_AGAIN = timedelta(minutes=10)
_TAKE = """
UPDATE vault.claim SET claimed_at = $2, call_index = $3 WHERE lookup = $1 AND claimed_at IS NULL
"""
_ANSWERED = "UPDATE vault.claim SET key_id = $2 WHERE lookup = $1"
_ANSWER = """
SELECT code_index, key_id FROM vault.claim
WHERE lookup = $1 AND call_index = $2 AND claimed_at > $3 AND key_id IS NOT NULL FOR UPDATE
"""
# Of a key that was revoked since, nobody: who did that meant it.
_WHOSE = "SELECT subject FROM vault.access_key WHERE key_id = $1 AND revoked_at IS NULL"
_SIGNS_IN = """
SELECT EXISTS (SELECT FROM vault.access_key
    WHERE role = 'worker' AND subject = $1 AND revoked_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Whose the record is now. `token` is for somebody new; `move_id` names what goes on."""

    worker_id: UUID
    token: str | None
    move_id: UUID | None


@dataclass(frozen=True, slots=True)
class Held:
    """A good code, and the worker that its record has had so far."""

    lookup: str
    worker_id: UUID


class Claims:
    def __init__(self, pool: Pool, vault: Vault, store: IdentityStore) -> None:
        self._pool = pool
        self._vault = vault
        self._store = store

    async def held(self, text: object, at: datetime, most_tries: int) -> Held | None:
        """The code, if it is good. Each look counts as a try."""
        code = _read(text)
        if code is None:
            return None
        lookup = claim_codes.lookup_of(code)
        row = await self._pool.fetchrow(_TRY, lookup, at, most_tries)
        if row is None or not self._is_of(code, row["code_index"]):
            return None
        return Held(lookup, row["worker_id"])

    async def just_added(self, text: object, at: datetime, claimant: UUID) -> bool:
        """Whether this is the code by which the claimant added a record a moment ago."""
        code = _read(text)
        if code is None:
            return False
        lookup, since = claim_codes.lookup_of(code), at - _SAID_AGAIN
        index = await self._pool.fetchval(_ADDED, lookup, claimant, since)
        return index is not None and self._is_of(code, index)

    def _is_of(self, code: str, index: bytes) -> bool:
        return hmac.compare_digest(index, self._vault.blind_index(claim_codes.INDEX, code))

    async def give_back(self, held: Held) -> None:
        await self._pool.execute(_GIVE_BACK, held.lookup)

    async def just_answered(
        self, text: object, at: datetime, call: str, *, in_place: bool = True
    ) -> Taken | None:
        """Another token for who took a record up by this very call a moment ago.

        in_place: the first one, which may have been lost on its way, ends with all that began with
        it. Who has it may have written it down.
        """
        code = _read(text)
        if code is None:
            return None
        lookup, since = claim_codes.lookup_of(code), at - _SAID_AGAIN
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_ANSWER, lookup, self._call_index(call), since)
            if row is None or not self._is_of(code, row["code_index"]):
                return None
            subject = await connection.fetchval(_WHOSE, row["key_id"])
            if subject is None:
                return None
            if in_place:
                await revoke_keys(connection, [row["key_id"]])
            token = await self._answer(connection, lookup, UUID(subject))
        return Taken(UUID(subject), token, None)

    async def _answer(self, connection: Connection, lookup: str, worker_id: UUID) -> str:
        token = await issue_key(connection, Role.WORKER, str(worker_id))
        await connection.execute(_ANSWERED, lookup, key_id_of(token))
        return token

    def _call_index(self, call: str) -> bytes:
        return self._vault.blind_index("claim call", call)

    async def take(
        self, held: Held, at: datetime, claimant: UUID | None, call: str | None = None
    ) -> Taken | None:
        """Use the code up, and begin what follows; None when somebody was quicker.

        call: its Idempotency-Key. Raises Problem 503 while one of the two records is being joined
        or parted, 409 when the record's worker signs in already.
        """
        try:
            async with self._store.beginning() as beginning:
                return await self._taken(beginning, held, at, claimant, call)
        except Problem:
            await self.give_back(held)
            raise

    async def _taken(
        self,
        beginning: Beginning,
        held: Held,
        at: datetime,
        claimant: UUID | None,
        call: str | None,
    ) -> Taken | None:
        connection = beginning.connection
        call_index = None if call is None else self._call_index(call)
        if await connection.execute(_TAKE, held.lookup, at, call_index) != "UPDATE 1":
            return None
        old = await beginning.canonical(held.worker_id)
        new = old if claimant is None else await beginning.canonical(claimant)
        if await beginning.is_busy(old, new):
            raise unavailable("This record is being joined or parted right now.")
        if claimant is not None and old == new:
            return Taken(new, None, None)
        await self._nobody_signs_in(connection, old)
        kind = "claim" if claimant is None else "merge"
        order = Order(new_id(), kind, old, new, "CLAIM_CODE")
        await beginning.begin(order)
        if claimant is None:
            token = await self._answer(connection, held.lookup, old)
            return Taken(old, token, order.move_id)
        await beginning.merge(old, new)
        return Taken(new, None, order.move_id)

    async def _nobody_signs_in(self, connection: Connection, worker_id: UUID) -> None:
        if await connection.fetchval(_SIGNS_IN, str(worker_id)):
            detail = "Somebody signs in with this record already. Ask for help."
            raise Problem(409, "record-in-use", detail)

    async def part(self, link_id: UUID, worker_id: UUID | None, reason: str) -> UUID | None:
        """Begin to part a linked record from its worker; None when there is no such link.

        worker_id: whose it must be; None for operators. Raises Problem 503 as `take`.
        """
        async with self._store.beginning() as beginning:
            found = await beginning.link(link_id)
            if found is None or worker_id not in (None, found[2]):
                return None
            source, record_index, old = found
            if await beginning.is_busy(old):
                raise unavailable("This record is being joined or parted right now.")
            new = await beginning.part(link_id, old)
            order = Order(new_id(), "split", old, new, reason, source, record_index, link_id)
            await beginning.begin(order)
            return order.move_id


def _read(text: object) -> str | None:
    return claim_codes.read(text) if isinstance(text, str) else None


def live(grants: Sequence[dict[str, Any]], at: datetime) -> list[dict[str, Any]]:
    """The grants under which somebody sees, or will see, the record."""
    return [g for g in grants if g["withdrawn_at"] is None and g["valid_until"] > at]
