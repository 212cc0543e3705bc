"""Moments, and time as promises know it: what has passed only counts once it was let in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When something came to be so, in the world, and the event that shows it."""

    at: datetime
    cause: UUID


@dataclass(slots=True)
class Time:
    """Which instants have passed, asked for one at a time.

    An instant that was let in before has passed. Another one has if it lies before `until`, and is
    let in by that; without `until` it waits. Whoever gives `until` has read the partition to where
    it ended after that: so no fact that is on the log already comes too late.
    """

    let_in: set[datetime] = field(default_factory=set)
    until: datetime | None = None
    waits: set[datetime] = field(default_factory=set)
    end: datetime | None = None  # what lies after it never passes, and is not waited for

    @classmethod
    def of(cls, let_in: Iterable[datetime], until: datetime | None = None) -> Time:
        return cls(set(let_in), until)

    def up_to(self, end: datetime) -> Time:
        """The same time, which stands still from `end` on."""
        return Time(self.let_in, self.until, self.waits, end)

    def has_passed(self, instant: datetime) -> bool:
        if self.end is not None and instant > self.end:
            return False
        if instant not in self.let_in and (self.until is None or instant >= self.until):
            self.waits.add(instant)
            return False
        self.let_in.add(instant)
        return True

    @property
    def wake_at(self) -> datetime | None:
        """The first of the instants that wait."""
        return min(self.waits, default=None)
