"""The public page of a provider's cohorts: real numbers, with small groups left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from services.portal.i18n import Language
from services.portal.web import Visit
from services.portal.words import readable

MINIMUM: Final = 10
# Whose data come with the hub: of every run, the people with an even number.
SAMPLE_OF: Final = "open-university"


@dataclass(frozen=True, slots=True)
class LeftIn:
    """How many left in these months after they signed up, the first month being 1."""

    first: int
    last: int
    people: int


def left_in(months_after: Iterable[float]) -> tuple[LeftIn, ...]:
    """Who left, by month: months in a row are put together until each holds the minimum.

    So all who left are in one of them, none is under the minimum, and what stands in none can't
    be worked out from what all of them make together. Nothing when fewer left in all.
    """
    by_month = Counter(int(months) + 1 for months in months_after)
    found: list[LeftIn] = []
    first, people = 1, 0
    for month in range(1, max(by_month, default=0) + 1):
        people += by_month[month]
        if people >= MINIMUM:
            found.append(LeftIn(first, month, people))
            first, people = month + 1, 0
    if people and found:
        end = found.pop()
        found.append(LeftIn(end.first, max(by_month), end.people + people))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cohort:
    """One course run. signed_up = passed + distinction + failed + left_early + not_known."""

    title: str
    signed_up: int
    passed: int
    distinction: int
    failed: int
    left_early: int
    left_in: tuple[LeftIn, ...]

    @property
    def not_known(self) -> int:
        return self.signed_up - self.passed - self.distinction - self.failed - self.left_early

    @property
    def finished(self) -> int:
        return self.passed + self.distinction

    @property
    def may_be_shown(self) -> bool:
        """Each number is at least the minimum; only "not known" may be nobody at all.

        A row goes as a whole, and no totals are shown, so nothing hidden can be worked out.
        """
        cells = (self.signed_up, self.passed, self.distinction, self.failed, self.left_early)
        return min(cells) >= MINIMUM and (self.not_known == 0 or self.not_known >= MINIMUM)

    def bar(self) -> list[tuple[str, float, float]]:
        """The parts of the whole as name, start and width, out of 100."""
        parts, start = [], 0.0
        for name in ("passed", "distinction", "failed", "left_early", "not_known"):
            width = round(100 * getattr(self, name) / self.signed_up, 2)
            parts.append((name, round(start, 2), width))
            start += width
        return parts

    def percent(self, part: int) -> int:
        return round(100 * part / self.signed_up)


def cohorts_of(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Cohort], int]:
    """What may be shown, and how many rows are hidden."""
    every = [
        Cohort(
            title=row["title"] or readable(row["course_id"]),
            signed_up=row["signed_up"],
            passed=row["passed"],
            distinction=row["distinction"],
            failed=row["failed"],
            left_early=row["left_early"],
            left_in=left_in(row["left_after"] or ()),
        )
        for row in rows
    ]
    shown = [cohort for cohort in every if cohort.may_be_shown]
    return shown, len(every) - len(shown)


async def cohorts_page(visit: Visit) -> Response:
    """What became of all who signed up, also of those who left before the course began."""
    provider_id = visit.portal.settings.public_cohorts_of
    store = visit.portal.store
    shown, hidden = cohorts_of(await visit.portal.cohorts.get())
    names = await store.names([provider_id])
    return visit.render(
        "cohorts.html",
        provider=names.get(provider_id) or readable(provider_id),
        cohorts=shown,
        hidden=hidden,
        minimum=MINIMUM,
        is_sample=provider_id == SAMPLE_OF,
        months=lambda part: _months(part, visit.t),
    )


def _months(part: LeftIn, t: Language) -> str:
    if part.first == part.last:
        return t.gettext("Month %(first)s", first=part.first)
    return t.gettext("Months %(first)s to %(last)s", first=part.first, last=part.last)


async def front_page(visit: Visit) -> Response:
    """What this is, and where each kind of user goes."""
    return visit.render("front.html")
