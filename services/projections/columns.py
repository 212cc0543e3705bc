"""Decode records of one schema in columns, and find the ones that are not what they claim.

The columnar reader trusts its input, so what it returns is compared with what is known without
it: the event id is the first 16 bytes of each datum, the owner is the record's key, and the
event id stands in the `ce_id` header. A batch that fails is halved until the culprits are found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeAlias, cast

import polars as pl

from schemas.catalog import EventType
from services.common.codec import FRAME_SIZE, decode_columns, writer_of
from services.common.errors import DoesNotDecode
from services.common.kafka import Position
from services.projections.declaration import Stream

# As the schemas have it. PostgreSQL's indexes, which hold codes, take about 2,700 bytes.
MAX_CODE_BYTES = 200
MAX_TEXT_BYTES = 2000
# The years 1 to 9999, in microseconds since 1970.
_FIRST_DAY, _LAST_DAY = -62_135_596_800_000_000, 253_402_214_400_000_000
_ID_SIZE = 16
_UUID_CHARACTERS = 36


Headers: TypeAlias = Sequence[tuple[str, bytes | None]]  # Kafka allows a header without value


class Record(Protocol):
    """What is read of a record: of a `LeanRecord`, or of aiokafka's `ConsumerRecord`."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def headers(self) -> Headers: ...


# What is read of a record, taken out in one go: key, value, offset, headers.
Parts: TypeAlias = tuple[bytes | None, bytes, int, Headers]
_parts_of: Callable[[Record], Parts] = attrgetter("key", "value", "offset", "headers")


class LeanRecord(NamedTuple):
    """A record that is its parts, as the worker fetches it."""

    key: bytes | None
    value: bytes | None
    offset: int
    headers: Headers


def parts_of(records: Sequence[Record]) -> Sequence[Parts]:
    """The parts of some records that have a value."""
    if set(map(type, records)) == {LeanRecord}:
        return cast(Sequence[Parts], records)
    return list(map(_parts_of, records))


@dataclass(frozen=True, slots=True)
class Group:
    """Framed records of one topic that one schema wrote, each with its partition."""

    stream: Stream
    topic: str
    writer: EventType
    records: list[Parts] = field(default_factory=list)
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


def read_all(groups: Collection[Group]) -> list[Columns]:
    """Decode groups. The frames hold the fields as written, and `log_offset`, `partition`,
    `schema_id`, `topic` and `payload` (the datum without the frame)."""
    found = [_read(group, _decoded) for group in groups]
    # What no table can hold is rare, so it is looked for in the events of all types at once.
    if all(holds for _, holds in _content(found)):
        return found
    return [_read(group, _decoded_and_held) for group in groups]


def _read(group: Group, decode: Callable[[Group], pl.DataFrame]) -> Columns:
    try:
        return Columns(group.writer, [decode(group)], {})
    except DoesNotDecode as error:
        if len(group.records) == 1:
            place = Position(group.topic, group.partitions[0], group.records[0][2])
            return Columns(group.writer, [], {place: str(error)})
    left, right = (_read(half, decode) for half in group.halves())
    return Columns(group.writer, [*left.frames, *right.frames], left.faults | right.faults)


def _decoded(group: Group) -> pl.DataFrame:
    """Raises DoesNotDecode when any record of the group is not what it claims."""
    keys, values, offsets, headers = zip(*group.records, strict=True)
    datums = [value[FRAME_SIZE:] for value in values]
    # The first datum comes once more at the end: when the last one is too long or too short, this
    # copy is not read as the first was.
    frame = decode_columns(group.writer.schema_id, [*datums, datums[0]])
    ends_well = frame.tail(1).equals(frame.head(1))
    frame = frame.head(len(datums))
    ids = [datum[:_ID_SIZE] for datum in datums]
    name = group.writer.name
    if not ends_well or frame.get_column("event_id").to_list() != ids:
        raise DoesNotDecode(f"{name}: fields are longer or shorter than they say")
    owners = frame.get_column(group.stream.owner).cast(pl.Binary)
    if tuple(owners.to_list()) != keys:
        raise DoesNotDecode(f"{name}: {group.stream.owner} is not the record's key")
    if not _as_told(headers, ids):
        raise DoesNotDecode(f"{name}: event_id is not the ce_id header")
    count = len(datums)
    return frame.hstack(
        [
            pl.Series("payload", datums, pl.Binary),
            pl.Series("log_offset", offsets, pl.Int64),
            pl.Series("partition", group.partitions, pl.Int32),
            pl.Series("schema_id", [group.writer.schema_id], pl.Int32).new_from_index(0, count),
            pl.Series("topic", [group.topic], pl.String).new_from_index(0, count),
        ]
    )


