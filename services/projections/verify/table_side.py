"""The tables' side: every row that stands for a record of the log, hashed, and its columns checked.

A row of a log table holds the record's value and columns that follow from it. The first is compared
with the log by its hash; the others with what the engine would make of the value now.
"""

# ruff: noqa: S608

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
import polars as pl

from schemas.catalog import version_of
from services.common.codec import decode_columns, writer_of
from services.common.datum import check_datum
from services.common.errors import DoesNotDecode, UnknownSchema
from services.common.later_schemas import LaterSchemas
from services.common.postgres import Connection
from services.projections.counting import MODULUS, Place, framed, record_hash
from services.projections.declaration import STORIES, STREAMS, Stream
from services.projections.events import ROW, events_of
from services.projections.verify.buckets import Buckets
from services.projections.verify.differences import Findings, Wrong

CHUNK: Final = 20_000
# Which log tables hold the events of a stream.
LOGS: Final = {stream: (stream.log,) for stream in STREAMS} | {STORIES: ("story", "set_aside")}
COMMON: Final = (
    *("event_id", "occurred_at", "recorded_at", "log_offset", "partition", "schema_id"),
    *("topic", "event_type", "category", "source", "payload"),
)
_INSTANTS: Final = ("occurred_at", "recorded_at")
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
# As Python's dates have it; PostgreSQL goes further, to infinity. No event does.
_FIRST_US: Final = -62_135_596_800_000_000
_LAST_US: Final = 253_402_300_799_999_999
_PARKED = "SELECT topic, partition, log_offset, value FROM {schema}.parked"
_LEFT_OUT = "SELECT topic, partition, log_offset, why, hash FROM {schema}.left_out"


async def raw(connection: Connection) -> None:
    """Have ids as bytes and instants as numbers on this connection, as frames hold them."""
    as_bytes: dict[str, Any] = {"encoder": bytes, "decoder": bytes, "format": "binary"}
    await connection.set_type_codec("uuid", schema="pg_catalog", **as_bytes)
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda at: at,
        decoder=lambda at: max(_FIRST_US, min(at[0] + _POSTGRES_EPOCH_US, _LAST_US)),
        format="tuple",
    )


class TableSide:
    """Reads every table once, in one snapshot of a transaction of the caller."""

    def __init__(self, connection: Connection, schema: str, later: LaterSchemas) -> None:
        self._later = later
        self._connection = connection
        self._schema = schema
        self.findings = Findings()
        self.rows = 0
        self.unreadable = 0  # rows of schemas nobody here knows: their columns were not checked
        self.counts: Counter[tuple[Place, str]] = Counter()  # rows by what they count as
        self.sums: Counter[Place] = Counter()  # hashes of what was taken, modulo 2^64

    async def read(self, buckets: Buckets, told: Callable[[], None]) -> None:
        """Add every row to the buckets. told: called when `rows` has grown."""
        for stream, logs in LOGS.items():
            for table in logs:
                columns = ", ".join((stream.owner, *COMMON))
                query = f"SELECT {columns} FROM {self._schema}.{table}"
                async for rows in self._chunks(query):
                    await self._learn({row["schema_id"] for row in rows})
                    self._add_log(stream, table, rows, buckets)
                    told()
        async for rows in self._chunks(_PARKED.format(schema=self._schema)):
            found = [(t, p, at, "parked", record_hash(value, at)) for t, p, at, value in rows]
            self._add(found, buckets)
            told()
        async for rows in self._chunks(_LEFT_OUT.format(schema=self._schema)):
            self._add(
                [(t, p, at, why, hashed % MODULUS) for t, p, at, why, hashed in rows], buckets
            )
            told()

    async def _learn(self, schema_ids: Iterable[int]) -> None:
        for schema_id in schema_ids:
            if version_of(schema_id) is None:
                with suppress(UnknownSchema):
                    await self._later.find(UnknownSchema(f"schema id {schema_id}", schema_id))

    async def _chunks(self, query: str) -> AsyncIterator[Sequence[asyncpg.Record]]:
        cursor = await self._connection.cursor(query)
        while rows := await cursor.fetch(CHUNK):
            self.rows += len(rows)
            yield rows

    def _add_log(
        self, stream: Stream, table: str, rows: Sequence[asyncpg.Record], buckets: Buckets
    ) -> None:
        found = [
            (
                *(row["topic"], row["partition"], row["log_offset"], "taken"),
                record_hash(framed(row["schema_id"], row["payload"]), row["log_offset"]),
            )
            for row in rows
        ]
        self._add(found, buckets)
        frame = frame_of(stream, rows)
        for (schema_id,), part in frame.group_by("schema_id"):
            self._check(stream, table, int(schema_id), part)

    def _add(self, found: Sequence[tuple[str, int, int, str, int]], buckets: Buckets) -> None:
        by_place: dict[Place, tuple[list[int], list[int]]] = {}
        for topic, partition, offset, counts_as, hashed in found:
            place = topic, partition
            offsets, hashes = by_place.setdefault(place, ([], []))
            offsets.append(offset)
            hashes.append(hashed)
            self.counts[place, counts_as] += 1
            if counts_as == "taken":
                self.sums[place] = (self.sums[place] + hashed) % MODULUS
        for place, (offsets, hashes) in by_place.items():
            buckets.add(place, offsets, hashes)

    def _check(self, stream: Stream, table: str, schema_id: int, rows: pl.DataFrame) -> None:
        """Compare the columns with what the payloads say."""
        if version_of(schema_id) is None:
            self.unreadable += rows.height
            return
        for part, wanted in _decoded(stream, schema_id, rows):
            if wanted is None:
                place, offset = _place(part, 0)
                self.findings.say(place, offset, Wrong.ALTERED, f"{table}.payload does not decode")
                continue
            for name in (stream.owner, *COMMON):
                have, want = part.get_column(name), wanted.get_column(name).cast(part.schema[name])
                for at in (~have.eq_missing(want)).arg_true():
                    place, offset = _place(part, at)
                    detail = f"{table}.{name} is {_shown(have[at])}, the event says "
                    self.findings.say(place, offset, Wrong.COLUMN, detail + _shown(want[at]))


