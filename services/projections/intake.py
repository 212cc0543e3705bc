"""Records as they come from Kafka, to events in columns, and what has to wait.

A record that cannot be what it claims parks its owner: it, and every later record of the same
owner, waits. Everybody else goes on. An event of a schema nobody here knows stops its partition.
A record that names nobody and has no frame is a stray of another program: it is counted, no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import polars as pl

from services.common.codec import FRAME_SIZE, schema_id_of, writer_of
from services.common.errors import DoesNotDecode, UnknownSchema
from services.common.kafka import Position
from services.projections.columns import (
    MAX_CODE_BYTES,
    Columns,
    Group,
    Parts,
    Record,
    ce_id_of,
    parts_of,
    read_all,
)
from services.projections.counting import (
    DROPPED,
    NOTHING_LEFT_OUT,
    REPEAT,
    STRAY,
    Tally,
    left_out,
    nameless,
    tally,
)
from services.projections.declaration import STORIES, STREAMS, Stream
from services.projections.events import ROW, Events, events_of, stream_of

WAITS = "waits for an earlier record of the same owner"

Partition = tuple[str, int]  # topic without its prefix, and number
Records = Mapping[Partition, Sequence[Record]]  # of each partition in log order


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that waits, and why. `owner` is None when its key names nobody."""

    position: Position
    record: Record
    owner: bytes | None
    reason: str

    @property
    def worker_id(self) -> bytes | None:
        return self.owner if stream_of(self.position.topic) is STORIES else None


@dataclass(frozen=True, slots=True)
class Intake:
    """What a fetch holds: events by stream, records to park, and partitions that must stop.

    `stopped` gives for a partition the first offset that was not taken, and why. `left_out` are
    records that are kept nowhere, as rows of the table of that name. `tallies` count every record
    of a partition, up to where it stopped.
    """

    events: Sequence[Events]
    parked: Sequence[Parked]
    stopped: Mapping[Partition, tuple[int, UnknownSchema]]
    left_out: pl.DataFrame
    tallies: Mapping[Partition, Tally]


def take_in(
    records: Records,
    parked: Set[bytes],
    dropped: Set[Position] = frozenset(),
    passing: Set[str] = frozenset(),
) -> Intake:
    """Decode what was fetched. `parked` are the owners whose records wait already, `dropped` the
    records that an operator let go of, `passing` the event types that wait for nothing.
    """
    faults: dict[Position, str] = {}
    while True:
        sorting = _Sorting(parked, faults, dropped, passing)
        for partition, batch in records.items():
            sorting.add(partition, batch)
        groups = sorting.groups.values()
        columns = list(zip((group.stream for group in groups), read_all(groups), strict=True))
        found = {place: why for _, read_ in columns for place, why in read_.faults.items()}
        if not found:
            return _intake(records, sorting, list(_by_stream(columns)))
        # Once more: what comes after a culprit of the same owner must wait, too.
        faults |= found


def _intake(records: Records, sorting: _Sorting, decoded: Sequence[Events]) -> Intake:
    events, out = [], [*sorting.left_out()]
    for every in decoded:
        once = every.once()
        events.append(once)
        if once is not every:
            again = every.log.join(once.log, on=ROW, how="anti")
            out.append(left_out(again, every.stream.owner, REPEAT))
    tallies = {
        place: tally(_until(batch, sorting.stopped.get(place))) for place, batch in records.items()
    }
    return Intake(
        events,
        sorting.parked,
        sorting.stopped,
        pl.concat(out) if out else NOTHING_LEFT_OUT,
        tallies,
    )


def _until(batch: Sequence[Record], stopped: tuple[int, UnknownSchema] | None) -> Sequence[Record]:
    return batch if stopped is None else [r for r in batch if r.offset < stopped[0]]


def _by_stream(columns: Iterable[tuple[Stream, Columns]]) -> Iterator[Events]:
    for stream in STREAMS:
        decoded = [
            (part.writer, frame)
            for its_stream, part in columns
            if its_stream is stream
            for frame in part.frames
        ]
        if decoded:
            yield events_of(stream, decoded)


