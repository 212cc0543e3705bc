"""SQL of dispatch: leasing lanes, and writing down what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.consent import Grant, Recipient
from services.common.emit import Event
from services.common.postgres import Connection, Pool
from services.delivery.lane_sql import (
    ANNOUNCE,
    GRANTS,
    INHERIT,
    LEASE,
    LOCK_LANES,
    NUMBER,
    ROWS,
    SEALED,
    SWITCH_OFF,
    WRITE,
)
from services.delivery.settings import DeliverySettings


@dataclass(frozen=True, slots=True)
class Row:
    """One message that waits in a lane."""

    event_id: UUID
    event_type: str
    category: str
    value: bytes
    traceparent: str | None
    sequence: int | None
    attempts: int


@dataclass(slots=True)
class Lane:
    """A lane under lease: whose, what, and what was agreed when it was leased."""

    connection_id: str
    worker_id: UUID
    lease: UUID
    recipient: Recipient
    connector: str
    url: str
    last_sequence: int
    failures: int
    failing_since: datetime | None
    rows: list[Row] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    deadline: float = 0.0  # on the loop's clock: no write begins after it
    revoked: bool = False  # set when the worker withdraws something from this recipient


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one row: its new state, to be written down and announced."""

    connection_id: str
    event_id: UUID
    state: str  # pending, delivered, refused
    attempts: int
    reason: str
    http_status: int | None
    grant_id: UUID | None
    event: Event
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """How a lane is given back; without a lease it is not."""

    connection_id: str
    worker_id: UUID
    lease: UUID | None
    failures: int = 0
    failing_since: datetime | None = None
    next_at: datetime | None = None  # at once
    parked: bool = False
    gone: bool = False  # the receiver left: its connection is switched off


_ROW_COLUMNS = [
    "connection_id",
    "event_id",
    "state",
    "attempts",
    "reason",
    "http_status",
    "grant_id",
]
_LANE_COLUMNS = [
    "connection_id",
    "worker_id",
    "lease",
    "failures",
    "failing_since",
    "next_at",
    "parked",
]


class LaneStore:
    def __init__(self, pool: Pool, own: DeliverySettings) -> None:
        self._pool = pool
        self._own = own

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[LaneTransaction]:
        """Leaving it without an error commits."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield LaneTransaction(connection, self._own)

    async def inherit(self) -> None:
        """End what an earlier process of this instance id left leased when it was killed."""
        if self._own.instance_id is not None:
            await self._pool.execute(INHERIT, self._own.instance_id)

    async def sealed_secrets(self, connection_id: str) -> tuple[bytes, bytes | None] | None:
        """Our own secret and the receiver's token, both sealed."""
        row = await self._pool.fetchrow(SEALED, connection_id)
        return None if row is None else (row["sealed"], row["sealed_token"])


class LaneTransaction:
    """What is done to lanes together or not at all."""

    def __init__(self, connection: Connection, own: DeliverySettings) -> None:
        self._connection = connection
        self._own = own

    async def lease(self, busy: Mapping[str, int], room: int) -> list[Lane]:
        """Take up to `room` lanes that are due, with their next rows and all their grants."""
        own = self._own
        leased = await self._connection.fetch(
            LEASE,
            list(busy),
            list(busy.values()),
            own.lanes_per_connection,
            room,
            own.lease + own.request_timeout,
            own.instance_id,
        )
        lanes = {(r["connection_id"], r["worker_id"]): _lane(dict(r)) for r in leased}
        if not lanes:
            return []
        connections, workers = zip(*lanes, strict=True)
        rows = await self._connection.fetch(ROWS, connections, workers, own.rows_per_lease)
        for row in rows:
            lanes[row["connection_id"], row["worker_id"]].rows.append(
                Row(**{name: row[name] for name in Row.__slots__})
            )
        await self._add_grants(list(lanes.values()))
        return list(lanes.values())

    async def _add_grants(self, lanes: Sequence[Lane]) -> None:
        rows = await self._connection.fetch(
            GRANTS, [la.worker_id for la in lanes], [la.recipient.recipient_id for la in lanes]
        )
        grants: dict[tuple[UUID, str], list[Grant]] = {}
        for row in rows:
            grants.setdefault((row["worker_id"], row["recipient_id"]), []).append(_grant(dict(row)))
        for lane in lanes:
            lane.grants = grants.get((lane.worker_id, lane.recipient.recipient_id), [])

    async def number(self, lanes: Sequence[Lane]) -> None:
        """Keep the sequence numbers that rows got in this lease."""
        rows = [(lane.connection_id, row) for lane in lanes for row in lane.rows]
        await self._connection.execute(
            NUMBER,
            [connection_id for connection_id, _ in rows],
            [row.event_id for _, row in rows],
            [row.sequence for _, row in rows],
            [lane.connection_id for lane in lanes],
            [lane.worker_id for lane in lanes],
            [lane.last_sequence for lane in lanes],
        )

    async def write(self, written: Sequence[Written], released: Sequence[Release]) -> bool:
        """Write down outcomes with the events that announce them, and give lanes back.

        `released` has every lane of `written`. Answers whether one of them has more to send now.
        """
        lanes = [[getattr(r, name) for r in released] for name in _LANE_COLUMNS]
        await self._connection.execute(LOCK_LANES, *lanes[:2])
        rows = [[getattr(w, name) for w in written] for name in _ROW_COLUMNS]
        states = await self._connection.fetch(WRITE, *rows, *lanes)
        if written:
            await self.announce([(w.event, w.traceparent) for w in written])
        return any(state["due"] for state in states)

    async def switch_off(self, connection_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Pause connections whose receiver has left; answers the ones that were active."""
        return [dict(r) for r in await self._connection.fetch(SWITCH_OFF, connection_ids)]

    async def announce(self, events: Sequence[tuple[Event, str | None]]) -> None:
        await self._connection.execute(
            ANNOUNCE,
            [event.key for event, _ in events],
            [event.value for event, _ in events],
            [traceparent for _, traceparent in events],
        )


def _lane(row: Mapping[str, Any]) -> Lane:
    recipient = Recipient(
        row["recipient_id"], row["connection_id"], frozenset(row["categories"]), row["purpose"]
    )
    names = ("connection_id", "worker_id", "lease", "connector", "url", "last_sequence")
    values = {name: row[name] for name in (*names, "failures", "failing_since")}
    return Lane(recipient=recipient, **values)


def _grant(row: Mapping[str, Any]) -> Grant:
    values = dict(row)
    for name in ("categories", "purposes"):
        values[name] = frozenset(values[name])
    return Grant(**values)
