"""All SQL of the promises worker."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.agent import TOPIC
from services.common.emit import Event
from services.common.errors import RetryableError
from services.common.postgres import Connection, Pool
from services.promises.announcing import Said
from services.promises.facts import TYPES_VERSION, Fact
from services.promises.taking_in import Changed, Followed, Told


class OlderRelease(RetryableError):
    """What was read was read without types that this release knows. Begin again."""


_MAKE_POSITIONS = """
INSERT INTO promises.position (topic, partition, next_offset, types_version)
SELECT $1, p, 0, $3 FROM unnest($2::int[]) p ON CONFLICT DO NOTHING
"""
# Back to where a release stood that knew these types, if one did. Of a later release it is no
# matter: that one comes back to its own.
_BACK = """
UPDATE promises.position SET types_version = $2,
    types_offset = CASE WHEN types_version = $2 THEN types_offset ELSE 0 END,
    next_offset = CASE WHEN types_version = $2 THEN types_offset ELSE 0 END
WHERE topic = $1 AND (types_version < $2 OR types_version = $2 AND types_offset <> next_offset)
"""
_POSITIONS = "SELECT partition, next_offset FROM promises.position WHERE topic = $1"
# Held to the end of the transaction: whoever moves or reads these does so one after the other.
_LOCK_POSITIONS = """
SELECT partition, next_offset,
       types_version < $3 OR types_version = $3 AND types_offset <> next_offset AS of_older
FROM promises.position
WHERE topic = $1 AND partition = ANY ($2) ORDER BY partition FOR UPDATE
"""
_ADVANCE = """
UPDATE promises.position p SET next_offset = n.next_offset,
    types_offset = CASE WHEN p.types_version = $4 THEN n.next_offset ELSE p.types_offset END
FROM unnest($2::int[], $3::bigint[]) AS n(partition, next_offset)
WHERE p.topic = $1 AND p.partition = n.partition
"""

_ADD_FACTS = """
INSERT INTO promises.fact
    (worker_id, event_id, name, occurred_at, recorded_at, source, supersedes, fields)
SELECT worker_id, event_id, name, occurred_at, recorded_at, source, supersedes, fields::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
    $7::uuid[], $8::text[])
    AS f(worker_id, event_id, name, occurred_at, recorded_at, source, supersedes, fields)
ON CONFLICT DO NOTHING
RETURNING worker_id, event_id
"""
_FACTS = """
SELECT worker_id, event_id, name, occurred_at, recorded_at, source, supersedes, fields
FROM promises.fact WHERE worker_id = ANY ($1) ORDER BY worker_id, occurred_at, event_id
"""
_FOLLOWED = """
SELECT worker_id, promise_id, let_in, wake_at, said FROM promises.promise WHERE worker_id = ANY ($1)
"""
_ON_THE_LOG = """
INSERT INTO promises.outbox (event_id, worker_id, partition, published)
SELECT e, w, p, true FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS o(e, w, p)
ON CONFLICT (event_id) DO UPDATE SET published = true, value = NULL
"""
_SEND = """
INSERT INTO promises.outbox (event_id, worker_id, partition, value) VALUES ($1, $2, $3, $4)
ON CONFLICT (event_id) DO NOTHING
"""
_WRITE = """
INSERT INTO promises.promise AS p (worker_id, promise_id, partition, employer_id, pathway_id,
    pathway_version, outcome, due_in_days, criteria, made_at, state, accepted_at, declined_at,
    met_at, due_at, outcome_at, lapsed_at, withdrawn_at, let_in, wake_at, said)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21)
ON CONFLICT (worker_id, promise_id) DO UPDATE SET partition = excluded.partition,
    employer_id = excluded.employer_id, pathway_id = excluded.pathway_id,
    pathway_version = excluded.pathway_version, outcome = excluded.outcome,
    due_in_days = excluded.due_in_days, criteria = excluded.criteria, made_at = excluded.made_at,
    state = excluded.state, accepted_at = excluded.accepted_at,
    declined_at = excluded.declined_at, met_at = excluded.met_at, due_at = excluded.due_at,
    outcome_at = excluded.outcome_at, lapsed_at = excluded.lapsed_at,
    withdrawn_at = excluded.withdrawn_at, let_in = excluded.let_in,
    wake_at = excluded.wake_at, said = excluded.said
