"""Decisions about links, merges and splits; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.common.codec import Decoded
from services.common.emit import HUB, Actor, Event, about_worker
from services.common.ids import derived_id
from services.common.staying import STAYING

# Tells the hub's own voids from those of a source or a dispute.
IDENTITY = Actor("SYSTEM", "identity")
# The blind index of a source's number for somebody.
Index = Callable[[str, str], bytes]
# A void counts against an earlier one only if it is later.
_LATER = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Move:
    """A merge, a split, or a record taken up by somebody new (from and into are the same)."""

    move_id: UUID
    kind: str
    from_worker_id: UUID
    into_worker_id: UUID
    why: str
    source: str | None
    record_index: bytes | None
    link_id: UUID | None
    asked_at: datetime
    partition: int | None
    story_end: int | None
    delivery_end: int | None
    events: int | None
    old_position: str | None
    position: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a story, and the source's number for the person, opened, if it names one."""

    event: Decoded
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A record that counts as a worker's."""

    link_id: UUID
    source: str
    record_index: bytes
    number: str


def is_moving(event: Decoded) -> bool:
    """Whether an event goes along when its story does."""
    return event.name not in STAYING and not is_own_void(event)


def is_own_void(event: Decoded) -> bool:
    """Whether it says of an event that it left for, or came back from, another id."""
    fields = event.fields
    own = fields["source"] == HUB and fields["actor_role"] == IDENTITY.role
    return event.name == "RecordVoided" and own and fields["actor_id"] == IDENTITY.id


def belonging(
    told: Iterable[Told], source: str, record: bytes, others: int, index: Index
) -> list[Decoded]:
    """The events that go with a record.

    An event belongs to the record that it names. One that names none belongs to its source's
    record of the person, if the source has one alone (`others` counts the further ones).
    What the person, or the hub, wrote stays.
    """
    return [
        one.event
        for one in told
        if is_moving(one.event)
        and one.event.fields["source"] == source
        and (others == 0 if one.number is None else index(source, one.number) == record)
    ]


def left_id(move_id: UUID, event_id: UUID) -> UUID:
    return derived_id("left", move_id, event_id)


def left(moves: Collection[UUID], voids: Mapping[UUID, Collection[UUID]]) -> dict[UUID, UUID]:
    """Events that left in one of these splits and are not back, with what voids each here.

    voids: for each event that is void, the events that say so.
    """
    return {
        event_id: void_id
        for event_id, said_by in voids.items()
        for move_id in moves
        if (void_id := left_id(move_id, event_id)) in said_by
    }


def void(
    worker_id: UUID, event_id: UUID, target: UUID, *, reason: str, at: datetime, move_id: UUID
) -> Event:
    return about_worker(
        "RecordVoided",
        event_id,
        worker_id,
        IDENTITY,
        at=at,
        correlation_id=move_id.bytes,
        voided_event_id=target.bytes,
        dispute_id=None,
        reason=reason,
    )


def leaving(move: Move, event_id: UUID) -> Event:
    """Says under the old id that an event is not this person's."""
    void_id = left_id(move.move_id, event_id)
    return void(
        move.from_worker_id, void_id, event_id,
        reason="WRONG_PERSON", at=move.asked_at, move_id=move.move_id,
    )  # fmt: skip


def returning(move: Move, void_id: UUID) -> Event:
    """Takes back that an event is not this person's."""
    return void(
        move.into_worker_id, derived_id("returned", void_id), void_id,
        reason="MISTAKE", at=move.asked_at + _LATER, move_id=move.move_id,
    )  # fmt: skip


def linked(move: Move, link: Link, sealed_number: bytes) -> Event:
    return about_worker(
        "SourceRecordLinked",
        derived_id("SourceRecordLinked", link.link_id),
        move.into_worker_id,
        IDENTITY,
        at=move.asked_at,
        link_id=link.link_id.bytes,
        organization_id=link.source,
        record_id=sealed_number,
        evidence="FIRST_SEEN" if move.kind == "split" else move.why,
    )


def linked_id(link: Link) -> UUID:
    return derived_id("SourceRecordLinked", link.link_id)


def unlinked_id(move: Move) -> UUID:
    return derived_id("SourceRecordUnlinked", move.link_id)


def unlinked(move: Move, sealed_number: bytes) -> Event:
    assert move.link_id is not None
    return about_worker(
        "SourceRecordUnlinked",
        unlinked_id(move),
        move.from_worker_id,
        IDENTITY,
        at=move.asked_at,
        link_id=move.link_id.bytes,
        organization_id=move.source,
        record_id=sealed_number,
        reason=move.why,
    )


def merged(move: Move, worker_id: UUID) -> Event:
    """The merge, as it is said under either id."""
    return about_worker(
        "WorkersMerged",
        derived_id("WorkersMerged", move.move_id, worker_id),
        worker_id,
        IDENTITY,
        at=move.asked_at,
        merge_id=move.move_id.bytes,
        from_worker_id=move.from_worker_id.bytes,
        into_worker_id=move.into_worker_id.bytes,
        evidence=move.why,
        events=move.events or 0,
    )


def split(move: Move, worker_id: UUID) -> Event:
    return about_worker(
        "WorkersSplit",
        derived_id("WorkersSplit", move.move_id, worker_id),
        worker_id,
        IDENTITY,
        at=move.asked_at,
        split_id=move.move_id.bytes,
        from_worker_id=move.from_worker_id.bytes,
        into_worker_id=move.into_worker_id.bytes,
        merge_id=None,
        reason=move.why,
        events=move.events or 0,
    )


def registered(worker_id: UUID, event_id: UUID, *, at: datetime) -> Event:
    """A registration without a name: all that is known of somebody is what others sent."""
    return about_worker(
        "WorkerRegistered",
        event_id,
        worker_id,
        IDENTITY,
        at=at,
        display_name=None,
        contact_email=None,
        language=None,
    )


def registration_id(worker_id: UUID) -> UUID:
    """As ingest calls a worker's registration, so that the two never stand side by side."""
    return derived_id("WorkerRegistered", worker_id)


def links_of(
    told: Iterable[Told], records: Mapping[tuple[str, bytes], UUID], index: Index
) -> list[Link]:
    """The linked records whose number some event names. records: link id by source and index."""
    found: dict[UUID, Link] = {}
    for one in told:
        source = one.event.fields["source"]
        if one.number is None:
            continue
        place = source, index(source, one.number)
        if (link_id := records.get(place)) is not None:
            found[link_id] = Link(link_id, *place, one.number)
    return sorted(found.values(), key=lambda link: link.link_id)
