"""One batch of an import: its events are written, or in a dry run only asked about, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

from aiokafka.errors import KafkaError

from schemas.edge import EdgeEvent
from services.common.access import Principal
from services.common.errors import RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool
from services.common.vault import Vault
from services.ingest.agreement_check import AgreementCheck
from services.ingest.drafts import ItemResult
from services.ingest.imports.opening import Batch
from services.ingest.imports.rehearsal import Rehearsal, written
from services.ingest.imports.report import seal_refused
from services.ingest.imports.report_store import Refused
from services.ingest.imports.rows import Note, RowResult, Severity
from services.ingest.imports.settings import ImportSettings
from services.ingest.imports.store import Checkpoint, Import
from services.ingest.imports.tally import Written
from services.ingest.settings import IngestSettings

_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
AT_ONCE = 500  # events of one call to the writer; the calls of a batch are made together
log = get_logger("imports")


class EventWriter(Protocol):
    """Writes events for a caller and says what became of each, in order."""

    agreements: AgreementCheck

    async def write(
        self, items: Sequence[EdgeEvent], principal: Principal, at: datetime
    ) -> Sequence[ItemResult]: ...


class Taking:
    """The counts of one import, and what is kept of its rows, as batch follows batch."""

    def __init__(
        self, pool: Pool, writer: EventWriter, vault: Vault, settings: ImportSettings, job: Import
    ) -> None:
        self._job = job
        self._writer = writer
        self._vault = vault
        self._settings = settings
        ahead = IngestSettings().ahead
        self._rehearsal = Rehearsal(pool, vault, ahead, writer.agreements, job.import_id)
        self._tally = job.tally
        self._noted = job.tally.refused.total() + job.tally.warnings.total()
        self._kept_bytes = job.refused_bytes

    async def take(self, batch: Batch, at: datetime) -> Checkpoint:
        """Raises RetryableError while log or database are away; it may be taken again then."""
        results = iter(await self._results(batch.rows, at))
        said: list[tuple[RowResult, list[Note]]] = []
        for row in batch.rows:
            notes = self._tally.add(row, list(islice(results, len(row.events))))
            if notes:
                said.append((row, notes))
        notes = [note for _, notes in said for note in notes]
        kept = notes[: max(0, self._settings.max_notes - self._noted)]
        self._noted += len(notes)
        refused = [found for row, notes in said if (found := self._refused(row, notes))]
        return Checkpoint(batch.rows[-1].row, batch.bytes_read, 0.0, self._tally, kept, refused)

    async def people(self) -> dict[str, int] | None:
        """Whom the file is about; known in a dry run only."""
        return await self._rehearsal.people() if self._job.dry_run else None

    def _refused(self, row: RowResult, notes: Sequence[Note]) -> Refused | None:
        """The row, if it is refused and there is still room for it."""
        if self._kept_bytes >= self._settings.max_refused_bytes:
            return None
        if not any(note.severity is Severity.REFUSED for note in notes):
            return None
        sealed = seal_refused(self._vault, self._job.import_id, row, notes)
        self._kept_bytes += len(sealed.sealed)
        return sealed

    async def _results(self, rows: Sequence[RowResult], at: datetime) -> Sequence[Written]:
        if self._job.dry_run:
            return await self._rehearsal.check(rows, self._job.principal, at)
        events = [event for row in rows for event in row.events]
        parts = [events[start : start + AT_ONCE] for start in range(0, len(events), AT_ONCE)]
        # Known now, so that no call waits for it: begun in the order of the file, they are on the
        # log in it, too.
        await self._writer.agreements.refusals(self._job.principal, _names(events), at)
        answers = await asyncio.gather(*(self._write(part, at) for part in parts))
        return [written(result) for results in answers for result in results]

    async def _write(self, part: Sequence[EdgeEvent], at: datetime) -> Sequence[ItemResult]:
        """Tried again by itself while the log is away: what got through is counted once."""
        for wait_s in _WAITS_S:
            try:
                return await self._writer.write(part, self._job.principal, at)
            except (RetryableError, KafkaError, *AWAY) as error:
                log.warning("import waits", error=repr(error), retry_after_s=wait_s)
                await asyncio.sleep(wait_s)
        return await self._writer.write(part, self._job.principal, at)


def _names(events: Sequence[EdgeEvent]) -> set[str]:
    return {event.event_type for event in events}
