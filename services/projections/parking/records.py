"""Parked records as they came from Kafka, and the order in which an owner's are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from services.common.kafka import Position
from services.projections.columns import Headers
from services.projections.intake import Parked, Partition


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked record, as it came from Kafka."""

    key: bytes | None
    value: bytes | None
    offset: int
    headers: Headers


Records: TypeAlias = dict[Partition, list[Waiting]]


def whose(owner: bytes | None, at: Position | None) -> tuple[str, Sequence[Any]]:
    if at is not None:
        where = "p.topic = $1 AND p.partition = $2 AND p.log_offset = $3"
        return where, (at.topic, at.partition, at.offset)
    return "p.owner = $1", (owner,)


def name_of(owner: bytes | None) -> str | None:
    if owner is None:
        return None
    return str(UUID(bytes=owner)) if len(owner) == 16 else owner.decode("utf-8", "replace")


def order_of(position: Position) -> tuple[bool, Position]:
    """As IN_ORDER has it."""
    return position.topic == "deliveries", position


def before(records: Records, blocked: Position) -> Records:
    """What comes before a record in the owner's order."""
    return _those(records, lambda position: order_of(position) < order_of(blocked))


def but(records: Records, parked: Iterable[Parked]) -> Records:
    """All but those that stay parked."""
    places = {one.position for one in parked}
    return _those(records, lambda position: position not in places)


def _those(records: Records, wanted: Callable[[Position], bool]) -> Records:
    found = {
        place: [one for one in some if wanted(Position(*place, one.offset))]
        for place, some in records.items()
    }
    return {place: some for place, some in found.items() if some}
