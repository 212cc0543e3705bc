"""Making a release: compute, decide what may be shown, store. And its two forms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services.common.csv_cells import csv_line
from services.common.errors import FieldError, Problem
from services.feeds import windows
from services.feeds.gate import cell
from services.feeds.indicators import connect, employed_in_second_quarter
from services.feeds.settings import FeedsSettings
from services.feeds.store import Draft, FeedsStore, Row


@dataclass(frozen=True, slots=True)
class Feed:
    """One fixed table: its id, words and version. A change of the formula is a new version."""

    feed_id: str
    title: str
    definition: str
    definition_version: int
    source: str


EMPLOYMENT_Q2 = Feed(
    "employment-q2",
    "Employed in the second quarter after exit, by programme",
    "Of the periods of participation whose exit falls in the program year, the share with a job "
    "on at least one day of the second calendar quarter after the exit quarter. The exit is the "
    "last training service that 90 days without one follow. Programmes in which nobody is known "
    "to any employer are 'not_reported'. No totals are published.",
    1,
    "RSA-TAC-17-01, section A; 20 CFR 677.150",
)
FEEDS: Mapping[str, Feed] = {EMPLOYMENT_Q2.feed_id: EMPLOYMENT_Q2}


async def publish(
    store: FeedsStore, settings: FeedsSettings, window_id: str, *, by: str, now: datetime
) -> int:
    """Make the release of a window and answer its number.

    Raises Problem 422 for a window that is not one or is not complete, 409 for a second release.
    """
    window = _window(window_id, settings, now)
    async with store.exported() as (paths, positions):
        counts = await asyncio.to_thread(_counts, paths, window, now)
    titles = await store.titles(row["programme_id"] for row in counts)
    rows = [_row(row, titles, settings.minimum) for row in counts]
    draft = Draft(
        EMPLOYMENT_Q2.feed_id,
        window.window_id,
        EMPLOYMENT_Q2.definition_version,
        settings.minimum,
        now,
        positions,
        now,
        by,
    )
    return await store.add(draft, rows)


def _window(window_id: str, settings: FeedsSettings, now: datetime) -> windows.Window:
    try:
        window = windows.parse(window_id)
    except ValueError as error:
        raise _bad_window(str(error), "Give a program year such as PY2024.") from error
    ready_at = window.complete_at(settings.reporting_lag)
    if now < ready_at:
        raise _bad_window(
            f"{window.window_id} is not yet available", f"Come again after {ready_at:%Y-%m-%d}."
        )
    return window


def _bad_window(problem: str, fix: str) -> Problem:
    errors = [FieldError("window", problem, fix)]
    return Problem(422, "invalid", f"window: {problem}. {fix}", errors=errors)


def _counts(
    paths: Mapping[str, Path], window: windows.Window, as_of: datetime
) -> list[dict[str, Any]]:
    """Run the indicator on DuckDB over the exported tables."""
    connection = connect()
    try:
        text, instant = "VARCHAR", "TIMESTAMPTZ"
        service = connection.read_csv(
            paths["service"],
            columns={"worker_id": text, "programme_id": text, "served_at": instant},
        )
        job = connection.read_csv(
            paths["job"], columns={"worker_id": text, "started_at": instant, "ended_at": instant}
        )
        result = employed_in_second_quarter(service, job, window, as_of)
        rows: list[dict[str, Any]] = result.to_pyarrow().to_pylist()
        return rows
    finally:
        connection.disconnect()


def _row(counts: Mapping[str, Any], titles: Mapping[str, tuple[str, str]], minimum: int) -> Row:
    programme_id: str = counts["programme_id"]
    title, provider_id = titles.get(programme_id, (None, None))
    shown = cell(counts["exiters"], counts["employed"], counts["with_reports"], minimum=minimum)
    return Row(programme_id, title, provider_id, shown)


COLUMNS = ("programme_id", "programme_title", "provider_id", "status", "percent")


def as_json(
    feed: Feed, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A release with everything that is needed to read it."""
    window = windows.parse(head["window_id"])
    return {
        "feed_id": feed.feed_id,
        "release": head["number"],
        "title": feed.title,
        "definition": feed.definition,
        "definition_version": head["definition_version"],
        "definition_source": feed.source,
        "window": {
            "id": window.window_id,
            "exits_from": window.start.date().isoformat(),
            "exits_before": window.end.date().isoformat(),
        },
        "as_of": head["as_of"].isoformat(),
        "released_at": head["released_at"].isoformat(),
        "reflects": list(head["reflects"]),
        "minimum": head["minimum"],
        "method": "exact_suppressed",
        "rows": [{name: row[name] for name in COLUMNS} for row in rows],
    }


def as_csv(feed: Feed, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The same as CSV: every row says what it is of, so no row needs a header line above it."""
    fixed = {
        "feed_id": feed.feed_id,
        "release": head["number"],
        "definition_version": head["definition_version"],
        "window": head["window_id"],
        "as_of": head["as_of"].isoformat(),
        "minimum": head["minimum"],
    }
    lines = [csv_line([*fixed, *COLUMNS])]
    for row in rows:
        values = ["" if row[name] is None else row[name] for name in COLUMNS]
        lines.append(csv_line([*fixed.values(), *values]))
    return "".join(lines)
