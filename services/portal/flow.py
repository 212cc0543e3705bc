"""O1, flow: is the hub well, and if not, where is it stuck? For operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from services.common.clock import utc_now
from services.common.errors import DependencyDown
from services.portal.complete import by_topic, heads, in_words
from services.portal.flow_store import FlowStore, Row
from services.portal.i18n import Language
from services.portal.log_ends import LogEnds, Place
from services.portal.remembered import Remembered
from services.portal.web import Visit

# What each reader follows, in the order of the page.
READS: Final[Mapping[str, Sequence[str]]] = {
    "projections": ("stories", "directory", "deliveries"),
    "delivery": ("stories", "directory"),
    "promises": ("stories",),
}
ROWS: Final = 100
REASONS: Final = 10
# Numbers are at most this old, however many operators look.
_FRESH_S: Final = 1.0
# From here on a length of time is told in a larger unit than seconds.
_LONG_S: Final = 120


@dataclass(frozen=True, slots=True)
class Behind:
    """How far one reader is behind on one topic."""

    reader: str
    topic: str
    on_log: int  # records
    unread: int  # records
    first: str | None  # the first unread record that is known to be the oldest
    lag_s: float | None  # age of the oldest unread record; 0 when all is read, None: not known now


@dataclass(frozen=True, slots=True)
class LogNumbers:
    """What the log and the readers' positions said at one moment."""

    taken_at: datetime
    on_log: int
    last_minute: int  # records
    behind: Sequence[Behind]

    @property
    def per_second(self) -> float:
        return self.last_minute / 60

    def lag_s(self, reader: str) -> float | None:
        """The longest lag of a reader, or None when one is not known now."""
        lags = [one.lag_s for one in self.behind if one.reader == reader]
        known = [lag for lag in lags if lag is not None]
        return max(known, default=0.0) if len(known) == len(lags) else None


def behind(
    ends: Mapping[Place, int],
    positions: Mapping[str, Mapping[Place, int]],
    oldest: Mapping[str, Mapping[Place, datetime]],
    now: datetime,
) -> list[Behind]:
    """Compare where the topics end with where the readers are."""
    rows = []
    for reader, topics in READS.items():
        at = positions[reader]
        for topic in topics:
            mine = {place: end for place, end in ends.items() if place[0] == topic}
            unread = {p: end - at.get(p, 0) for p, end in mine.items() if end > at.get(p, 0)}
            known = {p: oldest[reader][p] for p in unread if p in oldest[reader]}
            first = min(known, key=lambda p: known[p]) if known else None
            lag_s = max(0.0, (now - known[first]).total_seconds()) if first else None
            name = f"{topic}:{first[1]}:{at.get(first, 0)}" if first else None
            total = sum(mine.values())
            lag = lag_s if unread else 0.0
            rows.append(Behind(reader, topic, total, sum(unread.values()), name, lag))
    return rows


def unread_starts(
    ends: Mapping[Place, int], at: Mapping[Place, int], topics: Sequence[str]
) -> dict[Place, int]:
    """Where a reader has to go on, for every partition that holds more."""
    return {p: at.get(p, 0) for p, end in ends.items() if p[0] in topics and end > at.get(p, 0)}


class Flow:
    """The newest numbers of the log, and the last good ones while Kafka is away."""

    def __init__(self, ends: LogEnds, store: FlowStore) -> None:
        self._ends = ends
        self._store = store
        self._fresh = Remembered(self._take, lasts_s=_FRESH_S)
        self._last: LogNumbers | None = None

    async def numbers(self) -> tuple[LogNumbers | None, bool]:
        """The numbers, and whether Kafka is away: then they are the last known, if any."""
        try:
            self._last = await self._fresh.get()
        except DependencyDown:
            return self._last, True
        return self._last, False

    async def _take(self) -> LogNumbers:
        ends, recent = await self._ends.ends(utc_now())
        # After the ends, so that a record which comes meanwhile is not taken for unread.
        positions = await self._store.positions()
        oldest = {
            reader: await self._ends.oldest(unread_starts(ends, positions[reader], topics))
            for reader, topics in READS.items()
        }
        now = utc_now()
        return LogNumbers(
            taken_at=now,
            on_log=sum(ends.values()),
            last_minute=sum(end - recent[place] for place, end in ends.items()),
            behind=behind(ends, positions, oldest, now),
        )


async def flow_page(visit: Visit) -> Response:
    """The page, whose numbers refresh by themselves unless paused."""
    now, t = utc_now(), visit.t
    return await _render(
        visit,
        "flow.html",
        topics=by_topic(await FlowStore(visit.state.pool).counts()),
        heads=heads(t),
        outcome=lambda one: in_words(one, lambda at: ago(at, now, t), t),
    )


async def flow_numbers(visit: Visit) -> Response:
    """The changing part alone."""
    return await _render(visit, "flow_numbers.html")


async def _render(visit: Visit, template: str, **more: Any) -> Response:
    numbers, is_away = await visit.portal.flow.numbers()
    store, now, t = FlowStore(visit.state.pool), utc_now(), visit.t
    connections = await store.connections(ROWS)
    parked = await store.parked(REASONS)
    return visit.render(
        template,
        numbers=numbers,
        is_away=is_away,
        is_paused="paused" in visit.request.query_params,
        now=now,
        readers=reader_words(t),
        advanced_at=await store.advanced_at(),
        connections=[(one, health(one), health_words(health(one), t)) for one in connections],
        parked=parked,
        parked_count=sum(one["times"] for one in parked),
        ago=lambda at: ago(at, now, t),
        span=lambda seconds: span(seconds, t),
        lag=lambda seconds: lag(seconds, t),
        **more,
    )


def reader_words(t: Language) -> Mapping[str, str]:
    return {
        "projections": t.gettext("Read model"),
        "delivery": t.gettext("Matching"),
        "promises": t.gettext("Promises"),
    }


def health(connection: Row) -> str:
    """One word for how a receiver is: well, busy, failing, stuck, paused."""
    if connection["state"] != "ACTIVE":
        return "paused"
    if connection["parked"]:
        return "stuck"
    if connection["failing"]:
        return "failing"
    return "busy" if connection["pending"] else "well"


def health_words(health: str, t: Language) -> str:
    return {
        "well": t.gettext("Well"),
        "busy": t.gettext("Sending"),
        "failing": t.gettext("Trying again"),
        "stuck": t.gettext("Needs help"),
        "paused": t.gettext("Paused"),
    }[health]


def span(seconds: float | None, t: Language) -> str:
    """A length of time in its largest whole unit."""
    if seconds is None:
        return t.gettext("not known now")
    whole = int(seconds)
    if whole < _LONG_S:
        return t.ngettext("%(num)s second", "%(num)s seconds", whole)
    if whole < 7200:
        return t.ngettext("%(num)s minute", "%(num)s minutes", whole // 60)
    if whole < 172_800:
        return t.ngettext("%(num)s hour", "%(num)s hours", whole // 3600)
    return t.ngettext("%(num)s day", "%(num)s days", whole // 86_400)


def lag(seconds: float | None, t: Language) -> str:
    """Whole seconds, and how long that is."""
    if seconds is None or seconds < _LONG_S:
        return span(seconds, t)
    exactly = t.ngettext("%(num)s second", "%(num)s seconds", int(seconds))
    return f"{exactly} ({span(seconds, t)})"


def ago(at: datetime | None, now: datetime, t: Language) -> str:
    if at is None:
        return t.gettext("never")
    return t.gettext("%(time)s ago", time=span(max(0.0, (now - at).total_seconds()), t))
