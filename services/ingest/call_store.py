"""SQL of working state: calls with an `Idempotency-Key`, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.common.ids import derived_id
from services.common.postgres import Pool
from services.ingest.settings import IngestSettings

# A key is ours when it is new, was forgotten, or the same call under it was given up by a caller
# or by a process that died.
BEGIN = """
INSERT INTO ingest_work.call AS c (subject, key, fingerprint, held_by, held_until, forget_at)
SELECT $1, $2, $3, $4, $5::timestamptz + $6::interval, $5::timestamptz + $7::interval
WHERE (SELECT count(*) FROM (SELECT FROM ingest_work.call WHERE subject = $1 LIMIT $8) AS k) < $8
    OR EXISTS (SELECT FROM ingest_work.call WHERE subject = $1 AND key = $2)
ON CONFLICT (subject, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, held_by = excluded.held_by,
    held_until = excluded.held_until, forget_at = excluded.forget_at,
    status = NULL, media_type = NULL, body = NULL
WHERE c.forget_at <= $5
    OR (c.status IS NULL AND c.held_until <= $5 AND c.fingerprint = excluded.fingerprint)
"""
FIND = """
SELECT fingerprint, status, media_type, body FROM ingest_work.call WHERE subject = $1 AND key = $2
"""
FINISH = """
UPDATE ingest_work.call SET status = $4, media_type = $5, body = $6
WHERE subject = $1 AND key = $2 AND held_by = $3
"""
# The row stays for a while: what the call was to write may still get to the log, so that under this
# key only the same call may be made again. Not for long, for rows count; the ids of its events
# follow from the call, however late it is made again.
RELEASE = """
UPDATE ingest_work.call
SET held_until = '-infinity', forget_at = least(forget_at, now() + interval '10 minutes')
WHERE subject = $1 AND key = $2 AND held_by = $3 AND status IS NULL
"""
FORGET = """
DELETE FROM ingest_work.call WHERE (subject, key) IN
    (SELECT subject, key FROM ingest_work.call WHERE forget_at <= $1 LIMIT $2
     FOR UPDATE SKIP LOCKED)
"""
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Found:
    fingerprint: bytes
    answer: KeptAnswer | None  # None while it is under way


@dataclass(frozen=True, slots=True)
class Call:
    """A call under a key. `subject`: the organisation, or worker, whose keys these are."""

    subject: str
    key: str
    fingerprint: bytes

    def event_id(self, number: int) -> UUID:
        """Of the call's event of this number, when it has none: the same whenever it is made."""
        return derived_id("call", self.subject, self.key, self.fingerprint.hex(), number)


class CallStore:
    """Calls by subject and key."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, call: Call, holder: UUID, at: datetime, own: IngestSettings) -> bool:
        """Take the key; False when somebody has it, or the subject has too many."""
        done = await self._pool.execute(
            BEGIN,
            call.subject,
            call.key,
            call.fingerprint,
            holder,
            at,
            own.call_hold,
            own.call_kept_for,
            own.calls_kept,
        )
        return done == "INSERT 0 1"

    async def find(self, call: Call) -> Found | None:
        row = await self._pool.fetchrow(FIND, call.subject, call.key)
        if row is None:
            return None
        ended = row["status"] is not None
        answer = KeptAnswer(row["status"], row["media_type"], row["body"]) if ended else None
        return Found(row["fingerprint"], answer)

    async def finish(self, call: Call, holder: UUID, answer: KeptAnswer) -> None:
        told = (answer.status, answer.media_type, answer.body)
        await self._pool.execute(FINISH, call.subject, call.key, holder, *told)

    async def release(self, call: Call, holder: UUID) -> None:
        await self._pool.execute(RELEASE, call.subject, call.key, holder)

    async def forget(self, at: datetime) -> None:
        """Delete what is old, a thousand at a time."""
        while await self._pool.execute(FORGET, at, _BATCH) == f"DELETE {_BATCH}":
            pass
