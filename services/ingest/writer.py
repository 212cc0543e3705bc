"""The way onto the log for everything that comes in: HTTP, files, xAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import repeat
from uuid import UUID

from schemas.models import WorkerRegistered
from services.common.access import Principal
from services.common.errors import DependencyDown
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.tracing import trace_headers
from services.common.vault import Keyring, Vault
from services.ingest.agreement_check import AgreementCheck
from services.ingest.drafts import Draft, ItemResult, Status
from services.ingest.eventlog import EventLog
from services.ingest.handlers import Author, Item, draft, registration
from services.ingest.pipeline import Pipeline
from services.ingest.resolving import Resolver
from services.ingest.settings import IngestSettings
from services.ingest.store import ReservationStore
from services.ingest.worker_store import WorkerStore

# Between two looks at an id that another process is writing just now.
_BUSY_S = 0.05


class Writer:
    """Validates events, checks the author, and writes what may be written."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        vault: Vault,
        keyring: Keyring,
        own: IngestSettings | None = None,
        *,
        work: Pool | None = None,
    ) -> None:
        """work: a pool for working state; `pool` does as well, a little slower."""
        self._own = own or IngestSettings()
        self._vault = vault
        self._events = EventLog(settings)
        self.agreements = AgreementCheck(
            pool, required=settings.require_agreement, age=self._own.agreement_age
        )
        resolver = Resolver(WorkerStore(pool), vault)
        reservations = ReservationStore(work or pool)
        self._pipeline = Pipeline(reservations, self._events, resolver, keyring, self._own)

    async def write(
        self,
        items: Sequence[Item],
        principal: Principal,
        at: datetime,
        unnamed: Sequence[UUID] | None = None,
    ) -> list[ItemResult]:
        """Write each event that may be written, and say what became of each, in order.

        items: JSON objects, or edge models that were validated already; `at`: when they came in.
        unnamed: an id for each, should it have none; without it they get random ones.
        Raises DependencyDown while Kafka or PostgreSQL is away. Nothing is acknowledged then, and
        the same call may be made again: what did get to the log answers `duplicate`.
        """
        author = Author.of(principal)
        results: list[ItemResult] = []
        for start in range(0, len(items), self._own.max_events):
            end = start + self._own.max_events
            part = items[start:end]
            ids = repeat(None, len(part)) if unnamed is None else unnamed[start:end]
            made = [
                draft(item, author, self._vault, at, self._own.ahead, unnamed=event_id)
                for item, event_id in zip(part, ids, strict=True)
            ]
            drafts = [entry for entry in made if isinstance(entry, Draft)]
            await self._submit_covered(drafts, principal, at)
            results += [_result(entry) for entry in made]
        return results

    async def register(
        self, models: Sequence[WorkerRegistered], principal: Principal, at: datetime
    ) -> list[ItemResult]:
        """Register workers for an organisation; who is known by source record is a `duplicate`.

        Raises DependencyDown as `write` does.
        """
        author = Author.of(principal)
        made = [registration(model, author, self._vault, at) for model in models]
        await self._submit_covered(made, principal, at)
        return [_result(entry) for entry in made]

    async def close(self) -> None:
        await self._pipeline.close()
        await self._events.close()

    async def _submit_covered(
        self, drafts: Sequence[Draft], principal: Principal, at: datetime
    ) -> None:
        """Refuse what no agreement covers, before anything is kept of it; write the rest."""
        names = {entry.event_type.name for entry in drafts}
        refusals = await self.agreements.refusals(principal, names, at)
        if refusals:
            for entry in drafts:
                if refusal := refusals.get(entry.event_type.name):
                    entry.refuse(Status.INVALID, refusal)
            drafts = [entry for entry in drafts if entry.result is None]
        await self._submit(drafts)

    async def _submit(self, drafts: Sequence[Draft]) -> None:
        trace = trace_headers()
        for entry in drafts:
            entry.trace = trace
        deadline = asyncio.get_running_loop().time() + self._own.patience.total_seconds()
        while drafts:
            await self._pipeline.submit(drafts)
            drafts = [entry for entry in drafts if entry.busy]
            if drafts and asyncio.get_running_loop().time() > deadline:
                raise DependencyDown("the same events are being written elsewhere", retry_after_s=5)
            for entry in drafts:
                entry.busy = False
            if drafts:
                await asyncio.sleep(_BUSY_S)


def _result(entry: Draft | ItemResult) -> ItemResult:
    result = entry if isinstance(entry, ItemResult) else entry.result
    assert result is not None, "the pipeline gives every draft a result"
    return result
