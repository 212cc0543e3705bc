"""A batch, made ready for its transaction while the one before it commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from services.common.kafka import Position
from services.projections.copying import encode
from services.projections.declaration import Stream
from services.projections.events import ROW, Events
from services.projections.fold import fold
from services.projections.intake import Intake, Partition, Records, take_in
from services.projections.layout import Layout


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a partition that a batch covers.

    `start` is the stored position, not the first offset: offsets have gaps.
    """

    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Folded:
    """The rows of one stream's events, encoded for binary COPY."""

    log: bytes
    tables: Sequence[tuple[Layout, bytes]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one transaction writes.

    `folded` is made as if no event had been seen before; when one has, fold the others again.
    `held` are the owners that were parked when the batch was made.
    """

    spans: Sequence[Span]
    intake: Intake
    folded: Mapping[Stream, Folded]
    held: Set[bytes]

    @property
    def events(self) -> int:
        return sum(events.log.height for events in self.intake.events)


def fold_events(events: Events, layouts: Sequence[Layout]) -> Folded:
    """Fold events into every table of their stream, and encode what comes out."""
    rows = ((layout, fold(layout, events.by_type)) for layout in layouts)
    tables = [(layout, encode(frame)) for layout, frame in rows if frame is not None]
    return Folded(encode(events.log.drop(ROW)), tables)


def make_batch(
    records: Records,
    starts: Mapping[Partition, int],
    held: Set[bytes],
    layouts: Sequence[Layout],
    dropped: Set[Position] = frozenset(),
    passing: Set[str] = frozenset(),
) -> Batch:
    """Decode and fold what was fetched from each partition after the position `starts`.

    `held` are the owners that are parked, `dropped` the records that an operator let go of,
    `passing` the event types that wait for nothing.
    """
    intake = take_in(records, held, dropped, passing)
    spans = []
    for partition, batch in records.items():
        stopped = intake.stopped.get(partition)
        end = stopped[0] if stopped else batch[-1].offset + 1
        if end > starts[partition]:
            spans.append(Span(*partition, start=starts[partition], end=end))
    folded = {events.stream: fold_events(events, layouts) for events in intake.events}
    return Batch(spans, intake, folded, held)