"""
_WAITING = """
SELECT DISTINCT partition FROM promises.promise WHERE partition = ANY ($1) AND wake_at < $2
"""
_AWAKE = """
SELECT worker_id, promise_id FROM promises.promise WHERE partition = $1 AND wake_at < $2
ORDER BY wake_at LIMIT 500
"""
_UNPUBLISHED = """
SELECT event_id, worker_id, value FROM promises.outbox
WHERE NOT published AND partition = ANY ($1) ORDER BY outbox_id LIMIT 500
"""
_PUBLISHED = "UPDATE promises.outbox SET published = true, value = NULL WHERE event_id = ANY ($1)"


class StreamStore:
    """The state of the worker. Everything happens in transactions that hold the positions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[StreamTransaction]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield StreamTransaction(connection)

    async def make_positions(self, partitions: Collection[int]) -> None:
        """A position that is not known begins at the beginning of the log.

        So does one up to which only a release has read that knows fewer types.
        """
        await self._pool.execute(_MAKE_POSITIONS, TOPIC, sorted(partitions), TYPES_VERSION)
        await self._pool.execute(_BACK, TOPIC, TYPES_VERSION)

    async def positions(self) -> Mapping[int, int]:
        rows = await self._pool.fetch(_POSITIONS, TOPIC)
        return {row["partition"]: row["next_offset"] for row in rows}

    async def waiting(self, partitions: Collection[int], now: datetime) -> frozenset[int]:
        """The partitions with promises that time alone may have changed."""
        rows = await self._pool.fetch(_WAITING, sorted(partitions), now)
        return frozenset(row["partition"] for row in rows)

    async def unpublished(self, partitions: Collection[int]) -> Sequence[tuple[UUID, UUID, bytes]]:
        """Events of these partitions that are not known to be on the log: event, worker, value."""
        rows = await self._pool.fetch(_UNPUBLISHED, sorted(partitions))
        return [(row["event_id"], row["worker_id"], row["value"]) for row in rows]

    async def published(self, event_ids: Collection[UUID]) -> None:
        await self._pool.execute(_PUBLISHED, list(event_ids))


class StreamTransaction:
    """What one batch, or one deadline, does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_positions(self, partitions: Iterable[int]) -> Mapping[int, int]:
        """Raises OlderRelease when one that knows less has gone on in between."""
        wanted = sorted(set(partitions))
        rows = await self._connection.fetch(_LOCK_POSITIONS, TOPIC, wanted, TYPES_VERSION)
        if older := [row["partition"] for row in rows if row["of_older"]]:
            raise OlderRelease(f"an older release has read partitions {older}; they are read again")
        return {row["partition"]: row["next_offset"] for row in rows}

    async def advance(self, positions: Mapping[int, int]) -> None:
        columns = list(positions), list(positions.values())
        await self._connection.execute(_ADVANCE, TOPIC, *columns, TYPES_VERSION)

    async def add_facts(self, told: Sequence[Told]) -> Sequence[Told]:
        """Keep facts, and answer those that were not known: a repeat changes nothing."""
        if not told:
            return []
        rows = [
            (
                *(t.worker_id, t.fact.event_id, t.fact.name, t.fact.occurred_at),
                *(t.fact.recorded_at, t.fact.source, t.fact.supersedes, json.dumps(t.fact.fields)),
            )
            for t in told
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        added = {tuple(row) for row in await self._connection.fetch(_ADD_FACTS, *columns)}
        new = []
        for item in told:
            key = item.worker_id, item.fact.event_id
            if key in added:
                added.discard(key)
                new.append(item)
        return new

    async def facts(self, workers: Collection[UUID]) -> Mapping[UUID, list[Fact]]:
        found: dict[UUID, list[Fact]] = defaultdict(list)
        for row in await self._connection.fetch(_FACTS, list(workers)):
            found[row["worker_id"]].append(_fact(row))
        return found

    async def followed(self, workers: Collection[UUID]) -> Mapping[tuple[UUID, str], Followed]:
        rows = await self._connection.fetch(_FOLLOWED, list(workers))
        return {
            (row["worker_id"], row["promise_id"]): Followed(
                frozenset(row["let_in"]),
                row["wake_at"],
                {place: Said(*said) for place, said in json.loads(row["said"]).items()},
            )
            for row in rows
        }

    async def awake(self, partition: int, now: datetime) -> Sequence[tuple[UUID, str]]:
        """Some of the promises of a partition that time alone may have changed."""
        return [tuple(row) for row in await self._connection.fetch(_AWAKE, partition, now)]

    async def on_the_log(self, own: Sequence[tuple[UUID, UUID, int]]) -> None:
        """These events of ours are on the log: whatever else happens, they are not sent again."""
        if own:
            columns = [list(column) for column in zip(*own, strict=True)]
            await self._connection.execute(_ON_THE_LOG, *columns)

    async def write(self, changed: Iterable[Changed]) -> None:
        await self._connection.executemany(_WRITE, [_row(item) for item in changed])

    async def send(self, events: Iterable[tuple[UUID, UUID, int, Event]]) -> None:
        rows = [(event_id, worker, part, event.value) for event_id, worker, part, event in events]
        await self._connection.executemany(_SEND, rows)


def _fact(row: Any) -> Fact:
    return Fact(
        row["event_id"],
        row["name"],
        row["occurred_at"],
        row["recorded_at"],
        row["source"],
        row["supersedes"],
        json.loads(row["fields"]),
    )


def _row(item: Changed) -> tuple[object, ...]:
    promise, followed, stands = item.promise, item.followed, item.followed.stands
    assert stands is not None
    said = {place: (s.event_id, s.content) for place, s in followed.said.items()}
    return (
        *(item.worker_id, promise.promise_id, item.partition, promise.employer_id),
        *(promise.pathway_id, promise.pathway_version, promise.outcome, promise.due_in_days),
        [criterion.code for criterion in promise.criteria],
        *(promise.made_at, stands.state),
        stands.accepted.at if stands.accepted else None,
        stands.declined.at if stands.declined else None,
        [moment.at if moment else None for moment in stands.met],
        stands.due_at,
        stands.outcome.at if stands.outcome else None,
        stands.lapsed_at,
        stands.withdrawn.at if stands.withdrawn else None,
        sorted(followed.let_in),
        followed.wake_at,
        json.dumps(said),
    )
