"""What is known of a rebuild: one row while there is one, and the steps that were ordered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import asyncpg

from services.common.errors import TerminalError
from services.common.postgres import Connection, Pool
from services.projections.sql import MADE_FROM

Kind: TypeAlias = Literal["start", "rate", "pause", "resume", "compare", "switch", "undo", "drop"]

_ROW = "SELECT * FROM projections_work.rebuild"
_BEGIN = """
INSERT INTO projections_work.rebuild (is_changed, is_switched, rate, asked_by)
VALUES ($1, $2, $3, $4)
ON CONFLICT (only_one) DO UPDATE SET rate = excluded.rate, is_paused = false
"""
# Speed is the mean of the last seconds; several builders may tell, one of them each second.
_TELL = """
UPDATE projections_work.rebuild SET read_records = $1, log_records = $2, told_at = now(),
    records_per_s = CASE
        WHEN told_at IS NULL OR told_at < now() - interval '10 seconds' OR $1 < read_records THEN 0
        WHEN records_per_s = 0 THEN ($1 - read_records) / extract(epoch FROM now() - told_at)
        ELSE 0.8 * records_per_s
            + 0.2 * ($1 - read_records) / extract(epoch FROM now() - told_at) END
WHERE told_at IS NULL OR told_at < now() - interval '0.9 seconds'
"""
_TAKE = """
UPDATE projections_work.rebuild_step SET begun_at = now() WHERE step_id = (
    SELECT step_id FROM projections_work.rebuild_step WHERE begun_at IS NULL
        AND (step <> 'start' OR $1 OR asked_at < now() - interval '3 seconds')
    ORDER BY step_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING *
"""
_NOTE = """
INSERT INTO projections_work.rebuild_step (step, rate, anyway, asked_by, begun_at)
VALUES ($1, $2, $3, $4, now()) RETURNING *
"""
_END = """
UPDATE projections_work.rebuild_step
SET ended_at = now(), outcome = $2, code = $3, told = $4 WHERE step_id = $1
"""


class StepRefused(TerminalError):
    """A step that would do harm now, or that there is nothing to do for. `code` names the reason,
    `anyway` says whether it can be insisted on."""

    def __init__(self, code: str, message: str, *, anyway: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.anyway = anyway


@dataclass(frozen=True, slots=True)
class Schemas:
    """The names of the three sets of tables that there may be."""

    live: str

    @property
    def next(self) -> str:
        return f"{self.live}_next"

    @property
    def old(self) -> str:
        return f"{self.live}_old"


@dataclass(frozen=True, slots=True)
class Row:
    """The rebuild that there is, as `projections_work.rebuild` has it."""

    is_switched: bool
    is_changed: bool
    is_paused: bool
    rate: int | None  # records a second
    asked_by: str
    started_at: datetime
    switched_at: datetime | None
    log_records: int
    read_records: int
    records_per_s: float
    told_at: datetime | None
    comparison: Mapping[str, object] | None
    compared_at: datetime | None

    def beside(self, schemas: Schemas) -> str:
        """The schema that stands beside the tables in use."""
        return schemas.old if self.is_switched else schemas.next

    @property
    def behind(self) -> int:
        """Records of the log that the tables beside have not passed."""
        return max(0, self.log_records - self.read_records)

    def left_s(self) -> float | None:
        """The time until they have caught up, at the present speed; None while it is not known."""
        if not self.behind:
            return 0.0
        return self.behind / self.records_per_s if self.records_per_s > 0 else None


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was ordered."""

    step_id: int
    step: Kind
    rate: int | None
    anyway: bool
    asked_by: str


async def row(pool: Pool | Connection) -> Row | None:
    """The rebuild that there is, if any."""
    found = await pool.fetchrow(_ROW)
    if found is None:
        return None
    values = {name: found[name] for name in Row.__slots__}
    if values["comparison"] is not None:
        values["comparison"] = json.loads(values["comparison"])
    return Row(**values)


async def begin(
    connection: Connection, *, changed: bool, switched: bool, rate: int | None, by: str
) -> None:
    """Remember a rebuild; one that is there goes on at the new rate."""
    await connection.execute(_BEGIN, changed, switched, rate, by)


async def tell(pool: Pool, read_records: int, log_records: int) -> None:
    """Say how far a builder is."""
    await pool.execute(_TELL, read_records, log_records)


async def take_step(pool: Pool, *, first: bool) -> Step | None:
    """The next ordered step, if any: it is ours now.

    first: begin a rebuild at once, as who has another declaration than the tables in use does.
    """
    return _step(await pool.fetchrow(_TAKE, first))


async def note_step(
    pool: Pool, step: Kind, by: str, *, rate: int | None = None, anyway: bool = False
) -> Step:
    """A step that its caller takes itself."""
    found = _step(await pool.fetchrow(_NOTE, step, rate, anyway, by))
    assert found is not None
    return found


def _step(found: asyncpg.Record | None) -> Step | None:
    if found is None:
        return None
    return Step(**{name: found[name] for name in Step.__slots__})


async def end_step(pool: Pool, step: Step, outcome: str, code: str | None, told: str) -> None:
    await pool.execute(_END, step.step_id, outcome, code, told[:1000])


async def made_from(pool: Pool | Connection, schema: str) -> str | None:
    """The fingerprint of the declaration that a schema's tables were made from; None: no tables."""
    # Asked first, for a failed statement would end the transaction of who holds the locks.
    if await pool.fetchval("SELECT to_regclass($1)", f"{schema}.declaration") is None:
        return None
    try:
        found: str | None = await pool.fetchval(MADE_FROM.format(schema=schema))
    except asyncpg.UndefinedTableError:
        return None  # switched or dropped since
    return found
