"""The indicators that follow from the counts of truth.py: rates, medians, coverage.

None stands for "not yet available": nobody is in the base.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from services.demo.truth import Truth

Counts = Counter[tuple[str, ...]]


def figures(truth: Truth) -> dict[str, Any]:
    """Every indicator by name; see the function of that name for what it means."""
    return {name: measure(truth) for name, measure in INDICATORS.items()}


def write_truth(truth: Truth, path: Path) -> None:
    """All counts, and the indicators that follow from them, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**truth.as_json(), "figures": figures(truth)}
    path.write_text(json.dumps(told, indent=1) + "\n")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _by(counts: Counts, place: int) -> dict[str, Counts]:
    """The counts for each value at a place of the key, with that place taken out."""
    split: dict[str, Counts] = {}
    for key, count in counts.items():
        split.setdefault(key[place], Counter())[key[:place] + key[place + 1 :]] += count
    return dict(sorted(split.items()))


def _sum(counts: Counts, *values: str) -> int:
    """How many have each of these values somewhere in their key."""
    return sum(count for key, count in counts.items() if set(values) <= set(key))


def median(counts: Mapping[int, int]) -> float | None:
    """The middle value; of an even number, the mean of the two in the middle."""
    total = sum(counts.values())
    if not total:
        return None
    middle: list[int] = []
    for place in ((total - 1) // 2, total // 2):
        seen = 0
        for value in sorted(counts):
            seen += counts[value]
            if seen > place:
                middle.append(value)
                break
    return sum(middle) / 2


def _numbers(counts: Counts) -> dict[int, int]:
    """Keys whose last part is a number, as numbers; others fall out."""
    found: Counter[int] = Counter()
    for key, count in counts.items():
        if key[-1].lstrip("-").isdigit():
            found[int(key[-1])] += count
    return dict(found)


def _employed(truth: Truth, after: str) -> dict[str, float | None]:
    rates = {}
    for course, counts in _by(truth.employed_after, 0).items():
        part = _sum(counts, after, "employed")
        rates[course] = _share(part, part + _sum(counts, after, "not"))
    return rates


def employed_q2(truth: Truth) -> dict[str, float | None]:
    """By course: of the exits whose second quarter is over, those employed in it."""
    return _employed(truth, "2")


def employed_q4(truth: Truth) -> dict[str, float | None]:
    """By course: of the exits whose fourth quarter is over, those employed in it."""
    return _employed(truth, "4")


def employed_q2_of_leavers(truth: Truth) -> float | None:
    """The same for those who left early, told or by silence, over all courses."""
    gone = [c for how in ("left", "silent") for c in [_by(truth.employed_after, 1).get(how)] if c]
    part = sum(_sum(counts, "2", "employed") for counts in gone)
    return _share(part, part + sum(_sum(counts, "2", "not") for counts in gone))


def median_earnings_q2(truth: Truth) -> dict[str, float | None]:
    """By course: middle of the dollars earned in the second quarter by those employed in it."""
    return {c: median(_numbers(counts)) for c, counts in _by(truth.earned_q2, 0).items()}


def credential_rate(truth: Truth) -> dict[str, float | None]:
    """By course: of the exits, those with its credential up to a year after the exit."""
    rates = {}
    for course, counts in _by(truth.credential, 0).items():
        part = _sum(counts, "with")
        rates[course] = _share(part, part + _sum(counts, "without"))
    return rates


def completion_rate(truth: Truth) -> dict[str, float | None]:
    """By course: finished, of all who began and are not running (failed, left, silent too)."""
    rates = {}
    for course, counts in _by(truth.standing, 0).items():
        ended = sum(_sum(counts, how) for how in ("finished", "failed", "left", "silent"))
        rates[course] = _share(_sum(counts, "finished"), ended)
    return rates


def promise_kept_rate(truth: Truth) -> dict[str, float | None]:
    """By employer: kept by the due day, of all that fell due (kept, kept late, lapsed)."""
    rates = {}
    for employer, counts in _by(truth.promises, 0).items():
        due = sum(_sum(counts, how) for how in ("kept", "kept_late", "lapsed"))
        rates[employer] = _share(_sum(counts, "kept"), due)
    return rates


def median_days_to_outcome(truth: Truth) -> float | None:
    """Middle of the days from finishing to the first outcome, of those with one in a year."""
    return median(_numbers(truth.days_to_outcome))


def unnoticed_rate(truth: Truth) -> dict[str, float | None]:
    """By employer: courses finished by its people that it has not acknowledged."""
    return {
        employer: _share(_sum(counts, "unnoticed"), counts.total())
        for employer, counts in _by(truth.noticed, 0).items()
    }


def median_unnoticed_days(truth: Truth) -> float | None:
    """Middle of the days that unnoticed courses have waited at until."""
    return median(_numbers(truth.unnoticed_days))


def advancement(truth: Truth) -> dict[str, float | None]:
    """By employer: jobs with a promotion in their first year, of jobs whose first year is over."""
    return {
        employer: _share(_sum(counts, "promoted"), counts.total())
        for employer, counts in _by(truth.advanced, 0).items()
    }


def median_growth(truth: Truth) -> dict[str, float | None]:
    """By group: middle growth of pay over the first year of a job, in percent."""
    found = {}
    for group, counts in _by(truth.growth, 1).items():
        tenths = median(_numbers(counts))
        found[group] = None if tenths is None else tenths / 10
    return found


def retention(truth: Truth) -> dict[str, dict[str, float | None]]:
    """By employer and months (6, 12): jobs still held after that time."""
    return {
        employer: {
            months: _share(_sum(at, "kept"), at.total()) for months, at in _by(counts, 0).items()
        }
        for employer, counts in _by(truth.retained, 0).items()
    }


def support_coverage(truth: Truth) -> dict[str, float | None]:
    """By group: learners who got any support."""
    return {
        group: _share(_sum(counts, "helped"), counts.total())
        for group, counts in _by(truth.learners, 0).items()
    }


def support_started_by(truth: Truth) -> dict[str, float | None]:
    """Who started it: share of all acts of support."""
    acts = truth.support.total()
    return {who: _share(c.total(), acts) for who, c in _by(truth.support, 3).items()}


_MEASURES: Final[tuple[Callable[[Truth], Any], ...]] = (
    employed_q2,
    employed_q4,
    employed_q2_of_leavers,
    median_earnings_q2,
    credential_rate,
    completion_rate,
    promise_kept_rate,
    median_days_to_outcome,
    unnoticed_rate,
    median_unnoticed_days,
    advancement,
    median_growth,
    retention,
    support_coverage,
    support_started_by,
)
INDICATORS: Final = {measure.__name__: measure for measure in _MEASURES}
