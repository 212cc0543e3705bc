"""All SQL of the write edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from services.common.kafka import Position
from services.common.postgres import Pool

# An id is ours when it was free, or held and never published by us or by one whose hold is over.
# DO UPDATE waits for whoever is inserting the same id and answers its row, in one statement.
RESERVE = """
INSERT INTO ingest_work.reservation AS r (event_id, content, held_by, held_until)
SELECT event_id, content, $3, $4::timestamptz + $5::interval
FROM unnest($1::uuid[], $2::bytea[]) AS given(event_id, content)
ON CONFLICT (event_id) DO UPDATE SET
    held_by = CASE WHEN r.log_offset IS NULL AND r.held_until <= $4
        THEN excluded.held_by ELSE r.held_by END,
    held_until = CASE WHEN r.log_offset IS NULL AND (r.held_until <= $4 OR r.held_by = $3)
        THEN excluded.held_until ELSE r.held_until END
RETURNING event_id, content, held_by, topic, partition, log_offset
"""
# Always found through the key, however stale the planner's idea of the table; and a row that was
# lost comes back.
PUBLISHED = """
INSERT INTO ingest_work.reservation AS r
    (event_id, content, held_by, held_until, topic, partition, log_offset)
SELECT event_id, content, $6, '-infinity', topic, partition, log_offset
FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::int[], $5::bigint[])
    AS done(event_id, content, topic, partition, log_offset)
ON CONFLICT (event_id) DO UPDATE SET
    topic = excluded.topic, partition = excluded.partition, log_offset = excluded.log_offset
"""
REGISTERED = """
UPDATE vault.worker SET registered_at = $2
WHERE worker_id = ANY($1::uuid[]) AND registered_at IS NULL
"""
WORKERS = """
SELECT worker_id, created_at, registered_at FROM vault.worker WHERE worker_id = ANY($1::uuid[])
"""
WORKERS_OF_RECORDS = """
SELECT s.record_index, w.worker_id, w.created_at, w.registered_at
FROM vault.source_record s JOIN vault.worker w USING (worker_id)
WHERE s.source = ANY($1::text[]) AND s.record_index = ANY($2::bytea[])
"""
# Who loses the race waits for the winner's row and makes no worker.
ADD_RECORDS = """
WITH owner AS (
    INSERT INTO vault.source_record AS s (source, record_index, worker_id)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::uuid[])
    ON CONFLICT (source, record_index) DO UPDATE SET worker_id = s.worker_id
    RETURNING worker_id)
INSERT INTO vault.worker (worker_id, created_at) SELECT worker_id, $4 FROM owner
ON CONFLICT (worker_id) DO NOTHING
"""
ADD_WORKERS = """
INSERT INTO vault.worker (worker_id, created_at) SELECT unnest($1::uuid[]), $2
ON CONFLICT (worker_id) DO NOTHING
"""
# Workers whose registration another writer put on the log are known once it was read.
READ_WORKERS = "SELECT worker_id, registered_at FROM read.worker WHERE worker_id = ANY($1::uuid[])"
ADOPT_WORKERS = """
INSERT INTO vault.worker (worker_id, created_at, registered_at)
SELECT worker_id, at, at FROM unnest($1::uuid[], $2::timestamptz[]) AS found(worker_id, at)
ON CONFLICT (worker_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class KnownWorker:
    worker_id: UUID
    created_at: datetime
    registered: bool  # WorkerRegistered is on the log


@dataclass(frozen=True, slots=True)
class Reserved:
    """What stands under an event id now."""

    content: bytes
    held_by: UUID
    position: Position | None  # None until it is on the log


class IngestStore:
    """Reservations of event ids, and whose record is whose."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(
        self, wanted: Mapping[UUID, bytes], holder: UUID, at: datetime, hold: timedelta
    ) -> Mapping[UUID, Reserved]:
        """Reserve every id that is free, and say what stands under each."""
        ids = sorted(wanted)  # in one order everywhere, so that two writers can't deadlock
        contents = [wanted[event_id] for event_id in ids]
        rows = await self._pool.fetch(RESERVE, ids, contents, holder, at, hold)
        return {
            row["event_id"]: Reserved(row["content"], row["held_by"], _position(row))
            for row in rows
        }

    async def publish(self, done: Sequence[tuple[UUID, bytes, Position]], holder: UUID) -> None:
        """Remember where the events are on the log."""
        ordered = sorted(done, key=lambda entry: entry[0])
        positions = [position for _, _, position in ordered]
        await self._pool.execute(
            PUBLISHED,
            [event_id for event_id, _, _ in ordered],
            [content for _, content, _ in ordered],
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
            holder,
        )

    async def registered(self, worker_ids: Sequence[UUID], at: datetime) -> None:
        """Remember that these workers' registrations are on the log."""
        await self._pool.execute(REGISTERED, sorted(worker_ids), at)

    async def workers(self, ids: Iterable[UUID]) -> Mapping[UUID, KnownWorker]:
        """Those of the workers that have a record here."""
        wanted = list(ids)
        known = {row["worker_id"]: _worker(row) for row in await self._pool.fetch(WORKERS, wanted)}
        if missing := [worker_id for worker_id in wanted if worker_id not in known]:
            known |= await self._adopted(missing)
        return known

    async def workers_of(self, records: Mapping[bytes, str]) -> Mapping[bytes, KnownWorker]:
        """The workers of source records (blind index to source) that were seen before."""
        sources = sorted(set(records.values()))
        rows = await self._pool.fetch(WORKERS_OF_RECORDS, sources, list(records))
        return {row["record_index"]: _worker(row) for row in rows}

    async def add_records(self, records: Mapping[bytes, str], at: datetime) -> None:
        """Make a worker for each source record that still has none."""
        indexes = sorted(records)
        await self._pool.execute(
            ADD_RECORDS,
            [records[index] for index in indexes],
            indexes,
            [uuid4() for _ in indexes],
            at,
        )

    async def add_workers(self, worker_ids: Sequence[UUID], at: datetime) -> None:
        await self._pool.execute(ADD_WORKERS, sorted(worker_ids), at)

    async def _adopted(self, ids: Sequence[UUID]) -> Mapping[UUID, KnownWorker]:
        try:
            rows = await self._pool.fetch(READ_WORKERS, ids)
        except asyncpg.UndefinedTableError:
            return {}
        found = {
            row["worker_id"]: KnownWorker(row["worker_id"], row["registered_at"], True)
            for row in rows
            if row["registered_at"] is not None
        }
        if found:
            times = [worker.created_at for worker in found.values()]
            await self._pool.execute(ADOPT_WORKERS, list(found), times)
        return found


def _position(row: asyncpg.Record) -> Position | None:
    if row["log_offset"] is None:
        return None
    return Position(row["topic"], row["partition"], row["log_offset"])


def _worker(row: asyncpg.Record) -> KnownWorker:
    return KnownWorker(row["worker_id"], row["created_at"], row["registered_at"] is not None)
