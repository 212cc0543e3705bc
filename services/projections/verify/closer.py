"""A second look, only at the stretches of the log that differ: which records, and what is wrong."""

# ruff: noqa: S608

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import ConsumerRecord

from services.common.postgres import Connection
from services.common.replay import records_between
from services.common.settings import Settings
from services.projections.counting import MODULUS, Place, framed, record_hash
from services.projections.declaration import STORIES, STREAMS
from services.projections.events import stream_of
from services.projections.verify.differences import Difference, Wrong, at_offset
from services.projections.verify.table_side import LOGS

# Records that are looked at closely, at the most.
MOST_RECORDS: Final = 100_000

_WANTED = "JOIN unnest($1::text[], $2::int[], $3::bigint[]) AS w (topic, partition, bucket)"
_WHERE = "ON t.topic = w.topic AND t.partition = w.partition AND t.log_offset / $4 = w.bucket"
_FRAMED = (
    "SELECT '{table}', t.topic, t.partition, t.log_offset, t.schema_id, t.payload, NULL::bigint"
)
_PLAIN = "SELECT '{table}', t.topic, t.partition, t.log_offset, NULL::int, {value}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that stands for a record."""

    table: str
    hash: int


class CloserLook:
    """Compares stretches of offsets record by record, in the caller's transaction."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        schema: str,
        positions: Mapping[Place, int],
        size: int,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._schema = schema
        self._positions = positions
        self._size = size

    async def look(self, differing: Sequence[tuple[Place, int]]) -> list[Difference]:
        """The differences in the first of these stretches, in order of the log."""
        some = differing[: max(1, MOST_RECORDS // self._size)]
        kept = await self._kept(some)
        found: list[Difference] = []
        for place, bucket in some:
            start = bucket * self._size
            end = min(start + self._size, self._positions.get(place, 0))
            told = await self._on_log(place, start, end)
            rows = {
                at: rows
                for (p, at), rows in kept.items()
                if p == place and start <= at < start + self._size
            }
            found += await self._compare(place, told, rows)
        return found

    async def _on_log(self, place: Place, start: int, end: int) -> dict[int, ConsumerRecord]:
        return {
            record.offset: record
            async for _, records in records_between(self._settings, {place: (start, end)})
            for record in records
        }

    async def _kept(
        self, stretches: Sequence[tuple[Place, int]]
    ) -> Mapping[tuple[Place, int], list[Kept]]:
        """Every row of these stretches, by partition and offset."""
        columns = (
            [topic for (topic, _), _ in stretches],
            [partition for (_, partition), _ in stretches],
            [bucket for _, bucket in stretches],
        )
        rows = await self._connection.fetch(self._query(), *columns, self._size)
        kept: dict[tuple[Place, int], list[Kept]] = defaultdict(list)
        for table, topic, partition, offset, schema_id, value, hashed in rows:
            if hashed is None:
                whole = value if schema_id is None else framed(schema_id, value)
                hashed = record_hash(whole, offset)
            kept[(topic, partition), offset].append(Kept(table, hashed % MODULUS))
        return kept

    def _query(self) -> str:
        logs = [table for tables in LOGS.values() for table in tables]
        parts = [_FRAMED.format(table=table) + self._from(table) for table in logs]
        values = {"parked": "t.value, NULL::bigint", "left_out": "NULL::bytea, t.hash"}
        parts += [
            _PLAIN.format(table=table, value=value) + self._from(table)
            for table, value in values.items()
        ]
        return "\nUNION ALL ".join(parts)

    def _from(self, table: str) -> str:
        return f" FROM {self._schema}.{table} t {_WANTED} {_WHERE}"

    async def _compare(
        self,
        place: Place,
        told: Mapping[int, ConsumerRecord],
        kept: Mapping[int, Sequence[Kept]],
    ) -> list[Difference]:
        missing = sorted(told.keys() - kept.keys())
        found = await self._missing(place, [told[offset] for offset in missing])
        for offset in sorted(kept):
            found += _wrong(place, offset, told.get(offset), kept[offset])
        return sorted(found, key=lambda one: int(one.at.rsplit(":", 1)[1]))

    async def _missing(self, place: Place, records: Sequence[ConsumerRecord]) -> list[Difference]:
        """Records that no row stands for: lost, or repeats that were not counted."""
        elsewhere = await self._elsewhere(place, records)
        found = []
        for record in records:
            other = elsewhere.get(_event_id(record))
            if other is None:
                wrong, detail = Wrong.MISSING, "no table holds it, and nothing says why"
            else:
                wrong = Wrong.REPEAT
                detail = f"repeats {other}, and is not counted as a repeat"
            found.append(at_offset(place, record.offset, wrong, detail))
        return found

    async def _elsewhere(
        self, place: Place, records: Sequence[ConsumerRecord]
    ) -> Mapping[bytes, str]:
        """Where the events of these records are kept, by event id."""
        if not records:
            return {}
        stream = stream_of(place[0])
        ids: list[tuple[Any, bytes]] = [
            (_owner(place, record), _event_id(record))
            for record in records
            if record.key
            and len(_event_id(record)) == 16
            and (stream is not STORIES or len(record.key) == 16)
        ]
        query = " UNION ALL ".join(
            f"SELECT event_id, topic || ':' || partition || ':' || log_offset AS at"
            f" FROM {self._schema}.{table} JOIN unnest($1::{stream.owner_type}[], $2::uuid[])"
            f" AS n ({stream.owner}, event_id) USING ({stream.owner}, event_id)"
            for table in LOGS[stream]
        )
        owners, events = [owner for owner, _ in ids], [event for _, event in ids]
        rows = await self._connection.fetch(query, owners, events)
        return {bytes(row["event_id"]): row["at"] for row in rows}


def _owner(place: Place, record: ConsumerRecord) -> Any:
    key: bytes = record.key or b""
    return key if stream_of(place[0]) is STORIES else key.decode("utf-8", "replace")


def _event_id(record: ConsumerRecord) -> bytes:
    """The first field of every datum, behind the frame of 5 bytes."""
    return bytes((record.value or b"")[5:21])


def _wrong(
    place: Place, offset: int, record: ConsumerRecord | None, rows: Sequence[Kept]
) -> Iterator[Difference]:
    if record is None:
        for row in rows:
            detail = f"a row of {row.table} that is on no log"
            yield at_offset(place, offset, Wrong.NOT_ON_LOG, detail)
        return
    if len(rows) > 1:
        tables = ", ".join(sorted(row.table for row in rows))
        yield at_offset(place, offset, Wrong.TWICE, f"held more than once: {tables}")
    hashed = record_hash(record.value, offset)
    for row in rows:
        if row.hash != hashed:
            detail = f"{row.table} does not hold what the log says: payload or schema was altered"
            yield at_offset(place, offset, Wrong.ALTERED, detail)


async def false_claims(connection: Connection, schema: str, limit: int) -> list[Difference]:
    """Records that are left out as repeats of nothing, or as dropped though nobody dropped them."""
    found = []
    for stream in STREAMS:
        owner = "encode(l.owner, 'hex')::uuid"
        if stream is not STORIES:
            owner = "convert_from(l.owner, 'UTF8')"
        held = " ".join(
            f"AND NOT EXISTS (SELECT FROM {schema}.{table} k"
            f" WHERE k.{stream.owner} = {owner} AND k.event_id = l.event_id)"
            for table in LOGS[stream]
        )
        rows = await connection.fetch(
            f"SELECT l.topic, l.partition, l.log_offset FROM {schema}.left_out l"
            f" WHERE l.why = 'repeat' AND l.topic = ANY ($1) {held} ORDER BY 1, 2, 3 LIMIT $2",
            list(stream.topics),
            limit,
        )
        detail = "left out as a repeat, but the event is kept nowhere"
        found += [at_offset((t, p), at, Wrong.REPEAT, detail) for t, p, at in rows]
    rows = await connection.fetch(
        f"SELECT topic, partition, log_offset FROM {schema}.left_out l WHERE why = 'dropped'"
        " AND NOT EXISTS (SELECT FROM vault.dropped_record d WHERE d.topic = l.topic"
        " AND d.partition = l.partition AND d.log_offset = l.log_offset) ORDER BY 1, 2, 3 LIMIT $1",
        limit,
    )
    detail = "left out as dropped, but nobody dropped it"
    return found + [at_offset((t, p), at, Wrong.DROPPED, detail) for t, p, at in rows]