class _Sorting:
    """Sorts records by topic and schema, and sets aside those that cannot be taken."""

    def __init__(
        self,
        parked: Set[bytes],
        faults: Mapping[Position, str],
        dropped: Set[Position],
        passing: Set[str],
    ) -> None:
        self.groups: dict[tuple[str, bytes], Group] = {}
        self.parked: list[Parked] = []
        self.stopped: dict[Partition, tuple[int, UnknownSchema]] = {}
        self._held = set(parked)
        self._faults = faults
        self._dropped = dropped
        self._passing = passing
        self._out: dict[tuple[Partition, str], list[Record]] = {}

    def left_out(self) -> Iterator[pl.DataFrame]:
        """Records that are neither events nor parked."""
        for (partition, why), records in self._out.items():
            yield nameless(partition, records, why)

    def add(self, partition: Partition, batch: Sequence[Record]) -> None:
        topic, number = partition
        stream = stream_of(topic)
        if self._add_plain(stream, partition, batch):
            return
        for record in batch:
            if self._dropped and Position(topic, number, record.offset) in self._dropped:
                self._leave_out(partition, record, DROPPED)
                continue
            try:
                group = self._group_for(stream, partition, record)
            except DoesNotDecode as error:
                if is_stray(stream, record):
                    self._leave_out(partition, record, STRAY)
                else:
                    self._park(Position(topic, number, record.offset), record, str(error))
            except UnknownSchema as error:
                if ce_id_of(record.headers) is None:
                    foreign = f"{error}, and no ce_id header says that it is an event of ours"
                    self._park(Position(topic, number, record.offset), record, foreign)
                    continue
                self.stopped[partition] = (record.offset, error)
                return
            else:
                group.records.extend(parts_of([record]))
                group.partitions.append(number)

    def _add_plain(self, stream: Stream, partition: Partition, batch: Sequence[Record]) -> bool:
        """Take them all at once when nothing is special about any of them. False otherwise."""
        if self._dropped or self._faults:
            return False
        parts = parts_of(batch)
        keys, values = [one[0] for one in parts], [one[1] for one in parts]
        if not all(keys) or not all(values) or not self._held.isdisjoint(keys):
            return False
        if not all(_is_owners_size(stream, size) for size in {len(key) for key in keys if key}):
            return False
        by_frame: defaultdict[bytes, list[Parts]] = defaultdict(list)
        for value, one in zip(values, parts, strict=True):
            by_frame[value[:FRAME_SIZE]].append(one)
        topic, number = partition
        try:
            groups = {frame: self._group(stream, topic, frame) for frame in by_frame}
        except (DoesNotDecode, UnknownSchema):
            return False
        for frame, group in groups.items():
            self.groups[topic, frame] = group
            group.records.extend(by_frame[frame])
            group.partitions.extend([number] * len(by_frame[frame]))
        return True

    def _group_for(self, stream: Stream, partition: Partition, record: Record) -> Group:
        """Where the record belongs. Raises DoesNotDecode when it must wait, UnknownSchema."""
        key = record.key
        if key is None or not _names_owner(stream, key):
            raise DoesNotDecode(f"the record's key is no {stream.owner}")
        if key in self._held and not self._passes(record):
            raise DoesNotDecode(WAITS)
        if self._faults and (why := self._faults.get(Position(*partition, record.offset))):
            raise DoesNotDecode(why)
        frame = (record.value or b"")[:FRAME_SIZE]
        group = self.groups[partition[0], frame] = self._group(stream, partition[0], frame)
        return group

    def _passes(self, record: Record) -> bool:
        """Whether it is of a type that waits for nothing: an erasure, above all."""
        try:
            return writer_of(schema_id_of(record.value or b"")).name in self._passing
        except (DoesNotDecode, UnknownSchema):
            return False

    def _group(self, stream: Stream, topic: str, frame: bytes) -> Group:
        """The group of a schema, a new one if need be, which the caller keeps.

        Raises DoesNotDecode, UnknownSchema.
        """
        if group := self.groups.get((topic, frame)):
            return group
        writer = writer_of(schema_id_of(frame))
        if writer.topic != topic:
            raise DoesNotDecode(f"{writer.name} does not belong on the topic {topic}")
        return Group(stream, topic, writer)

    def _leave_out(self, partition: Partition, record: Record, why: str) -> None:
        self._out.setdefault((partition, why), []).append(record)

    def _park(self, position: Position, record: Record, reason: str) -> None:
        stream = stream_of(position.topic)
        owner = record.key if record.key and _names_owner(stream, record.key) else None
        self.parked.append(Parked(position, record, owner, reason))
        if owner is not None:
            self._held.add(owner)


def _names_owner(stream: Stream, key: bytes) -> bool:
    return _is_owners_size(stream, len(key))


def _is_owners_size(stream: Stream, size: int) -> bool:
    return size == 16 if stream is STORIES else 0 < size <= MAX_CODE_BYTES


def is_stray(stream: Stream, record: Record) -> bool:
    """Whether it is no event of ours at all: nobody's key, and no frame."""
    value, key = record.value or b"", record.key
    is_framed = len(value) >= FRAME_SIZE and value[0] == 0
    return not is_framed and (key is None or not _names_owner(stream, key))
