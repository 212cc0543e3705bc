"""What of a count may be shown. One table, rows by programme, no totals and no complements.

A row is decided by itself first, then beside the others: people who took two courses are in both
rows, and who knows the rosters can subtract one row from the other. So what a row has besides
another that it takes in, or nearly, must be fit to be shown as well. Each window is released once,
so none can be compared with its earlier self. Sums of three rows or more are not looked at: that,
totals, breakdowns and restatements wait for the attacker program of the disclosure gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

# Provider and course: two providers may use the same course id. The provider may be unknown.
Programme: TypeAlias = tuple[str | None, str]


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


@dataclass(frozen=True, slots=True)
class Group:
    """Those whose exit is counted. A person with several periods is counted in each."""

    exiters: int  # periods
    employed: int  # periods
    people: int
    in_work: int  # people with a period that counts as employed
    out_of_work: int  # people with a period that does not
    reported: int  # people of whom any employer ever reported


@dataclass(frozen=True, slots=True)
class Shared:
    """The periods in which both programmes were served."""

    one: Programme
    other: Programme
    exiters: int
    employed: int


def cell(group: Group, *, minimum: int) -> Cell:
    """Decide what may be shown of a group by itself.

    Fewer than `minimum` people: nothing. Fewer than `minimum` people on either side of the rate:
    only that it is at the top or the bottom, and even that only where the group is large enough
    that the code says little about anybody (five times the minimum). The same where a percent
    rounds to 0 or 100. Fewer than `minimum` people of whom any employer ever reported: unknown,
    which is not the same as not employed. No code tells none from few, nor all from nearly all.
    Source: PRIVACY rules on minimum cell size, complements, top and bottom coding.
    """
    coded = _coded(group, minimum)
    if group.people < minimum or (coded.status is not Status.OK and group.people < 5 * minimum):
        return Cell(Status.SUPPRESSED)
    return coded


def _coded(group: Group, minimum: int) -> Cell:
    percent = round(100 * group.employed / group.exiters) if group.exiters else 0
    if group.reported < minimum:
        return Cell(Status.NOT_REPORTED)
    if group.in_work < minimum or percent == 0:
        return Cell(Status.BOTTOM_CODED)
    if group.out_of_work < minimum or percent == 100:
        return Cell(Status.TOP_CODED)
    return Cell(Status.OK, percent)


def cells(
    groups: Mapping[Programme, Group], shared: Iterable[Shared], *, minimum: int
) -> dict[Programme, Cell]:
    """Decide what may be shown of each group beside the others.

    Of two rows of which one gives away the other's rest, the smaller is hidden.
    """
    shown = {programme: cell(group, minimum=minimum) for programme, group in groups.items()}
    for both in shared:
        pair = (both.one, both.other)
        if any(shown[programme].status is Status.SUPPRESSED for programme in pair):
            continue
        one, other = (groups[programme] for programme in pair)
        if _gives_away(one, other, both, minimum) or _gives_away(other, one, both, minimum):
            smaller = both.one if one.exiters < other.exiters else both.other
            shown[smaller] = Cell(Status.SUPPRESSED)
    return shown


def _gives_away(inner: Group, outer: Group, both: Shared, minimum: int) -> bool:
    """Whether `outer` less `inner` speaks of too few, when `inner` is in it but for a few.

    What is left is counted in periods: of somebody with several, they are fewer people.
    """
    if inner.exiters - both.exiters >= minimum:
        return False
    rest = outer.exiters - both.exiters
    employed = outer.employed - both.employed
    return rest > 0 and min(employed, rest - employed) < minimum
