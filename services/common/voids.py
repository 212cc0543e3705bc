"""Which of a story's voids count: a void may itself be voided, by a later one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Void:
    """An event that takes another out of the story. Ids are 16 bytes."""

    event_id: bytes
    target: bytes
    source: str
    recorded_at: datetime

    def may_void(self, source: str, everyone: str) -> bool:
        """Nobody takes back another's word; `everyone` is the source that may."""
        return self.source in (source, everyone)


def in_force(voids: Iterable[Void], everyone: str) -> list[Void]:
    """The voids that no later one in force takes back, whatever order they came in.

    Later is by (recorded_at, event_id), so of two that void each other the later one counts.
    """
    kept: list[Void] = []
    against: dict[bytes, list[Void]] = {}
    for void in sorted(voids, key=lambda v: (v.recorded_at, v.event_id), reverse=True):
        if any(other.may_void(void.source, everyone) for other in against.get(void.event_id, ())):
            continue
        kept.append(void)
        against.setdefault(void.target, []).append(void)
    return kept
