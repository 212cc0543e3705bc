"""An import as it is shown to who sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingest.imports.store import Import


def account(job: Import, now: datetime) -> dict[str, Any]:
    """How far it is, and what became of its rows and events."""
    tally = job.tally
    place = f"/v1/imports/{job.import_id}"
    shown = {
        **_brief(job, now),
        "encoding": job.encoding,
        "sha256": job.sha256,
        "events": _with_zeros(tally.events, "accepted", "duplicate", "repeated", "refused"),
        "accepted_by_type": dict(tally.accepted),
        "refused_by_reason": dict(tally.refused),
        "warnings_by_reason": dict(tally.warnings),
        "repaired_by_rule": dict(tally.repaired),
        "rejected": f"{place}/rejected",
        "report": f"{place}/report",
    }
    if job.dry_run:
        shown["people"] = _with_zeros(tally.people, "known", "new")
        shown["columns"] = list(job.guessed)
    return shown


def listed(jobs: Sequence[Import], limit: int, now: datetime) -> dict[str, Any]:
    """A page of imports; `next` is what `before` must be for the page after it."""
    more = len(jobs) == limit
    return {
        "imports": [_brief(job, now) for job in jobs],
        "next": str(jobs[-1].import_id) if more else None,
    }


def _brief(job: Import, now: datetime) -> dict[str, Any]:
    left = job.seconds_left
    over = job.finished_at
    return {
        "id": str(job.import_id),
        "self": f"/v1/imports/{job.import_id}",
        "state": job.state,
        "dry_run": job.dry_run,
        "mapping": job.mapping_name,
        "file": job.file_name,
        "bytes": job.bytes_total,
        "progress": job.progress,
        "rows": _with_zeros(job.tally.rows, "read", "accepted", "duplicate", "refused", "empty"),
        "rows_per_s": job.rows_per_s,
        "seconds_left": left,
        "ends_about": None if left is None else (now + timedelta(seconds=left)).isoformat(),
        "problem": job.problem,
        "created_at": job.created_at.isoformat(),
        "finished_at": over.isoformat() if over is not None else None,
    }


def _with_zeros(counts: Mapping[str, int], *names: str) -> dict[str, int]:
    return {**dict.fromkeys(names, 0), **{n: c for n, c in counts.items() if c}}
