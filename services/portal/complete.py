"""Is everything that is on the log in the read model? The counts of O1, and how `verify` ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from services.common.clock import utc_now
from services.portal.flow_store import FlowStore, Row
from services.portal.i18n import Language
from services.portal.web import Visit

# What a record is counted as. A record is one of them, and of each only one.
KINDS: Final = ("taken", "repeats", "parked", "erased", "dropped", "strays")
ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Counted:
    """Records of one topic, or of one of its partitions, up to what was read.

    differences: found by the last comparison with the log; None when some part was not yet.
    hash_sum: of the hashes of what is in the tables, as 16 hex digits; in whatever order it came.
    verified_at: when the part that was compared the longest ago was.
    """

    topic: str
    partition: int | None
    records: int
    kinds: Sequence[int]  # as KINDS
    hash_sum: str
    differences: int | None
    verified_at: datetime | None


def by_partition(rows: Sequence[Row]) -> list[Counted]:
    """Each partition, those that differ first."""
    found = [_counted(row["topic"], row["partition"], [row]) for row in rows]
    return sorted(found, key=lambda one: (not one.differences, one.topic, one.partition))


def by_topic(rows: Sequence[Row]) -> list[Counted]:
    """Each topic as a whole."""
    return [
        _counted(topic, None, [row for row in rows if row["topic"] == topic])
        for topic in sorted({row["topic"] for row in rows})
    ]


def _counted(topic: str, partition: int | None, rows: Sequence[Row]) -> Counted:
    compared = [row["verified_at"] for row in rows]
    known = None not in compared
    return Counted(
        topic,
        partition,
        sum(row["records"] for row in rows),
        [sum(row[kind] for row in rows) for kind in KINDS],
        f"{int(sum(row['taken_sum'] for row in rows)) % 2**64:016x}",
        sum(row["differences"] for row in rows) if known else None,
        min(compared) if known else None,
    )


def in_words(one: Counted, ago: Callable[[datetime | None], str], t: Language) -> str:
    """How the last comparison with the log ended."""
    if one.differences is None:
        return t.gettext("not yet")
    if one.differences:
        words = t.ngettext("%(num)s does not match", "%(num)s do not match", one.differences)
    else:
        words = t.gettext("equal")
    return f"{words}, {ago(one.verified_at)}"


def heads(t: Language) -> Sequence[str]:
    """What the columns after the first are called: what was read, and KINDS."""
    return (
        t.gettext("Read from the log"),
        t.gettext("In the tables"),
        t.gettext("Repeats"),
        t.gettext("Set aside"),
        t.gettext("Erased"),
        t.gettext("Let go"),
        t.gettext("Not ours"),
    )


async def complete_page(visit: Visit) -> Response:
    """The counts of each partition."""
    from services.portal.flow import ago

    rows = by_partition(await FlowStore(visit.state.pool).counts())
    now, t = utc_now(), visit.t
    return visit.render(
        "flow_count.html",
        rows=rows[:ROWS],
        more=max(0, len(rows) - ROWS),
        wrong=sum(one.differences or 0 for one in rows),
        heads=heads(t),
        outcome=lambda one: in_words(one, lambda at: ago(at, now, t), t),
    )
