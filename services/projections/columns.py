"""Decode records of one schema in columns, and find the ones that are not what they claim.

The columnar reader trusts its input, so what it returns is compared with what is known without
it: the event id is the first 16 bytes of each datum, the owner is the record's key, and the
event id stands in the `ce_id` header. A batch that fails is halved until the culprits are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import polars as pl

from schemas.catalog import EventType
from services.common.codec import FRAME_SIZE, decode_columns, writer_of
from services.common.errors import DoesNotDecode
from services.common.kafka import Position
from services.projections.declaration import Stream

# As the schemas have it. PostgreSQL's indexes, which hold codes, take about 2,700 bytes.
MAX_CODE_BYTES = 200
MAX_TEXT_BYTES = 2000
_FIRST_DAY = pl.datetime(1, 1, 1, time_unit="us", time_zone="UTC")
_LAST_DAY = pl.datetime(9999, 12, 31, time_unit="us", time_zone="UTC")


class Record(Protocol):
    """The part of aiokafka's ConsumerRecord that is read here."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Framed records of one topic that one schema wrote, each with its partition."""

    stream: Stream
    topic: str
    writer: EventType
    records: list[Record] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)

    def halves(self) -> Iterator[Group]:
        middle = len(self.records) // 2
        for part in (slice(None, middle), slice(middle, None)):
            records, partitions = self.records[part], self.partitions[part]
            yield Group(self.stream, self.topic, self.writer, records, partitions)


@dataclass(frozen=True, slots=True)
class Columns:
    """The readable records of a group, and the positions of the others with what is wrong."""

    writer: EventType
    frames: Sequence[pl.DataFrame]
    faults: dict[Position, str]


def read(group: Group) -> Columns:
    """Decode a group. The frames hold the fields as written, and `log_offset`, `partition`,
    `schema_id`, `topic` and `payload` (the datum without the frame)."""
    try:
        return Columns(group.writer, [_decoded(group)], {})
    except DoesNotDecode as error:
        if len(group.records) == 1:
            place = Position(group.topic, group.partitions[0], group.records[0].offset)
            return Columns(group.writer, [], {place: str(error)})
    left, right = (read(half) for half in group.halves())
    return Columns(group.writer, [*left.frames, *right.frames], left.faults | right.faults)


def _decoded(group: Group) -> pl.DataFrame:
    """Raises DoesNotDecode when any record of the group is not what it claims."""
    datums = [(record.value or b"")[FRAME_SIZE:] for record in group.records]
    # The first datum comes once more at the end: when the last one is too long or too short, this
    # copy is not read as the first was.
    frame = decode_columns(group.writer.schema_id, [*datums, datums[0]])
    payload = pl.Series("payload", datums, pl.Binary)
    ends_well = frame.tail(1).equals(frame.head(1))
    frame = frame.head(len(datums))
    if not ends_well or not (frame.get_column("event_id") == payload.bin.slice(0, 16)).all():
        raise DoesNotDecode(f"{group.writer.name}: fields are longer or shorter than they say")
    frame = frame.with_columns(
        payload,
        pl.Series("log_offset", [record.offset for record in group.records], pl.Int64),
        pl.Series("partition", group.partitions, pl.Int32),
        pl.lit(group.writer.schema_id, pl.Int32).alias("schema_id"),
        pl.lit(group.topic).alias("topic"),
    )
    _check(group, frame)
    return frame


def _check(group: Group, frame: pl.DataFrame) -> None:
    """Compare with keys and headers, and refuse what no table can hold."""
    owner = frame.get_column(group.stream.owner).cast(pl.Binary)
    keys = pl.Series([record.key for record in group.records], dtype=pl.Binary)
    if not (owner == keys).all():
        raise DoesNotDecode(f"{group.writer.name}: {group.stream.owner} is not the record's key")
    told = pl.Series([_ce_id(record) for record in group.records], dtype=pl.String)
    told = told.str.replace_all("-", "", literal=True).str.to_lowercase()
    if not (frame.get_column("event_id").bin.encode("hex") == told).all():
        raise DoesNotDecode(f"{group.writer.name}: event_id is not the ce_id header")
    checks = _content_checks(group.writer.schema_id)
    for why, holds in frame.select(checks).row(0, named=True).items():
        if not holds:
            raise DoesNotDecode(f"{group.writer.name}: {why}")


@cache
def _content_checks(schema_id: int) -> tuple[pl.Expr, ...]:
    """What must hold for the fields of every event that this schema wrote, each named."""
    fields = writer_of(schema_id).fields.values()
    codes = [field.name for field in fields if field.pattern and field.kind == "string"]
    lists = [field.name for field in fields if field.kind == "array"]
    known_day = pl.col(pl.Datetime).is_between(_FIRST_DAY, _LAST_DAY)
    short = (
        pl.col(codes).str.len_bytes() <= MAX_CODE_BYTES,
        pl.col(pl.String).str.len_bytes() <= MAX_TEXT_BYTES,
    )
    zero = (
        pl.col(pl.String).str.contains("\0", literal=True),
        *(pl.col(name).list.join("").str.contains("\0", literal=True) for name in lists),
    )
    return (
        pl.all_horizontal(known_day).all().alias("an instant is outside the years 1 to 9999"),
        pl.all_horizontal(*short).all().alias("a code or text is too long"),
        (~pl.any_horizontal(*zero)).all().alias("a text holds the character 0"),
    )


def _ce_id(record: Record) -> str | None:
    """The CloudEvents id, which a record of a foreign producer may lack."""
    # A plain loop: this runs for every record, and a generator would cost a microsecond.
    for name, value in record.headers:
        if name == "ce_id":
            return value.decode("ascii", "replace")
    return None
