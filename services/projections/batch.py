"""A batch, made ready for its transaction while the one before it commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import polars as pl

from services.common.kafka import Position
from services.projections.copying import encode
from services.projections.declaration import STORIES
from services.projections.events import ROW, Events
from services.projections.fold import fold
from services.projections.intake import Intake, Partition, Records, take_in
from services.projections.layout import Layout
from services.projections.retractions import Retractions, workers_to_settle


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


NOTHING_FOLDED = Folded(b"", ())


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one transaction writes.

    `folded` belongs to the events of the intake, in turn. It is made as if no event had been seen
    before; when one has, fold the others again.
    `held` are the owners that were parked when the batch was made.
    """

    spans: Sequence[Span]
    intake: Intake
    folded: Sequence[Folded]
    held: Set[bytes]

    @property
    def events(self) -> int:
        return sum(events.log.height for events in self.intake.events)


def fold_events(events: Events, layouts: Sequence[Layout]) -> Folded:
    """Fold events into every table of their stream, and encode what comes out."""
    rows = ((layout, fold(layout, events.by_type)) for layout in layouts)
    tables = [(layout, encode(frame)) for layout, frame in rows if frame is not None]
    # In order of the key: neighbours share the pages of an index.
    log = events.log.drop(ROW).sort(events.stream.owner)
    return Folded(encode(log), tables)


def make_batch(
    records: Records,
    starts: Mapping[Partition, int],
    held: Set[bytes],
    layouts: Sequence[Layout],
    dropped: Set[Position] = frozenset(),
    rules: Retractions | None = None,
) -> Batch:
    """Decode and fold what was fetched from each partition after the position `starts`.

    `held` are the owners that are parked, `dropped` the records that an operator let go of,
    `rules` say whose stories are folded again in the transaction.
    """
    intake = take_in(records, held, dropped, rules.kept if rules else frozenset())
    if rules is not None:
        parts = [part for events in intake.events for part in _parted(events, rules)]
        intake = replace(intake, events=parts)
    spans = []
    for partition, batch in records.items():
        stopped = intake.stopped.get(partition)
        end = stopped[0] if stopped else batch[-1].offset + 1
        if end > starts[partition]:
            spans.append(Span(*partition, start=starts[partition], end=end))
    folded = [_folded(events, layouts, rules) for events in intake.events]
    return Batch(spans, intake, folded, held)


def _folded(events: Events, layouts: Sequence[Layout], rules: Retractions | None) -> Folded:
    if rules is not None and _to_settle(events, rules):
        return NOTHING_FOLDED  # they are, in the transaction, with all else their stories hold
    return fold_events(events, layouts)


def _to_settle(events: Events, rules: Retractions) -> Set[bytes]:
    return workers_to_settle(events, rules) if events.stream is STORIES else frozenset()


def _parted(events: Events, rules: Retractions) -> Iterator[Events]:
    """Apart: the events of workers from whose stories something leaves.

    What is folded here of the others stays good.
    """
    again = _to_settle(events, rules)
    if not again:
        yield events
        return
    rows, owners = events.log.get_column(ROW), events.log.get_column(STORIES.owner)
    mine = owners.is_in(pl.Series(list(again), dtype=owners.dtype).implode())
    for wanted in (~mine, mine):
        if wanted.any():
            yield events.only(rows.filter(wanted))
