"""Indicators, each defined once as an Ibis expression over fixed tables.

The tables: `day` (worker_id, enrolment_id, served_on: days of a qualifying service), `enrolment`
(worker_id, enrolment_id, provider_id or null, programme_id) and `job` (worker_id, started_at,
ended_at or null). Days and instants are UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import ibis
from ibis import Table, _

from services.feeds.windows import Window

# The 90th day after a service counts as elapsed.
EXIT_AFTER = timedelta(days=90)
PERIOD = ("worker_id", "period")
PROGRAMME = ("provider_id", "programme_id")


def connect(spill: Path | None = None) -> ibis.BaseBackend:
    """DuckDB in memory, with quarters as they are in UTC whatever the machine's zone is.

    spill: where what does not fit goes; without it, all has to fit.
    """
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    if spill is not None:
        connection.raw_sql("SET memory_limit = '1GB'")
        connection.raw_sql(f"SET temp_directory = '{spill}'")
    return connection


def periods(day: Table, as_of: datetime) -> Table:
    """Periods of participation with an exit: worker_id, period, began_on, exited_on.

    A period ends with the last qualifying service, of whatever programme, that 90 days of silence
    follow; the exit date is the day of that service, and can't be known before the 90 days are
    over. It is computed as of `as_of`, never stored, so a late service changes it by itself.
    Source: RSA-TAC-17-01 p. 23-26; 20 CFR 677.150(c).
    """
    per_worker = ibis.window(group_by="worker_id", order_by="served_on")
    so_far = ibis.cumulative_window(group_by="worker_id", order_by="served_on")
    days = day.filter(_.served_on <= as_of.date()).select("worker_id", "served_on").distinct()
    gaps = days.mutate(previous=_.served_on.lag().over(per_worker))
    silent = _.previous.isnull() | (_.previous + EXIT_AFTER <= _.served_on)
    marked = gaps.mutate(starts=silent.cast("int64"))
    numbered = marked.mutate(period=_.starts.sum().over(so_far))
    ended = numbered.group_by(PERIOD).agg(began_on=_.served_on.min(), exited_on=_.served_on.max())
    return ended.filter(_.exited_on <= as_of.date() - EXIT_AFTER)


def exiters(day: Table, enrolment: Table, window: Window, as_of: datetime) -> Table:
    """One row per period with its exit in the window and programme served in it."""
    found = periods(day, as_of).filter(
        (_.exited_on >= window.start.date()) & (_.exited_on < window.end.date())
    )
    within = day.join(found, "worker_id").filter(
        (_.served_on >= _.began_on) & (_.served_on <= _.exited_on)
    )
    served = within.join(enrolment, ["worker_id", "enrolment_id"])
    return served.select(*PERIOD, *PROGRAMME, "exited_on").distinct()


def employed_in_second_quarter(cohort: Table, job: Table, as_of: datetime) -> Table:
    """The cohort (see `exiters`) with `employed` and `reported`, whether any employer ever did.

    The exit quarter is quarter 0; employed means a job on at least one day of quarter 2.
    Source: RSA-TAC-17-01, section A "Employment rate - 2nd quarter after exit".
    """
    dated = cohort.mutate(
        quarter_start=_.exited_on.truncate("Q") + ibis.interval(months=6),
        quarter_end=_.exited_on.truncate("Q") + ibis.interval(months=9),
    )
    jobs = job.filter(_.started_at <= as_of)
    matched = dated.left_join(jobs, "worker_id")
    in_quarter = (matched.started_at < matched.quarter_end) & (
        matched.ended_at.isnull() | (matched.ended_at >= matched.quarter_start)
    )
    return matched.group_by(*PERIOD, *PROGRAMME).agg(
        employed=in_quarter.fill_null(False).max(), reported=matched.started_at.notnull().max()
    )


def by_programme(outcome: Table) -> Table:
    """provider_id, programme_id, and what `gate.Group` counts.

    The counted unit is the period, as several of one person each count (RSA-TAC-17-01, p. 26).
    """
    return (
        outcome.group_by(PROGRAMME)
        .agg(
            exiters=_.count(),
            employed=_.employed.cast("int64").sum(),
            people=_.worker_id.nunique(),
            in_work=_.worker_id.nunique(where=_.employed),
            out_of_work=_.worker_id.nunique(where=~_.employed),
            reported=_.worker_id.nunique(where=_.reported),
        )
        .order_by(["programme_id", "provider_id"])
    )


def shared(outcome: Table) -> Table:
    """Each two programmes that were served in the same periods: exiters and employed of these."""
    keyed = outcome.mutate(key=ibis.struct({name: outcome[name] for name in PROGRAMME}))
    one, other = keyed.select(*PERIOD, "key", "employed"), keyed.select(*PERIOD, "key")
    pairs = one.join(other, [*PERIOD, one.key < other.key], rname="other_{name}")
    return (
        pairs.group_by("key", "other_key")
        .agg(exiters=_.count(), employed=_.employed.cast("int64").sum())
        .order_by(["key", "other_key"])
    )
