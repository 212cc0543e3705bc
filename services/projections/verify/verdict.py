"""How a comparison with the log ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from services.projections.verify.differences import Difference

Outcome: TypeAlias = Literal["equal", "different", "unknown"]
# What is being done, how much of it is done, and how much there is, if that is known.
Told: TypeAlias = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition up to its stored position.

    counts: records, and how many of them are taken, parked, repeats, erased, dropped, strays.
    """

    topic: str
    partition: int
    next_offset: int
    counts: Mapping[str, int]
    differences: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "partition": self.partition,
            "next_offset": self.next_offset,
            **self.counts,
            "differences": self.differences,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `more`: there is more that differs than was looked at closely.

    rows: of the tables that stand for records. table_rows: of the projected tables, None when they
    were not asked for.
    """

    partitions: Sequence[Partition]
    differences: Sequence[Difference]
    more: bool
    why_unknown: str | None
    rows: int
    table_rows: int | None
    took_s: float

    @property
    def outcome(self) -> Outcome:
        if self.differences:
            return "different"
        return "unknown" if self.why_unknown else "equal"

    @property
    def records(self) -> int:
        return self.count("records")

    def count(self, name: str) -> int:
        return sum(one.counts[name] for one in self.partitions)

    def as_dict(self, most: int) -> dict[str, Any]:
        """For JSON, with at most so many differences."""
        return {
            "outcome": self.outcome,
            "records": self.records,
            "rows": self.rows,
            "table_rows": self.table_rows,
            "took_s": round(self.took_s, 2),
            "why_unknown": self.why_unknown,
            "differences": [one.as_dict() for one in self.differences[:most]],
            "more": self.more or len(self.differences) > most,
            "partitions": [one.as_dict() for one in self.partitions],
        }
