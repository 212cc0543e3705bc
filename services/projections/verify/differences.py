"""What can be wrong with a record, in the words that an operator reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.common.kafka import Position


class Wrong(StrEnum):
    """Kinds of differences, as `--json` names them."""

    MISSING = "missing"
    ALTERED = "altered"
    NOT_ON_LOG = "not-on-log"
    TWICE = "twice"
    COLUMN = "column"
    REPEAT = "repeat"
    ERASED = "erased"
    DROPPED = "dropped"
    STRAY = "stray"
    COUNTER = "counter"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the log says. `at`: a position, a partition, or a table's row."""

    at: str
    wrong: Wrong
    detail: str

    def as_dict(self) -> dict[str, str]:
        return {"at": self.at, "wrong": str(self.wrong), "detail": self.detail}


def at_offset(place: tuple[str, int], offset: int, wrong: Wrong, detail: str) -> Difference:
    return Difference(str(Position(*place, offset)), wrong, detail)


class Findings:
    """The differences found in one pass, as many as anybody would read."""

    MOST = 10_000

    def __init__(self) -> None:
        self.found: list[Difference] = []
        self.more = False

    def say(self, place: tuple[str, int], offset: int, wrong: Wrong, detail: str) -> None:
        self.add(at_offset(place, offset, wrong, detail))

    def add(self, difference: Difference) -> None:
        if len(self.found) < self.MOST:
            self.found.append(difference)
        else:
            self.more = True


def in_order(differences: Iterable[Difference]) -> list[Difference]:
    """Each once, by their place on the log; what has none comes last."""
    return sorted(set(differences), key=_order)


def _order(difference: Difference) -> tuple[bool, str, int, int, str]:
    parts = difference.at.split(":")
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return False, parts[0], int(parts[1]), int(parts[2]), difference.detail
    return True, difference.at, 0, 0, difference.detail
