"""What a partition's records come to: counts, and one number that is the same in any order.

Every record before the stored position is one of these, and counted by itself: `taken` (its event
is kept), `repeats` (its event had come before), `parked` (it waits), `erased` (of a person who had
it erased), `dropped` (an operator let go of it), `strays` (no event of ours). Of what was taken
there is the sum of the records' hashes too, so that what is kept can be compared with the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl
from xxhash import xxh3_64_intdigest

MODULUS = 2**64
REPEAT, ERASED, DROPPED, STRAY = "repeat", "erased", "dropped", "stray"
# Why a record before the position is not kept, and the counter of `stream_position` for it.
COUNTERS: Mapping[str, str] = {
    REPEAT: "repeats",
    ERASED: "erased",
    DROPPED: "dropped",
    STRAY: "strays",
}
PARKED = "parked"

Place = tuple[str, int]  # topic without its prefix, and partition

_LEFT_OUT = {
    "topic": pl.String(),
    "partition": pl.Int32(),
    "log_offset": pl.Int64(),
    "why": pl.String(),
    "owner": pl.Binary(),
    "event_id": pl.Binary(),
    "hash": pl.Int64(),
}
NOTHING_LEFT_OUT = pl.DataFrame(schema=_LEFT_OUT)


class Record(Protocol):
    """What is counted of a record."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records, and the sum of their hashes modulo 2^64."""

    records: int = 0
    hash_sum: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.records + other.records, (self.hash_sum + other.hash_sum) % MODULUS)


def record_hash(value: bytes | None, offset: int) -> int:
    """The hash of one record, 0 to 2^64 - 1: XXH3 of its value, seeded with its offset.

    The value begins with the frame (schema id) and the event id, so it is a hash of both and of
    the content; with the offset, one of the record's place as well.
    """
    return xxh3_64_intdigest(value or b"", offset)


def framed(schema_id: int, payload: bytes) -> bytes:
    """The record's value again, from what the log tables keep of it."""
    # One that was altered by hand may be below 0, which no frame says.
    return b"\0" + schema_id.to_bytes(4, "big", signed=schema_id < 0) + payload


def tally(records: Sequence[Record]) -> Tally:
    """The tally of some records of one partition."""
    values = [record.value or b"" for record in records]
    offsets = [record.offset for record in records]
    return Tally(len(records), sum(map(xxh3_64_intdigest, values, offsets)) % MODULUS)


def left_out(log: pl.DataFrame, owner: str, why: str) -> pl.DataFrame:
    """Rows of a log table that are not kept there, as rows of `left_out`.

    What is erased is named by its position alone.
    """
    if log.is_empty():
        return NOTHING_LEFT_OUT
    columns = (log.get_column(n).to_list() for n in ("schema_id", "payload", "log_offset"))
    hashes = [
        record_hash(framed(schema, payload), at)
        for schema, payload, at in zip(*columns, strict=True)
    ]
    named = why != ERASED
    return log.select(
        "topic",
        pl.col("partition").cast(pl.Int32),
        pl.col("log_offset").cast(pl.Int64),
        pl.lit(why).alias("why"),
        (pl.col(owner).cast(pl.Binary) if named else pl.lit(None, pl.Binary)).alias("owner"),
        (pl.col("event_id").cast(pl.Binary) if named else pl.lit(None, pl.Binary)).alias(
            "event_id"
        ),
        _signed(hashes),
    )


def nameless(place: Place, records: Sequence[Record], why: str) -> pl.DataFrame:
    """Records that were not read as events, as rows of `left_out`."""
    topic, partition = place
    offsets = [record.offset for record in records]
    return pl.DataFrame(
        {
            "topic": [topic] * len(records),
            "partition": [partition] * len(records),
            "log_offset": offsets,
            "why": [why] * len(records),
            "owner": [None] * len(records),
            "event_id": [None] * len(records),
            "hash": _signed([record_hash(r.value, r.offset) for r in records]),
        },
        schema=_LEFT_OUT,
    )


def _signed(hashes: Sequence[int]) -> pl.Series:
    """As PostgreSQL's bigint holds 64 bits."""
    return pl.Series("hash", hashes, pl.UInt64).reinterpret(signed=True)


@dataclass(slots=True)
class Change:
    """By how much the counters of one partition change."""

    place: Place
    records: int = 0
    taken: int = 0
    taken_sum: int = 0  # counts modulo 2^64
    repeats: int = 0
    parked: int = 0
    erased: int = 0
    dropped: int = 0
    strays: int = 0


class Changes:
    """Changes of any number of partitions, one for each."""

    def __init__(self) -> None:
        self._found: dict[Place, Change] = {}

    def at(self, place: Place) -> Change:
        return self._found.setdefault(place, Change(place))

    def __bool__(self) -> bool:
        return bool(self._found)

    def leave_out(self, found: pl.DataFrame, *, instead_of: str = "taken") -> None:
        """Rows of `left_out`, of records that were counted as taken, or as parked, until now."""
        rows = found.select("topic", "partition", "why", "hash").iter_rows()
        for topic, partition, why, hashed in rows:
            change = self.at((topic, partition))
            _add(change, COUNTERS[why], 1)
            _add(change, instead_of, -1)
            if instead_of == "taken":
                change.taken_sum -= hashed

    def park(self, place: Place, found: Tally) -> None:
        """Records that were counted as taken until now."""
        change = self.at(place)
        change.taken -= found.records
        change.taken_sum -= found.hash_sum
        change.parked += found.records

    def release(self, place: Place, found: Tally) -> None:
        """Records that were parked, and count as taken until more is known."""
        self.park(place, Tally(-found.records, -found.hash_sum))

    def total(self, counter: str) -> int:
        return sum(getattr(change, counter) for change in self._found.values())

    def columns(self) -> Iterator[list[object]]:
        """One list for each argument of `CHANGE`, sorted so that rows are locked in one order."""
        found = [self._found[place] for place in sorted(self._found)]
        yield [change.place[0] for change in found]
        yield [change.place[1] for change in found]
        yield [change.taken_sum % MODULUS for change in found]
        for counter in COUNTED:
            yield [getattr(change, counter) for change in found]


def _add(change: Change, counter: str, number: int) -> None:
    setattr(change, counter, getattr(change, counter) + number)


COUNTED = ("records", "taken", PARKED, *COUNTERS.values())
