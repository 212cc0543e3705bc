"""A read by an organisation is a disclosure: decided while withdrawals wait, and logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from aiokafka import AIOKafkaProducer

from services.common.access import Principal
from services.common.emit import Actor, Event, about_worker, publish
from services.common.ids import new_id
from services.common.postgres import Connection
from services.common.settings import Settings

# What the worker's page calls a read, in place of a connection.
READ: Final = "read"
# A dispatch, a read and a withdrawal of one worker and recipient meet at these rows.
_MAKE_LOCKS = """
INSERT INTO consent.lock (worker_id, recipient_id)
SELECT w, $2 FROM unnest($1::uuid[]) w ORDER BY w ON CONFLICT DO NOTHING
"""
_SHARE_LOCKS = """
SELECT FROM consent.lock WHERE worker_id = ANY ($1) AND recipient_id = $2
ORDER BY worker_id FOR SHARE
"""


@dataclass(frozen=True, slots=True)
class Read:
    """One fact that an organisation is about to see, and the grant that lets it."""

    worker_id: UUID
    event_id: UUID
    event_type: str
    category: str
    recipient_id: str
    grant_id: UUID
    message_id: str  # of the recipient and the event, as of a delivery


async def hold_withdrawals(
    connection: Connection, worker_ids: Sequence[UUID], recipient_id: str
) -> None:
    """Until the transaction ends, withdrawals of these people from the recipient wait.

    What is decided after this is still so when the answer goes out.
    """
    await connection.execute(_MAKE_LOCKS, worker_ids, recipient_id)
    await connection.execute(_SHARE_LOCKS, worker_ids, recipient_id)


async def log_reads(
    producer: AIOKafkaProducer,
    settings: Settings,
    reads: Iterable[Read],
    who: Principal,
    at: datetime,
) -> None:
    """Write down for the workers what is about to be seen. Raises KafkaError, TimeoutError."""
    events = (logged(read, who, at) for read in reads)
    await asyncio.gather(*(publish(producer, settings, event) for event in events))


def logged(read: Read, who: Principal, at: datetime) -> Event:
    """What the log of disclosures says of one read."""
    return about_worker(
        "DisclosureAttempted",
        new_id(),
        read.worker_id,
        Actor.of(who),
        at=at,
        # One row a day for the worker: who read it again on another day is seen again.
        message_id=f"{read.message_id}.{at:%Y%m%d}",
        connection_id=READ,
        recipient_id=read.recipient_id,
        grant_id=read.grant_id.bytes,
        subject_event_id=read.event_id.bytes,
        subject_type=read.event_type,
        subject_category=read.category,
        outcome="DELIVERED",
        reason="read",
        http_status=200,
        attempt=1,
        decided_at=at,
    )
