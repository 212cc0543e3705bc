"""Making a release: compute, decide what may be shown, store. And its two forms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis

from services.common.csv_cells import csv_line
from services.common.errors import FieldError, Problem
from services.feeds import windows
from services.feeds.gate import Cell, Group, Programme, Shared, Status, cells
from services.feeds.indicators import (
    by_programme,
    connect,
    employed_in_second_quarter,
    exiters,
    shared,
)
from services.feeds.settings import FeedsSettings
from services.feeds.store import Draft, FeedsStore, Row


@dataclass(frozen=True, slots=True)
class Feed:
    """One fixed table: its id and words. A change of the formula is a new version of the words;
    the old ones stay, for the releases that were made by them."""

    feed_id: str
    title: str
    definitions: Sequence[str]
    source: str

    @property
    def version(self) -> int:
        """The version that releases are made by now."""
        return len(self.definitions)

    def definition(self, version: int) -> str:
        return self.definitions[version - 1]


EMPLOYMENT_Q2 = Feed(
    "employment-q2",
    "Employed in the second quarter after exit, by programme",
    (
        "Of the periods of participation whose exit falls in the program year, the share with a "
        "job on at least one day of the second calendar quarter after the exit quarter. The exit "
        "is the last training service that 90 days without one follow. Programmes in which nobody "
        "is known to any employer are 'not_reported'. No totals are published.",
        "Of the periods of participation whose exit falls in the program year, the share with a "
        "job on at least one day of the second calendar quarter after the exit quarter. Training "
        "services are the days (UTC) on which a person enrolled in, worked on, was tested in, "
        "completed or left a course, of whatever provider; the exit is the last such day before "
        "90 days have gone by without another. A period counts for every programme (provider and "
        "course) that was served in it. A large programme in which hardly anybody is known to any "
        "employer is 'not_reported'. Programmes of the directory with too few people, or none, "
        "are 'suppressed', and others are left out. No totals are published.",
    ),
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
    async with store.exported(now) as (folder, positions):
        groups, both = await asyncio.to_thread(_counts, folder, window, now)
    shown = cells(groups, both, minimum=settings.minimum)
    draft = Draft(
        EMPLOYMENT_Q2.feed_id,
        window.window_id,
        EMPLOYMENT_Q2.version,
        settings.minimum,
        now,
        positions,
        now,
        by,
    )
    return await store.add(draft, table(shown, await store.titles()))


def table(shown: Mapping[Programme, Cell], titles: Mapping[Programme, str | None]) -> list[Row]:
    """The rows, in an order that says nothing of the counts.

    A row with too few people looks like one with nobody: programmes of the directory are always
    there, and of others only those that show something.
    """
    nothing = Cell(Status.SUPPRESSED)
    listed = {programme for programme, cell in shown.items() if cell != nothing} | set(titles)
    return [
        Row(programme, titles.get(programme), shown.get(programme, nothing))
        for programme in sorted(listed, key=lambda one: (one[1], one[0] or ""))
    ]


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
    folder: Path, window: windows.Window, as_of: datetime
) -> tuple[dict[Programme, Group], list[Shared]]:
    """Run the indicator on DuckDB over the exported tables."""
    connection = connect(folder)
    try:
        day, enrolment, job = _tables(connection, folder)
        cohort = exiters(day, enrolment, window, as_of)
        # Made once: both tables are counted from it.
        found = employed_in_second_quarter(cohort, job, as_of)
        outcome = connection.create_table("outcome", found, temp=True)
        rows = by_programme(outcome).to_pyarrow().to_pylist()
        pairs = shared(outcome).to_pyarrow().to_pylist()
        groups = {(row.pop("provider_id"), row.pop("programme_id")): Group(**row) for row in rows}
        return groups, [_shared(row) for row in pairs]
    finally:
        connection.disconnect()


def _tables(
    connection: ibis.BaseBackend, folder: Path
) -> tuple[ibis.Table, ibis.Table, ibis.Table]:
    """Workers as UUIDs, which are compared and sorted much faster than text."""
    text, instant = "VARCHAR", "TIMESTAMPTZ"
    enrolment = {"worker_id": "UUID"}
    enrolment |= dict.fromkeys(("enrolment_id", "provider_id", "programme_id"), text)
    job = {"worker_id": "UUID", "started_at": instant, "ended_at": instant}
    day = connection.read_parquet(folder / "day-*.parquet")
    return (
        day.mutate(worker_id=day.worker_id.cast("uuid")),
        connection.read_csv(folder / "enrolment.csv", columns=enrolment),
        connection.read_csv(folder / "job.csv", columns=job),
    )


def _shared(row: Mapping[str, Any]) -> Shared:
    one, other = (
        (key["provider_id"], key["programme_id"]) for key in (row["key"], row["other_key"])
    )
    return Shared(one, other, row["exiters"], row["employed"])


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
        "definition": feed.definition(head["definition_version"]),
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
    told = as_json(feed, head, rows)
    window = told.pop("window")
    told |= {"window": window["id"]} | {n: window[n] for n in ("exits_from", "exits_before")}
    told["reflects"] = " ".join(told["reflects"])
    found = told.pop("rows")
    lines = [csv_line([*told, *COLUMNS])]
    for row in found:
        values = ["" if row[name] is None else row[name] for name in COLUMNS]
        lines.append(csv_line([*told.values(), *values]))
    return "".join(lines)
