"""A1, outcomes: the newest release of a public feed, with hidden numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from starlette.responses import Response

from services.common.errors import not_found
from services.portal.i18n import Language
from services.portal.outcome_store import OutcomeStore, Row
from services.portal.web import Visit
from services.portal.words import readable

FEED: Final = "employment-q2"
ROWS_A_PAGE: Final = 100
# What stands highest comes first; what is not known comes last.
_ORDER: Final = ("top_coded", "ok", "bottom_coded", "not_reported", "suppressed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One programme: a whole percent, or words where there is no number to show."""

    title: str
    provider: str
    status: str
    percent: int | None
    words: str

    @property
    def is_hidden(self) -> bool:
        return self.status == "suppressed"


@dataclass(frozen=True, slots=True)
class Year:
    """One released window: from July to June."""

    window_id: str
    words: str
    is_shown: bool


async def outcomes_page(visit: Visit) -> Response:
    """The newest year, or the one asked for. Raises Problem 404 for a year without a release."""
    store = OutcomeStore(visit.state.pool)
    releases = await store.releases(FEED)
    asked = visit.request.query_params.get("year")
    if not releases and asked is None:
        return visit.render("outcomes.html", release=None)
    found = [one for one in releases if asked in (None, one["window_id"])]
    if not found:
        raise not_found("release")
    release = found[0]
    every = outcomes_of(await store.cells(FEED, release["number"]), visit.t)
    return visit.render(
        "outcomes.html",
        release=release,
        period=period(release["window_id"], visit.t),
        years=_years(releases, release, visit.t),
        outcomes=every[:ROWS_A_PAGE],
        more=max(0, len(every) - ROWS_A_PAGE),
        all=len(every),
        hidden=sum(one.is_hidden for one in every),
        address=f"/v1/feeds/{FEED}/releases/{release['number']}",
    )


def outcomes_of(rows: Iterable[Row], t: Language) -> list[Outcome]:
    """In the order of the page: the highest first, what is not known last."""
    every = [_outcome(row, t) for row in rows]
    return sorted(every, key=lambda o: (_ORDER.index(o.status), -(o.percent or 0), o.title))


def _outcome(row: Row, t: Language) -> Outcome:
    status = row["status"]
    return Outcome(
        title=row["programme_title"] or readable(row["programme_id"]),
        provider=row["provider"] or readable(row["provider_id"] or ""),
        status=status,
        percent=row["percent"],
        words=f"{row['percent']} %" if status == "ok" else status_words(t)[status],
    )


def status_words(t: Language) -> Mapping[str, str]:
    """Why there is no number, for every status without one."""
    return {
        "suppressed": t.gettext("hidden: too few people"),
        "top_coded": t.gettext("almost all"),
        "bottom_coded": t.gettext("very few"),
        "not_reported": t.gettext("not reported"),
    }


def _years(releases: Iterable[Row], shown: Row, t: Language) -> list[Year]:
    newest: dict[str, Any] = {}
    for release in releases:
        newest.setdefault(release["window_id"], release)
    return [Year(w, year_words(w, t), is_shown=w == shown["window_id"]) for w in newest]


def _bounds(window_id: str) -> tuple[date, date]:
    """First and last day of a program year such as PY2024."""
    year = int(window_id.removeprefix("PY"))
    return date(year, 7, 1), date(year + 1, 6, 30)


def year_words(window_id: str, t: Language) -> str:
    start, end = _bounds(window_id)
    return t.gettext("%(start)s to %(end)s", start=start.year, end=end.year)


def period(window_id: str, t: Language) -> str:
    start, end = _bounds(window_id)
    return t.gettext("%(start)s to %(end)s", start=t.date(start), end=t.date(end))
