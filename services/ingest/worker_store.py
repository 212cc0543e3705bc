"""SQL of the vault: who has a record here, and whose each source record is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

from services.common.postgres import Pool

REGISTERED = """
UPDATE vault.worker SET registered_at = $2
WHERE worker_id = ANY($1::uuid[]) AND registered_at IS NULL
"""
# An id that was merged stands for the one that the story goes on under. Said by the organisation
# whose record the id was first made for, it stands for whoever that record belongs to now.
WORKERS = """
SELECT k.asked, k.source, w.worker_id, w.created_at, w.registered_at, k.asked AS known_as
FROM unnest($1::uuid[], $2::text[]) AS k (asked, source)
JOIN vault.worker a ON a.worker_id = k.asked
LEFT JOIN vault.source_record s ON s.source = k.source AND s.first_worker_id = k.asked
JOIN vault.worker w ON w.worker_id = coalesce(s.worker_id, a.merged_into, a.worker_id)
"""
WORKERS_OF_RECORDS = """
SELECT s.record_index, w.worker_id, w.created_at, w.registered_at,
    coalesce(s.first_worker_id, s.worker_id) AS known_as
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
ADD_CONTACTS = """
INSERT INTO vault.given_contact (contact_index, source, worker_id, given_at)
SELECT * FROM unnest($1::bytea[], $2::text[], $3::uuid[], $4::timestamptz[])
ON CONFLICT DO NOTHING
"""
# Workers whose registration another writer put on the log are known once it was read.
READ_WORKERS = "SELECT worker_id, registered_at FROM read.worker WHERE worker_id = ANY($1::uuid[])"
ADOPT_WORKERS = """
INSERT INTO vault.worker (worker_id, created_at, registered_at)
SELECT worker_id, at, at FROM unnest($1::uuid[], $2::timestamptz[]) AS found(worker_id, at)
ON CONFLICT (worker_id) DO NOTHING
"""


_NUMBER = attrgetter("int")


class KnownWorker(NamedTuple):
    worker_id: UUID
    created_at: datetime
    registered: bool  # WorkerRegistered is on the log
    # What the sender calls this worker. Merges don't change it, so two organisations whose records
    # are one person's never hold the same id.
    known_as: UUID


class WorkerStore:
    """Workers, and the source records that lead to them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def registered(self, worker_ids: Sequence[UUID], at: datetime) -> None:
        """Remember that these workers' registrations are on the log."""
        await self._pool.execute(REGISTERED, sorted(worker_ids, key=_NUMBER), at)

    async def workers(
        self, asked: Iterable[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], KnownWorker]:
        """Those that have a record here, of ids and who says them, as they are called now."""
        wanted = list(asked)
        rows = await self._pool.fetch(WORKERS, [i for i, _ in wanted], [s for _, s in wanted])
        known = {(row["asked"], row["source"]): _worker(row) for row in rows}
        if missing := [key for key in wanted if key not in known]:
            adopted = await self._adopted({worker_id for worker_id, _ in missing})
            known |= {key: adopted[key[0]] for key in missing if key[0] in adopted}
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
        await self._pool.execute(ADD_WORKERS, sorted(worker_ids, key=_NUMBER), at)

    async def add_contacts(self, given: Mapping[tuple[bytes, str, UUID], datetime]) -> None:
        """given: an address' blind index, who gave it and for whom, with when."""
        ordered = sorted(given, key=lambda key: (key[0], key[1], key[2].int))
        indexes, sources, workers = zip(*ordered, strict=True)
        times = [given[key] for key in ordered]
        await self._pool.execute(ADD_CONTACTS, indexes, sources, workers, times)

    async def _adopted(self, ids: Collection[UUID]) -> Mapping[UUID, KnownWorker]:
        try:
            rows = await self._pool.fetch(READ_WORKERS, list(ids))
        except asyncpg.UndefinedTableError:
            return {}
        found = {
            row["worker_id"]: KnownWorker(
                row["worker_id"], row["registered_at"], True, row["worker_id"]
            )
            for row in rows
            if row["registered_at"] is not None
        }
        if found:
            times = [worker.created_at for worker in found.values()]
            await self._pool.execute(ADOPT_WORKERS, list(found), times)
        return found


def _worker(row: asyncpg.Record) -> KnownWorker:
    registered = row["registered_at"] is not None
    return KnownWorker(row["worker_id"], row["created_at"], registered, row["known_as"])
