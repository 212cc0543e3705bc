"""Reads by employers: decided under the lock that a withdrawal takes, and logged for the worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer

from services.common.access import Principal
from services.common.agreements_on_file import why_not_receive
from services.common.consent import Grant, Recipient, decide
from services.common.postgres import Connection, Pool
from services.common.reads import READ, Read, hold_withdrawals, log_reads
from services.common.settings import Settings
from services.common.vault import Vault
from services.promises.store import Row

_PURPOSES = ("advancement", "training_support", "hiring")

_GRANTS = """
SELECT g.grant_id, g.worker_id, g.recipient_id, g.categories, g.purposes, g.valid_from,
       g.valid_until, g.withdrawn_at IS NOT NULL OR r.grant_id IS NOT NULL AS revoked
FROM read.access_grant g LEFT JOIN consent.revocation r ON r.grant_id = g.grant_id
WHERE g.recipient_id = $1 AND g.worker_id = ANY ($2) AND g.valid_until IS NOT NULL
"""
_EMPLOYED = """
SELECT DISTINCT e.worker_id FROM read.employment e
WHERE e.employer_id = $1 AND e.started_at IS NOT NULL AND e.ended_at IS NULL AND EXISTS (
    SELECT FROM read.access_grant g WHERE g.worker_id = e.worker_id AND g.recipient_id = $1)
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that an employer is about to see something of."""

    worker_id: UUID
    event_id: UUID
    event_type: str


class Sharing:
    """What an employer may see, of whom, now."""

    def __init__(
        self, pool: Pool, vault: Vault, producer: AIOKafkaProducer, settings: Settings
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._producer = producer
        self._settings = settings

    async def shares(self, worker_id: UUID, employer_id: str, category: str, at: datetime) -> bool:
        async with self._pool.acquire() as connection:
            return bool(await _live(connection, [worker_id], employer_id, category, at))

    async def may_ask(
        self, employer_id: str, categories: Collection[str], purposes: Collection[str]
    ) -> bool:
        """Whether an agreement lets the employer receive all of this, and so ask for it."""
        required = self._settings.require_agreement
        refusal = await why_not_receive(
            self._pool, employer_id, categories, purposes, required=required
        )
        return refusal is None

    async def employees_who_share(
        self, employer_id: str, category: str, at: datetime
    ) -> frozenset[UUID]:
        """Present employees who share this part of the record with their employer."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_EMPLOYED, employer_id)
            employed = [row["worker_id"] for row in rows]
            return frozenset(await _live(connection, employed, employer_id, category, at))

    async def disclose(
        self,
        rows: Sequence[tuple[Row, Sequence[Seen]]],
        who: Principal,
        category: str,
        at: datetime,
    ) -> Mapping[int, bool]:
        """Decide for each row, by its place, whether it may be seen, and log the events that are.

        A withdrawal waits for that: when it returns, nothing more is seen. Raises KafkaError.
        """
        employer_id = who.organization_id
        workers = sorted({row["worker_id"] for row, _ in rows})
        async with self._pool.acquire() as connection, connection.transaction():
            await hold_withdrawals(connection, workers, employer_id)
            live = await _live(connection, workers, employer_id, category, at)
            reads = [
                self._read(seen, live[seen.worker_id], category)
                for _, of_row in rows
                for seen in of_row
                if seen.worker_id in live
            ]
            await log_reads(self._producer, self._settings, reads, who, at)
        return {place: row["worker_id"] in live for place, (row, _) in enumerate(rows)}

    def _read(self, seen: Seen, grant: Grant, category: str) -> Read:
        return Read(
            worker_id=seen.worker_id,
            event_id=seen.event_id,
            event_type=seen.event_type,
            category=category,
            recipient_id=grant.recipient_id,
            grant_id=grant.grant_id,
            message_id=self._vault.message_id(f"{READ}:{grant.recipient_id}", seen.event_id),
        )


async def _live(
    connection: Connection,
    workers: Collection[UUID],
    employer_id: str,
    category: str,
    at: datetime,
) -> dict[UUID, Grant]:
    """The grant under which each worker shares the category, of those who do."""
    grants: dict[UUID, list[Grant]] = defaultdict(list)
    for row in await connection.fetch(_GRANTS, employer_id, list(workers)):
        grants[row["worker_id"]].append(_grant(row))
    found: dict[UUID, Grant] = {}
    for worker_id, given in grants.items():
        for purpose in _PURPOSES:
            wanted = Recipient(employer_id, READ, frozenset({category}), purpose)
            answer = decide(category, wanted, given, worker_id=worker_id, at=at)
            if isinstance(answer, Grant):
                found.setdefault(worker_id, answer)
    return found


def _grant(row: Any) -> Grant:
    return Grant(
        grant_id=row["grant_id"],
        worker_id=row["worker_id"],
        recipient_id=row["recipient_id"],
        categories=frozenset(row["categories"]),
        purposes=frozenset(row["purposes"]),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        revoked=row["revoked"],
    )