def frame_of(stream: Stream, rows: Sequence[asyncpg.Record]) -> pl.DataFrame:
    kinds: dict[str, Any] = dict.fromkeys(("event_id", "payload"), pl.Binary())
    kinds |= dict.fromkeys(_INSTANTS, pl.Int64()) | {"log_offset": pl.Int64()}
    kinds |= dict.fromkeys(("partition", "schema_id"), pl.Int32())
    kinds[stream.owner] = pl.Binary() if stream is STORIES else pl.String()
    columns = zip(*rows, strict=True)
    names = (stream.owner, *COMMON)
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=kinds.get(name, pl.String()))
            for name, column in zip(names, columns, strict=True)
        ]
    ).with_columns(pl.col(name).cast(pl.Datetime("us", "UTC")) for name in _INSTANTS)


def _decoded(
    stream: Stream, schema_id: int, rows: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    """The rows in parts, each with the log rows that its payloads make; None: not readable."""
    writer = writer_of(schema_id)
    datums = rows.get_column("payload").to_list()
    try:
        if len(datums) == 1:
            check_datum(writer, datums[0], 0)
        # The first one once more at the end: it is not read as it was when the last is cut.
        frame = decode_columns(schema_id, [*datums, datums[0]])
        if not frame.tail(1).equals(frame.head(1)):
            raise DoesNotDecode("the last payload is longer or shorter than it says")
        frame = frame.head(len(datums))
        if not (frame.get_column("event_id") == rows.get_column("payload").bin.slice(0, 16)).all():
            raise DoesNotDecode("a payload is longer or shorter than it says")
        frame = frame.with_columns(
            *(rows.get_column(name) for name in ("payload", "log_offset", "partition")),
            pl.lit(schema_id, pl.Int32).alias("schema_id"),
            pl.lit(writer.topic).alias("topic"),
        )
        yield rows, events_of(stream, [(writer, frame)]).log.sort(ROW)
    except (DoesNotDecode, pl.exceptions.PolarsError):
        if rows.height == 1:
            yield rows, None
            return
        middle = rows.height // 2
        yield from _decoded(stream, schema_id, rows.slice(0, middle))
        yield from _decoded(stream, schema_id, rows.slice(middle))


def _place(rows: pl.DataFrame, at: int) -> tuple[Place, int]:
    topic, partition, offset = rows.select("topic", "partition", "log_offset").row(at)
    return (topic, partition), offset


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
