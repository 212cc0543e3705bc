"""Events of one batch in columns: what the log table holds, and each type's own fields."""

from __future__ import annotations

import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import polars as pl
import pyarrow as pa

from schemas.catalog import EventType, event_types
from services.projections.declaration import DIRECTORY, STORIES, Stream

# Columns that no Avro field can be called: the event's row in the log frame, and its order.
ROW, ORDER = "_row", "_order"

_ENVELOPE = ("event_id", "occurred_at", "recorded_at", "source")
_POSITION = ("log_offset", "partition", "schema_id", "topic", "payload")
_LOGGED = {*_ENVELOPE, *_POSITION}
_SIGN = -(2**63)

_STREAM_OF = {topic: stream for stream in (STORIES, DIRECTORY) for topic in stream.topics}


def stream_of(topic: str) -> Stream:
    """The stream of a topic, named without its prefix."""
    return _STREAM_OF[topic]


def _picked(frame: pl.DataFrame, numbers: Sequence[int], *, kept: bool) -> pl.DataFrame:
    """The rows with these `_row` numbers, which are sorted, or the others.

    Of most types it is all rows or none, and a look at where theirs begin and end tells.
    """
    rows = frame.get_column(ROW)
    if rows.is_empty():
        return frame
    first, last = cast(int, rows.min()), cast(int, rows.max())
    some = numbers[bisect_left(numbers, first) : bisect_right(numbers, last)]
    if not some:
        return frame.clear() if kept else frame
    theirs = rows.is_in(some)
    return frame.filter(theirs if kept else ~theirs)


@dataclass(frozen=True, slots=True)
class Events:
    """Decoded events of one stream.

    `log` has a row per event with the columns of the log table and `_row`; `by_type` holds at least
    the fields of the newest version of each event type that occurs, with `_row` and `_order`.
    """

    stream: Stream
    log: pl.DataFrame
    by_type: Mapping[str, pl.DataFrame]

    def only(self, rows: pl.Series) -> Events:
        """The events with these `_row` numbers, each once."""
        if rows.len() == self.log.height:
            return self
        if rows.is_empty():
            return Events(self.stream, self.log.clear(), {})
        numbers, few = set(rows.to_list()), rows.len() * 2 < self.log.height
        if not few:
            numbers = set(self.log.get_column(ROW).to_list()) - numbers
        pick = partial(_picked, numbers=sorted(numbers), kept=few)
        frames = {name: pick(frame) for name, frame in self.by_type.items()}
        return Events(
            self.stream,
            pick(self.log),
            {name: frame for name, frame in frames.items() if frame.height},
        )

    @property
    def log_columns(self) -> list[str]:
        return [name for name in self.log.columns if name != ROW]

    def at(self, positions: Iterable[tuple[str, int, int]]) -> Events:
        """The events at these positions: topic, partition, offset."""
        place = {"topic": pl.String, "partition": pl.Int32, "log_offset": pl.Int64}
        wanted = pl.DataFrame(list(positions), schema=place, orient="row")
        return self.only(self.log.join(wanted, on=list(place), how="semi").get_column(ROW))

    def once(self) -> Events:
        """The same without repeats inside the batch: of each event id the first on the log."""
        name = [self.stream.owner, "event_id"]
        if self.log.select(pl.struct(name).is_first_distinct().all()).item():
            return self
        in_order = self.log.sort("topic", "partition", "log_offset")
        first = in_order.unique(name, keep="first", maintain_order=True)
        return self.only(first.get_column(ROW))


def events_of(stream: Stream, decoded: Iterable[tuple[EventType, pl.DataFrame]]) -> Events:
    """Put decoded frames together.

    Each frame holds the events that one schema version wrote: its fields, and beside them
    `log_offset`, `partition`, `schema_id`, `topic` and `payload`.
    """
    found = list(decoded)
    log = pl.concat([_log_rows(stream, writer, frame) for writer, frame in found])
    log = log.with_row_index(ROW)
    marks = log.select(ROW).with_columns(_order_of(stream, log))
    by_type: dict[str, list[pl.DataFrame]] = {}
    start = 0
    for writer, frame in found:
        its_marks = marks.slice(start, frame.height)
        by_type.setdefault(writer.name, []).append(_as_newest(writer, frame.hstack(its_marks)))
        start += frame.height
    beside = [name for name in stream.order if name not in _LOGGED]
    return Events(
        stream,
        log.drop(beside),
        {
            name: frames[0] if len(frames) == 1 else _joined(frames)
            for name, frames in by_type.items()
        },
    )


def _log_rows(stream: Stream, writer: EventType, frame: pl.DataFrame) -> pl.DataFrame:
    beside = (name for name in stream.order if name not in _LOGGED)
    taken = (stream.owner, *_ENVELOPE, *_POSITION, *beside)
    told = {"event_type": writer.name, "category": writer.category}
    # Series by themselves: for a few events an expression costs more than they do.
    return pl.DataFrame(
        [
            *(frame.get_column(name) for name in taken),
            *(pl.Series(n, [v]).new_from_index(0, frame.height) for n, v in told.items()),
        ]
    )


def _as_newest(writer: EventType, frame: pl.DataFrame) -> pl.DataFrame:
    """With the fields of the newest version; what the writer did not know has its default."""
    newest = event_types().get(writer.name, writer)
    if newest.schema_id == writer.schema_id:
        return frame
    defaults = {raw["name"]: raw.get("default") for raw in newest.schema["fields"]}
    missing = [
        pl.lit(defaults[name]).alias(name) for name in newest.fields if name not in frame.columns
    ]
    return frame.with_columns(*missing, *_known_symbols(writer, newest))


def _known_symbols(writer: EventType, newest: EventType) -> Iterator[pl.Expr]:
    """A symbol that the newest version here lacks is read as its enum's default.

    Such a writer is a later version. Source: Avro 1.11, "Schema Resolution", enums.
    """
    for name, field in newest.fields.items():
        if field.kind != "enum" or name not in writer.fields:
            continue
        known = field.avro_type["symbols"]
        if not set(writer.fields[name].avro_type["symbols"]) <= set(known):
            text = pl.col(name).cast(pl.String)
            default = pl.lit(field.avro_type.get("default"))
            yield pl.when(text.is_in(known)).then(text).otherwise(default).alias(name)


def _joined(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames of several versions; each enum has its own dictionary, so as text."""
    names = [name for name in frames[-1].columns if all(name in f.columns for f in frames)]
    texts = pl.col(pl.Categorical).cast(pl.String)
    plain = (frame.select(names).with_columns(texts) for frame in frames)
    return pl.concat(plain, how="vertical_relaxed")


def _order_of(stream: Stream, frame: pl.DataFrame) -> pl.Series:
    """The order of each event as bytes: comparing them compares the stream's order fields."""
    parts = [
        column if column.dtype == pl.Binary else _sortable(column)
        for column in (frame.get_column(name) for name in stream.order)
    ]
    order = parts[0]
    for part in parts[1:]:
        order = order + part
    return order.alias(ORDER)


def _sortable(column: pl.Series) -> pl.Series:
    """Whole numbers or instants as 8 bytes that sort as they do: big-endian, sign turned."""
    turned = column.to_physical().cast(pl.Int64) ^ _SIGN
    numbers = array.array("q", turned.to_list())
    numbers.byteswap()
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(8), len(numbers), [None, pa.py_buffer(numbers)]
    )
    return pl.Series(fixed)
