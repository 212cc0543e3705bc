"""Is this you? Records that organisations have under an address that a person has proved.

A suggestion merges nothing: it says whom to ask for a code.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import UndefinedTableError

from services.common.codec import FRAME_SIZE, decode
from services.common.postgres import Pool
from services.common.vault import Keyring, Vault
from services.consent.identity.resealing import told

_MOST = 100
# A record that nobody has taken up, and that was never joined or parted.
_OPEN = """
    EXISTS (SELECT FROM vault.worker w
        WHERE w.worker_id = {record} AND w.merged_into IS NULL AND w.registered_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM vault.claim c
        WHERE c.worker_id = {record} AND c.claimed_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM vault.access_key k
        WHERE k.role = 'worker' AND k.subject = {record}::text)
    AND NOT EXISTS (SELECT FROM consent.identity_move m WHERE m.from_worker_id = {record})
    AND NOT EXISTS (SELECT FROM consent.identity_move m WHERE m.into_worker_id = {record})
"""
_SUGGESTED = f"""
SELECT g.source, g.worker_id, min(g.given_at) AS given_at, bool_or(a.mine) AS mine
FROM vault.verified_contact v
JOIN vault.given_contact g USING (contact_index)
LEFT JOIN consent.suggestion_answer a
    ON a.worker_id = v.worker_id AND a.suggested_worker_id = g.worker_id AND a.source = g.source
WHERE v.worker_id = $1 AND v.verified_at > $2 AND g.worker_id <> $1
    AND a.mine IS DISTINCT FROM false AND {_OPEN.format(record="g.worker_id")}
GROUP BY g.source, g.worker_id ORDER BY given_at, g.source, g.worker_id LIMIT $3
"""  # noqa: S608
# A no is for ever.
_ANSWER = """
INSERT INTO consent.suggestion_answer AS a VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (worker_id, suggested_worker_id, source)
    DO UPDATE SET mine = a.mine AND excluded.mine, answered_at = excluded.answered_at
"""
# Several people may have said yes; the organisation sees one record, and nobody's id.
_ASKED_FOR = f"""
SELECT a.suggested_worker_id AS worker_id, min(a.answered_at) AS asked_at
FROM consent.suggestion_answer a
WHERE a.source = $1 AND a.mine AND {_OPEN.format(record="a.suggested_worker_id")}
GROUP BY a.suggested_worker_id ORDER BY asked_at, worker_id LIMIT $2
"""  # noqa: S608
_NAMING = """
SELECT s.schema_id, s.payload FROM unnest($1::uuid[]) AS w (worker_id)
CROSS JOIN LATERAL (
    SELECT schema_id, payload FROM read.story
    WHERE worker_id = w.worker_id AND source = $2 AND event_type = 'WorkerRegistered' LIMIT 1) s
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A record that may be the person's. `worker_id` is the organisation's to know, not theirs."""

    suggestion_id: UUID
    organization_id: str
    worker_id: UUID
    registered_at: datetime
    mine: bool | None  # None: not answered yet


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A record for which somebody who can read its address' mail would like a code."""

    worker_id: UUID
    source_record_id: str | None  # None when the organisation gave none, or it is not read yet
    asked_at: datetime


class Suggestions:
    def __init__(self, pool: Pool, vault: Vault, keyring: Keyring, valid: timedelta) -> None:
        """valid: how long a proved address counts."""
        self._pool = pool
        self._vault = vault
        self._keyring = keyring
        self._valid = valid

    async def of_worker(self, worker_id: UUID, at: datetime) -> list[Suggestion]:
        """The first hundred, without those that were answered with no."""
        rows = await self._pool.fetch(_SUGGESTED, worker_id, at - self._valid, _MOST)
        return [
            Suggestion(
                self._id(worker_id, row["source"], row["worker_id"]),
                row["source"],
                row["worker_id"],
                row["given_at"],
                row["mine"],
            )
            for row in rows
        ]

    async def answer(
        self, suggestion_id: UUID, worker_id: UUID, at: datetime, *, mine: bool
    ) -> Suggestion | None:
        """Keep the answer; None when it is no suggestion of this person's (any more)."""
        for one in await self.of_worker(worker_id, at):
            if hmac.compare_digest(one.suggestion_id.bytes, suggestion_id.bytes):
                args = (worker_id, one.worker_id, one.organization_id, mine, at)
                await self._pool.execute(_ANSWER, *args)
                return one
        return None

    async def of_organization(self, organization_id: str) -> list[AskedFor]:
        """Its own records that somebody has said yes to: the hundred that wait longest."""
        rows = await self._pool.fetch(_ASKED_FOR, organization_id, _MOST)
        numbers = await self._numbers(organization_id, [row["worker_id"] for row in rows])
        return [
            AskedFor(row["worker_id"], numbers.get(row["worker_id"]), row["asked_at"])
            for row in rows
        ]

    async def _numbers(self, source: str, workers: list[UUID]) -> Mapping[UUID, str]:
        """The organisation's own numbers for these people, opened."""
        if not workers:
            return {}
        try:
            rows = await self._pool.fetch(_NAMING, workers, source)
        except UndefinedTableError:  # the read model is being made again
            return {}
        heads = [b"\0" + row["schema_id"].to_bytes(FRAME_SIZE - 1, "big") for row in rows]
        events = [decode(head + row["payload"]) for head, row in zip(heads, rows, strict=True)]
        named = await told(self._keyring, events)
        return {one.event.worker_id: one.number for one in named if one.number is not None}

    def _id(self, worker_id: UUID, source: str, suggested: UUID) -> UUID:
        """A name that tells nothing of the record, and is good for this person alone."""
        index = self._vault.blind_index("suggestion", str(worker_id), source, str(suggested))
        return UUID(bytes=index[:16])
