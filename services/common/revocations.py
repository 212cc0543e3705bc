"""Revocations put back from the log, before anything is served after a loss of tables."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.common.codec import decode
from services.common.kafka import Position
from services.common.locks import Lock
from services.common.log import get_logger
from services.common.postgres import Pool
from services.common.replay import records_of
from services.common.settings import Settings

log = get_logger("revocations")
_REVOKE = """
INSERT INTO consent.revocation (grant_id, worker_id, recipient_id, revoked_at, event, position)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (grant_id) DO UPDATE SET position = excluded.position
"""
_RESTORED = "SELECT EXISTS (SELECT FROM consent.restored WHERE topic = $1)"
_MARK = "INSERT INTO consent.restored (topic) VALUES ($1) ON CONFLICT DO NOTHING"


async def restore(settings: Settings, pool: Pool) -> int:
    """Read every withdrawal on the log into `consent.revocation`, once per database.

    Whoever serves or sends calls this first. Answers how many were read; 0 when it was done
    before. Raises KafkaError when the log does not answer.
    """
    topic = settings.topic("stories")
    if await pool.fetchval(_RESTORED, topic):
        return 0
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.RESTORE_REVOCATIONS)
        if await connection.fetchval(_RESTORED, topic):
            return 0
        found = 0
        async for records in records_of(settings, "stories", "ConsentWithdrawn"):
            await connection.executemany(_REVOKE, [_row(record) for record in records])
            found += len(records)
        await connection.execute(_MARK, topic)
    if found:
        log.warning("revocations restored from the log", found=found)
    return found


def _row(record: Any) -> tuple[object, ...]:
    event = decode(record.value)
    return (
        UUID(bytes=event.fields["grant_id"]),
        event.worker_id,
        event.fields["recipient_id"],
        event.fields["occurred_at"],
        record.value,
        str(Position("stories", record.partition, record.offset)),
    )
