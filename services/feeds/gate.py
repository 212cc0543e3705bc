"""What of a count may be shown. One table, rows by programme, no totals and no complements.

Rows are of different programmes and are published without totals, so none can be subtracted from
another; each window is released once, so none can be compared with its earlier self. Anything
more (totals, breakdowns, restatements) waits for the attacker program of the disclosure gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    SUPPRESSED = "suppressed"
    TOP_CODED = "top_coded"
    BOTTOM_CODED = "bottom_coded"
    NOT_REPORTED = "not_reported"


@dataclass(frozen=True, slots=True)
class Cell:
    """One published number: an integer percent, or why there is none."""

    status: Status
    percent: int | None = None


def cell(exiters: int, employed: int, with_reports: int, *, minimum: int) -> Cell:
    """Decide what may be shown of `employed` out of `exiters`.

    Fewer than `minimum` exiters: nothing. Fewer than `minimum` on either side of the rate: only
    that the rate is at the top or the bottom, and even that only where the group is large enough
    that the code says little about anybody (five times the minimum). Nobody of whom any employer
    ever reported: unknown, which is not the same as not employed.
    Source: PRIVACY rules on minimum cell size, complements, top and bottom coding.
    """
    if exiters < minimum:
        return Cell(Status.SUPPRESSED)
    if with_reports == 0:
        return Cell(Status.NOT_REPORTED)
    large = exiters >= 5 * minimum
    if employed < minimum:
        return Cell(Status.BOTTOM_CODED) if large else Cell(Status.SUPPRESSED)
    if exiters - employed < minimum:
        return Cell(Status.TOP_CODED) if large else Cell(Status.SUPPRESSED)
    return Cell(Status.OK, round(100 * employed / exiters))
