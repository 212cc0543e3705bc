"""A dry run: what would become of each event, and whom the file is about. Nothing is written to
the log and no worker is made; what was met so far stands in tables, so memory does not grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.common.access import Principal
from services.common.postgres import Pool
from services.common.vault import Vault
from services.ingest.agreement_check import AgreementCheck
from services.ingest.drafts import Draft, ItemResult, Status
from services.ingest.handlers import Author, draft
from services.ingest.imports.rows import RowResult
from services.ingest.imports.tally import Written

_EVENTS_A_ROW = 16  # at most; a mapping has ten events
# The first event of an id in the file keeps its place, so a batch may be asked about twice.
_MEET = """
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::bytea[], $4::bigint[]) AS g(event_id, content, place)),
met AS (
    INSERT INTO ingest_work.import_rehearsed AS r (import_id, event_id, place, content)
    SELECT DISTINCT ON (event_id) $1::uuid, event_id, place, content
    FROM given ORDER BY event_id, place
    ON CONFLICT (import_id, event_id) DO UPDATE SET place = r.place
    RETURNING event_id, place, content)
SELECT given.place, met.place AS first_place, met.content = given.content AS same_as_first,
    log.content = given.content AS same_as_log
FROM given JOIN met USING (event_id)
LEFT JOIN ingest_work.reservation log
    ON log.event_id = given.event_id AND log.log_offset IS NOT NULL
"""
_MEET_PEOPLE = """
INSERT INTO ingest_work.import_person (import_id, record_index, known)
SELECT $1, record_index, EXISTS (
    SELECT FROM vault.source_record s WHERE s.source = $2 AND s.record_index = g.record_index)
FROM unnest($3::bytea[]) AS g(record_index)
ON CONFLICT (import_id, record_index) DO NOTHING
"""
_OTHER = "another event was sent under this id"
_OTHER_HERE = "an earlier row of this file gives another event under this id"
_FIX = "Give a corrected event an id of its own (source_event_id in the mapping)."


class Rehearsal:
    """What a dry run of one import has met."""

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        ahead: timedelta,
        agreements: AgreementCheck,
        import_id: UUID,
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._ahead = ahead
        self._agreements = agreements
        self._import_id = import_id

    async def check(
        self, rows: Sequence[RowResult], principal: Principal, at: datetime
    ) -> list[Written]:
        """What would become of each event of these rows, in order: `valid` or a refusal."""
        author = Author.of(principal)
        made: dict[int, Draft | ItemResult] = {
            row.row * _EVENTS_A_ROW + index: draft(event, author, self._vault, at, self._ahead)
            for row in rows
            for index, event in enumerate(row.events)
        }
        names = {entry.event_type.name for entry in made.values() if isinstance(entry, Draft)}
        refusals = await self._agreements.refusals(principal, names, at)
        for place, found in made.items():
            if isinstance(found, Draft) and (error := refusals.get(found.event_type.name)):
                made[place] = ItemResult(Status.INVALID, errors=(error,))
        drafts = {place: found for place, found in made.items() if isinstance(found, Draft)}
        standing = await self._meet(drafts) if drafts else {}
        await self._meet_people(author.actor.source, drafts)
        return [
            standing[place] if isinstance(found, Draft) else written(found)
            for place, found in made.items()
        ]

    async def _meet(self, drafts: Mapping[int, Draft]) -> dict[int, Written]:
        named = [entry.event_id for entry in drafts.values()]
        contents = [entry.content for entry in drafts.values()]
        rows = await self._pool.fetch(_MEET, self._import_id, named, contents, list(drafts))
        return {
            row["place"]: _standing(
                row["same_as_log"], row["place"] == row["first_place"], row["same_as_first"]
            )
            for row in rows
        }

    async def _meet_people(self, source: str, drafts: Mapping[int, Draft]) -> None:
        indexes = {d.record_index for d in drafts.values() if d.record_index is not None}
        if indexes:
            await self._pool.execute(_MEET_PEOPLE, self._import_id, source, sorted(indexes))

    async def people(self) -> dict[str, int]:
        """How many people the file is about so far: `known` to the hub, and `new`."""
        row = await self._pool.fetchrow(
            "SELECT count(*) FILTER (WHERE known) AS known, count(*) FILTER (WHERE NOT known)"
            " AS new FROM ingest_work.import_person WHERE import_id = $1",
            self._import_id,
        )
        return dict(row) if row is not None else {}


def _standing(same_as_log: bool | None, first: bool, same_as_first: bool) -> Written:
    if same_as_log is not None:
        return Written("duplicate") if same_as_log else _conflict(_OTHER)
    if first:
        return Written("valid")
    return Written("duplicate") if same_as_first else _conflict(_OTHER_HERE)


def _conflict(reason: str) -> Written:
    return Written("conflict", "source_event_id", reason, _FIX)


def written(result: ItemResult) -> Written:
    """What the writer answered, for the report."""
    error = result.errors[0] if result.errors else None
    if error is None:
        return Written(result.status.value)
    return Written(result.status.value, error.field, error.problem, error.fix or "")
