"""Indicators, each defined once as an Ibis expression over fixed tables.

The tables: `service` (worker_id, programme_id, served_at: days of a qualifying service) and `job`
(worker_id, started_at, ended_at or null). Instants are UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import ibis
from ibis import Table, _

from services.feeds.windows import Window

EXIT_AFTER = timedelta(days=90)


def connect() -> ibis.BaseBackend:
    """DuckDB in memory, with quarters as they are in UTC whatever the machine's zone is."""
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection


def periods(service: Table, as_of: datetime) -> Table:
    """Periods of participation with an exit: worker_id, period, exited_at.

    A period ends with the last qualifying service that 90 days of silence follow; the exit date is
    the day of that service, and can't be known before the 90 days are over. It is computed as of
    `as_of`, never stored, so a late service changes it by itself.
    Source: RSA-TAC-17-01 p. 23-26; 20 CFR 677.150(c).
    """
    per_worker = ibis.window(group_by="worker_id", order_by="served_at")
    so_far = ibis.cumulative_window(group_by="worker_id", order_by="served_at")
    days = service.filter(_.served_at <= as_of).select("worker_id", "served_at").distinct()
    gaps = days.mutate(previous=_.served_at.lag().over(per_worker))
    silent = _.previous.isnull() | (_.previous + EXIT_AFTER < _.served_at)
    marked = gaps.mutate(starts=silent.cast("int64"))
    numbered = marked.mutate(period=_.starts.sum().over(so_far))
    ended = numbered.group_by("worker_id", "period").agg(
        began_at=_.served_at.min(), exited_at=_.served_at.max()
    )
    return ended.filter(_.exited_at <= as_of - EXIT_AFTER)


def exiters(service: Table, window: Window, as_of: datetime) -> Table:
    """One row per period with its exit in the window and programme served in it."""
    found = periods(service, as_of).filter(
        (_.exited_at >= window.start) & (_.exited_at < window.end)
    )
    served = service.join(found, "worker_id").filter(
        (_.served_at >= _.began_at) & (_.served_at <= _.exited_at)
    )
    return served.select("worker_id", "programme_id", "period", "exited_at").distinct()


def employed_in_second_quarter(
    service: Table, job: Table, window: Window, as_of: datetime
) -> Table:
    """Employed in the second quarter after exit, by programme.

    programme_id, exiters (periods), employed (periods), with_reports (periods of people any
    employer ever reported). The exit quarter is quarter 0; employed means a job on at least one
    day of quarter 2. The counted unit is the period, as several of one person each count.
    Source: RSA-TAC-17-01, section A "Employment rate - 2nd quarter after exit".
    """
    cohort = exiters(service, window, as_of).mutate(
        quarter_start=_.exited_at.truncate("Q") + ibis.interval(months=6),
        quarter_end=_.exited_at.truncate("Q") + ibis.interval(months=9),
    )
    jobs = job.filter(_.started_at <= as_of)
    matched = cohort.left_join(jobs, cohort.worker_id == jobs.worker_id)
    in_quarter = (matched.started_at < matched.quarter_end) & (
        matched.ended_at.isnull() | (matched.ended_at >= matched.quarter_start)
    )
    per_period = matched.group_by("worker_id", "programme_id", "period").agg(
        employed=in_quarter.fill_null(False).max(), reported=matched.started_at.notnull().max()
    )
    return (
        per_period.group_by("programme_id")
        .agg(
            exiters=_.count(),
            employed=_.employed.cast("int64").sum(),
            with_reports=_.reported.cast("int64").sum(),
        )
        .order_by("programme_id")
    )