def _as_told(headers: Sequence[Headers], ids: Sequence[bytes]) -> bool:
    """Whether the event ids are those of the headers, where there are any."""
    told = _all_second(headers)
    if told is None:
        found = [(ce_id_of(one), event_id) for one, event_id in zip(headers, ids, strict=True)]
        told = [one for one, _ in found if one is not None]
        ids = [event_id for one, event_id in found if one is not None]
    if not set(map(len, told)) <= {_UUID_CHARACTERS}:
        return False
    digits = b"".join(told).translate(None, b"-").lower()
    return digits == b"".join(ids).hex().encode()


def _all_second(headers: Sequence[Headers]) -> Sequence[bytes] | None:
    """The CloudEvents ids, when all are where our own producers put them."""
    try:
        if {of_one[1][0] for of_one in headers} != {"ce_id"}:
            return None
        values = [of_one[1][1] for of_one in headers]
    except IndexError:
        return None
    return None if None in values else cast(list[bytes], values)


def ce_id_of(headers: Headers) -> bytes | None:
    """The CloudEvents id, which a record of a foreign producer may lack, or have elsewhere than
    ours do."""
    return next((value for name, value in headers if name == "ce_id"), None)


def _decoded_and_held(group: Group) -> pl.DataFrame:
    frame = _decoded(group)
    for why, holds in _content([Columns(group.writer, [frame], {})]):
        if not holds:
            raise DoesNotDecode(f"{group.writer.name}: {why}")
    return frame


def _content(found: Iterable[Columns]) -> Iterator[tuple[str, bool]]:
    """What must hold for the fields of every event, each named, and whether it does."""
    columns: dict[str, list[pl.Series]] = {"instant": [], "code": [], "text": [], "list": []}
    for part in found:
        for name, kind in _kinds(part.writer.schema_id):
            columns[kind] += (frame.get_column(name) for frame in part.frames)
    instants = pl.lit(_together(columns["instant"], pl.Datetime("us", "UTC"))).to_physical()
    codes, texts = (pl.lit(_together(columns[kind])) for kind in ("code", "text"))
    listed = pl.lit(_together(columns["list"], pl.List(pl.String))).explode()
    # One query, for each costs more than looking at few events does.
    first, last, code, text, zero = (
        pl.DataFrame()
        .select_seq(
            first=instants.min(),
            last=instants.max(),
            code=codes.str.len_bytes().max(),
            text=texts.str.len_bytes().max(),
            zero=_has_zero(codes) | _has_zero(texts) | _has_zero(listed),
        )
        .row(0)
    )
    known = first is None or _FIRST_DAY <= first <= last <= _LAST_DAY
    yield "an instant is outside the years 1 to 9999", known
    short = (code or 0) <= MAX_CODE_BYTES and (text or 0) <= MAX_TEXT_BYTES
    yield "a code or text is too long", short
    yield "a text holds the character 0", not zero


@cache
def _kinds(schema_id: int) -> tuple[tuple[str, str], ...]:
    """The fields of a schema that are looked into, and as what."""
    kinds = {"timestamp-micros": "instant", "string": "text", "array": "list"}
    fields = writer_of(schema_id).fields.values()
    return tuple(
        (field.name, "code" if field.kind == "string" and field.pattern else kinds[field.kind])
        for field in fields
        if field.kind in kinds
    )


def _together(
    columns: Sequence[pl.Series], kind: pl.DataType | type[pl.DataType] = pl.String
) -> pl.Series:
    return pl.concat(columns) if columns else pl.Series(dtype=kind)


def _has_zero(texts: pl.Expr) -> pl.Expr:
    return texts.str.contains("\0", literal=True).any()
