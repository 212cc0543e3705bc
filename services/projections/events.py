"""Events of one batch in columns: what the log table holds, and each type's own fields."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from schemas.catalog import EventType, event_types
from services.projections.declaration import DIRECTORY, STORIES, Stream

# Columns that no Avro field can be called: the event's row in the log frame, and its order.
ROW, ORDER = "_row", "_order"

_ENVELOPE = ("occurred_at", "recorded_at", "source")
_POSITION = ("log_offset", "partition", "schema_id", "topic", "payload")
_SIGN = -(2**63)

_STREAM_OF = {topic: stream for stream in (STORIES, DIRECTORY) for topic in stream.topics}


def stream_of(topic: str) -> Stream:
    """The stream of a topic, named without its prefix."""
    return _STREAM_OF[topic]


@dataclass(frozen=True, slots=True)
class Events:
    """Decoded events of one stream.

    `log` has a row per event with the columns of the log table and `_row`; `by_type` the fields of
    the newest version of each event type that occurs, with `_row` and `_order`.
    """

    stream: Stream
    log: pl.DataFrame
    by_type: Mapping[str, pl.DataFrame]

    def only(self, rows: pl.Series) -> Events:
        """The events with these `_row` numbers."""
        wanted = rows.alias(ROW).to_frame()
        kept = {
            name: frame.join(wanted, on=ROW, how="semi") for name, frame in self.by_type.items()
        }
        return Events(
            self.stream,
            self.log.join(wanted, on=ROW, how="semi"),
            {name: frame for name, frame in kept.items() if frame.height},
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
    logs, by_type, rows = [], dict[str, list[pl.DataFrame]](), 0
    for writer, frame in decoded:
        own = frame.with_columns(
            pl.int_range(rows, rows + frame.height, dtype=pl.UInt32, eager=True).alias(ROW),
            _order_of(stream, frame),
        )
        rows += frame.height
        logs.append(_log_rows(stream, writer, own))
        by_type.setdefault(writer.name, []).append(_as_newest(writer, own))
    return Events(
        stream,
        pl.concat(logs),
        # A field that an earlier version did not know has no type there: relaxed.
        {name: pl.concat(frames, how="vertical_relaxed") for name, frames in by_type.items()},
    )


def _log_rows(stream: Stream, writer: EventType, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        stream.owner,
        "event_id",
        *_ENVELOPE,
        *_POSITION,
        pl.lit(writer.name).alias("event_type"),
        pl.lit(writer.category).alias("category"),
        ROW,
    )


def _as_newest(writer: EventType, frame: pl.DataFrame) -> pl.DataFrame:
    """The fields of the newest version; what the writer did not know has its default."""
    newest = event_types()[writer.name]
    defaults = {raw["name"]: raw.get("default") for raw in newest.schema["fields"]}
    missing = [
        pl.lit(defaults[name]).alias(name) for name in newest.fields if name not in frame.columns
    ]
    codes = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    return frame.with_columns(codes, *missing).select(*newest.fields, ROW, ORDER)


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
