"""SQL and steps of the HTTP side: an organisation's connections and what was sent through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from services.common.codec import decode
from services.common.emit import Actor, publish
from services.common.errors import not_found
from services.common.kafka import Position
from services.common.postgres import Connection, Pool
from services.common.settings import Settings
from services.common.vault import Vault
from services.delivery.match_store import MatchTransaction
from services.delivery.outcomes import connection_configured

KEEP_SEALED = """
INSERT INTO vault.connection_secret (connection_id, sealed, sealed_token) VALUES ($1, $2, $3)
"""
CONNECTIONS = """
SELECT connection_id, connector, url, state, categories, purpose, version, configured_at
FROM delivery.connection WHERE organization_id = $1 AND state <> 'ENDED'
ORDER BY configured_at, connection_id
"""
ONE = """
SELECT * FROM delivery.connection
WHERE connection_id = $1 AND organization_id = $2 AND state <> 'ENDED' FOR UPDATE
"""
OWNED = """
SELECT EXISTS (SELECT FROM delivery.connection WHERE connection_id = $1 AND organization_id = $2)
"""
REVIVE_LANES = """
UPDATE delivery_work.lane SET parked_at = NULL, failures = 0, failing_since = NULL, next_at = now()
WHERE connection_id = $1 AND (parked_at IS NOT NULL OR failures > 0)
"""
DELIVERIES = """
SELECT o.event_id, o.worker_id, o.event_type, o.category, o.sequence, o.attempts, o.reason,
    o.http_status, o.matched_at, o.attempted_at,
    CASE WHEN o.state = 'pending' AND l.parked_at IS NOT NULL THEN 'parked'
        WHEN o.state = 'pending' AND l.failures > 0 THEN 'retrying' ELSE o.state END AS state,
    CASE WHEN o.state = 'pending' AND l.parked_at IS NULL THEN l.next_at END AS next_at
FROM delivery_work.outbox o JOIN delivery_work.lane l USING (connection_id, worker_id)
WHERE o.connection_id = $1 AND o.state <> 'refused' AND ($2::text IS NULL OR o.state = $2)
ORDER BY o.matched_at DESC, o.event_id LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Secrets of a connection, as they are stored."""

    secret: bytes  # our own, with which we sign
    token: bytes | None  # the receiver's, which lets us in

    @classmethod
    def of(cls, vault: Vault, connection_id: str, secret: bytes, token: str | None) -> Sealed:
        kept = vault.seal_secret(f"{connection_id}/token", token.encode()) if token else None
        return cls(vault.seal_secret(connection_id, secret), kept)

    def opened(self, vault: Vault, connection_id: str) -> tuple[bytes, str | None]:
        """The secret and the token as they were given."""
        secret = vault.open_secret(connection_id, self.secret)
        if self.token is None:
            return secret, None
        return secret, vault.open_secret(f"{connection_id}/token", self.token).decode()


class Connections:
    def __init__(self, pool: Pool, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._pool = pool
        self._producer = producer
        self._settings = settings

    async def connect(
        self, connection: Mapping[str, Any], sealed: Sealed, actor: Actor, *, at: datetime
    ) -> Position:
        """Keep the secrets, tell the directory, and take the connection into view."""
        await self._pool.execute(
            KEEP_SEALED, connection["connection_id"], sealed.secret, sealed.token
        )
        async with self._pool.acquire() as db, db.transaction():
            return await self._configure(db, connection, actor, at)

    async def change(
        self, connection_id: str, organization_id: str, state: str, actor: Actor, *, at: datetime
    ) -> tuple[dict[str, Any], Position | None]:
        """Set the state; None for the position when it was so already. Raises Problem 404."""
        async with self._pool.acquire() as db, db.transaction():
            row = await db.fetchrow(ONE, connection_id, organization_id)
            if row is None:
                raise not_found("connection")
            if state == "ACTIVE":
                await db.execute(REVIVE_LANES, connection_id)
            changed = {**row, "state": state, "version": row["version"] + 1}
            if row["state"] == state:
                return dict(row), None
            return changed, await self._configure(db, changed, actor, at)

    async def _configure(
        self, db: Connection, connection: Mapping[str, Any], actor: Actor, at: datetime
    ) -> Position:
        """Publish first: what the log does not have did not happen.

        Only a new connection needs the positions, and then before its own row: `Directory` takes
        them in this order, too.
        """
        event = connection_configured(connection, actor, at=at)
        position = await publish(self._producer, self._settings, event)
        tx = MatchTransaction(db)
        if connection["version"] == 1:
            await tx.lock_positions("stories", None)
        await tx.configure(decode(event.value).fields)
        return position

    async def of(self, organization_id: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._pool.fetch(CONNECTIONS, organization_id)]

    async def deliveries(
        self, connection_id: str, organization_id: str, state: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """What was sent or waits, newest first. Raises Problem 404."""
        if not await self._pool.fetchval(OWNED, connection_id, organization_id):
            raise not_found("connection")
        rows = await self._pool.fetch(DELIVERIES, connection_id, state, limit)
        return [dict(row) for row in rows]
