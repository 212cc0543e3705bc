"""Which of the events that take back others count: they may be taken back themselves.

An event leaves a story when a void names it, or when another event supersedes it. What a void did
ends when the void leaves. What an event superseded stays out when that event is superseded in its
turn, for the newest stands in the place of both; it comes back when the event turns out void.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Void:
    """An event that takes another out of the story. Ids are 16 bytes.

    replaces: the event supersedes the target, and does not only say that it is void.
    """

    event_id: bytes
    target: bytes
    source: str
    recorded_at: datetime
    replaces: bool = False

    def may_void(self, source: str, everyone: str) -> bool:
        """Nobody takes back another's word; `everyone` is the source that may."""
        return self.source in (source, everyone)

    def undoes(self, other: Void, everyone: str) -> bool:
        """Whether `other`, which this one names, no longer does what it did."""
        superseded_again = self.replaces and other.replaces
        return not superseded_again and self.may_void(other.source, everyone)


def in_force(voids: Iterable[Void], everyone: str) -> list[Void]:
    """The voids that no later one in force takes back, whatever order they came in.

    Later is by (recorded_at, event_id), so of two that void each other the later one counts.
    No event supersedes itself.
    """
    kept: list[Void] = []
    against: dict[bytes, list[Void]] = {}
    for void in sorted(voids, key=lambda v: (v.recorded_at, v.event_id), reverse=True):
        later = (v for v in against.get(void.event_id, ()) if v.event_id != void.event_id)
        if any(other.undoes(void, everyone) for other in later):
            continue
        if void.replaces and void.target == void.event_id:
            continue
        kept.append(void)
        against.setdefault(void.target, []).append(void)
    return kept
