"""Decisions of delivery; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.common.agent import Record
from services.common.codec import FRAME_SIZE, decode, schema_id_of, writer_of
from services.common.consent import NEVER_SHARED
from services.common.emit import HUB
from services.common.errors import DoesNotDecode, RetryableError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    first: timedelta
    longest: timedelta
    give_up_after: timedelta  # since the first failure in a row


def next_attempt(
    failed: int,
    error: RetryableError,
    policy: RetryPolicy,
    *,
    since: datetime,
    now: datetime,
    jitter: float,
) -> datetime | None:
    """Say when to try again after `failed` failures (1 or more); None to give up.

    Waits double from `policy.first` to `policy.longest`; a destination that names a wait gets at
    least that. jitter: 0 to 1, adds up to a quarter, so that lanes don't come back all at once.
    """
    if now - since >= policy.give_up_after:
        return None
    doublings: int = 2 ** min(failed - 1, 30)
    wait = min(policy.first * doublings, policy.longest) * (1 + jitter / 4)
    asked = timedelta(seconds=min(error.retry_after_s or 0.0, policy.longest.total_seconds()))
    return now + max(wait, asked)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that somebody may be allowed to see."""

    record: Record
    event_id: UUID
    worker_id: UUID
    event_type: str
    category: str


@dataclass(frozen=True, slots=True)
class GrantSeen:
    partition: int
    offset: int
    worker_id: UUID
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WithdrawalSeen:
    offset: int
    grant_id: UUID


@dataclass(frozen=True, slots=True)
class VoidSeen:
    """The hub said that an event is not this person's, or is wrong."""

    offset: int
    worker_id: UUID
    event_id: UUID
    void_id: UUID


@dataclass(slots=True)
class Sorted:
    """A batch by what it does to delivery, each part in log order."""

    candidates: list[Candidate] = field(default_factory=list)
    grants: list[GrantSeen] = field(default_factory=list)
    withdrawals: list[WithdrawalSeen] = field(default_factory=list)
    voids: list[VoidSeen] = field(default_factory=list)
    unreadable: list[Record] = field(default_factory=list)  # nobody gets these


def sort(records: Iterable[Record]) -> Sorted:
    """Read as much of each record as matching needs.

    Raises UnknownSchema: that is our fault, so the partition stops and nothing is skipped.
    """
    found = Sorted()
    for record in records:
        try:
            _sort_one(record, found)
        except DoesNotDecode:
            found.unreadable.append(record)
    return found


def _sort_one(record: Record, found: Sorted) -> None:
    event_type = writer_of(schema_id_of(record.value))
    # The envelope comes first in every story schema: event id, then worker id.
    ids = record.value[FRAME_SIZE : FRAME_SIZE + 32]
    if len(ids) < 32 or ids[16:] != record.key or event_type.topic != "stories":
        raise DoesNotDecode(f"{event_type.name}: the record's key is not its worker")
    worker_id = UUID(bytes=ids[16:])
    if event_type.name == "ConsentGranted":
        fields = decode(record.value).fields
        found.grants.append(GrantSeen(record.partition, record.offset, worker_id, fields))
    elif event_type.name == "ConsentWithdrawn":
        grant_id = UUID(bytes=decode(record.value).fields["grant_id"])
        found.withdrawals.append(WithdrawalSeen(record.offset, grant_id))
    elif event_type.name == "RecordVoided":
        fields = decode(record.value).fields
        if fields["source"] == HUB:  # of a source's own nobody is told yet; see docs/design.md
            target = UUID(bytes=fields["voided_event_id"])
            void_id = UUID(bytes=ids[:16])
            found.voids.append(VoidSeen(record.offset, worker_id, target, void_id))
    elif event_type.category not in NEVER_SHARED:
        found.candidates.append(
            Candidate(record, UUID(bytes=ids[:16]), worker_id, event_type.name, event_type.category)
        )
