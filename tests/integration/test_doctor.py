"""`throughline doctor` tells of what came in and was not taken."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from services.common.postgres import Pool

REJECT = """
INSERT INTO ingest_work.source_reject (source, topic, partition, log_offset, reason, rejected_at)
VALUES ('river-college', 'edx', 0, $1, $2, $3::text::timestamptz)
"""
WAIT = """
INSERT INTO ingest_work.source_wait (source, since, why, next_try_at)
VALUES ($1, now(), $2, now() + make_interval(secs => $3))
"""
SCIM = """
INSERT INTO vault.scim_event (organization_id, id, worker_id, sealed, refused, written_at)
VALUES ('acme', $1, $1, '', $2, $3::text::timestamptz)
"""


class Doctor:
    """The command in a process of its own, for the hub of a test."""

    def __init__(self, environment: dict[str, str], data: Path) -> None:
        self._environment = environment
        self._data = data

    async def says(self, name: str) -> tuple[bool, str, str | None]:
        """Whether it is well, what was found, and the fix."""
        command = [sys.executable, "-m", "services.cli", "doctor", "--json", "--data", self._data]
        process = await asyncio.create_subprocess_exec(
            *map(str, command), env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        [one] = [finding for finding in json.loads(out) if finding["name"] == name]
        return one["ok"], one["found"], one["fix"]


@pytest.fixture
def doctor(environment: dict[str, str], tmp_path: Path) -> Doctor:
    return Doctor(environment, tmp_path / "none")


@pytest.mark.parametrize("name", ["Open edX", "SCIM in"])
async def test_where_nothing_was_refused_all_is_well(doctor: Doctor, name: str) -> None:
    assert await doctor.says(name) == (True, "nothing was refused", None)


async def test_records_of_open_edx_that_were_not_taken(doctor: Doctor, pool: Pool) -> None:
    await pool.execute(REJECT, 8, "KeyError: 'user'", "2026-05-04T09:00Z")
    await pool.execute(REJECT, 7, "DoesNotDecode: no ce_id", "2026-05-03T08:30Z")

    ok, found, fix = await doctor.says("Open edX")

    assert not ok
    assert found == "2 refused, the oldest on 2026-05-03 08:30 UTC: DoesNotDecode: no ce_id"
    assert fix is not None
    assert "ingest_work.source_reject" in fix


async def test_open_edx_waits_for_what_is_away(doctor: Doctor, pool: Pool) -> None:
    await pool.execute(REJECT, 7, "DoesNotDecode: no ce_id", "2026-05-03T08:30Z")
    await pool.execute(WAIT, "river-college", "the schema registry answers 503", 30)

    ok, found, fix = await doctor.says("Open edX")

    assert not ok
    assert found.startswith("waits since ")
    assert "the schema registry answers 503; 1 refused, the oldest on 2026-05-03" in found
    assert fix is not None
    assert "OPENEDX_BOOTSTRAP and _REGISTRY_URL" in fix


async def test_a_wait_whose_next_try_is_long_overdue_is_over(doctor: Doctor, pool: Pool) -> None:
    await pool.execute(WAIT, "river-college", "the schema registry answers 503", -61)
    assert await doctor.says("Open edX") == (True, "nothing was refused", None)


async def test_refused_events_of_employers_users(doctor: Doctor, pool: Pool) -> None:
    await pool.execute(SCIM, uuid4(), None, "2026-05-01T08:00Z")  # it waits, and is not refused
    await pool.execute(SCIM, uuid4(), "RoleChanged invalid", "2026-05-04T09:00Z")
    await pool.execute(SCIM, uuid4(), "EmploymentEnded forbidden", "2026-05-03T08:30Z")

    ok, found, fix = await doctor.says("SCIM in")

    assert not ok
    assert found == "2 refused, the oldest on 2026-05-03 08:30 UTC: EmploymentEnded forbidden"
    assert fix is not None
    assert "vault.scim_event" in fix
