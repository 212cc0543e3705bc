"""Whose event it is: known workers, those of source records, and people met for the first time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from schemas.catalog import event_types
from schemas.edge import StoryEvent
from schemas.models import WorkerRegistered
from services.common.contacts import index_of
from services.common.errors import FieldError
from services.common.vault import Vault
from services.ingest.drafts import Draft, Status, content_of_registration
from services.ingest.handlers import registration_id
from services.ingest.worker_store import KnownWorker, WorkerStore

_UNKNOWN = FieldError(
    "worker_id",
    "no worker has this id",
    "Register the person with POST /v1/workers, or send your own number as source_record_id.",
)
_ANOTHER = FieldError(
    "source_record_id", "is your number for another worker", "Leave out one of the two."
)


class Resolver:
    """Finds the worker of each draft, three statements however many there are; one more pair when
    somebody is new.
    """

    def __init__(self, store: WorkerStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def resolve(self, drafts: Sequence[Draft]) -> Mapping[UUID, Draft]:
        """Set each draft's worker, or refuse it.

        Answers the registrations that are not on the log yet and must come before anything else
        about their worker.
        """
        about_people = [d for d in drafts if isinstance(d.model, StoryEvent)]
        if not about_people:
            return {}
        await self._add_new(about_people)
        by_record = await self._by_record(about_people)
        by_id = await self._by_id(about_people)
        registrations: dict[UUID, Draft] = {}
        for draft in about_people:
            worker = _worker_of(draft, by_id, by_record)
            if worker is None:
                continue
            draft.worker_id, draft.known_as = worker.worker_id, worker.known_as
            explicit = isinstance(draft.model, WorkerRegistered)
            if explicit:
                self._name(draft, worker.known_as)
            if not worker.registered and (explicit or worker.worker_id not in registrations):
                first = draft if explicit else self._registration(draft, worker)
                registrations[worker.worker_id] = first
        return registrations

    async def _add_new(self, drafts: Sequence[Draft]) -> None:
        """Keep the ids of those who are registered without a source record."""
        new = [
            draft.worker_id
            for draft in drafts
            if isinstance(draft.model, WorkerRegistered) and draft.worker_id is not None
        ]
        if new:
            await self._store.add_workers(new, _earliest(drafts))

    async def _by_record(self, drafts: Sequence[Draft]) -> Mapping[bytes, KnownWorker]:
        records = {d.record_index: d.source for d in drafts if d.record_index is not None}
        if not records:
            return {}
        found = dict(await self._store.workers_of(records))
        new = {
            d.record_index: d.source
            for d in drafts
            if d.worker_id is None and d.record_index is not None and d.record_index not in found
        }
        if new:
            await self._store.add_records(new, _earliest(drafts))
            found |= await self._store.workers_of(new)
        return found

    async def _by_id(self, drafts: Sequence[Draft]) -> Mapping[tuple[UUID, str], KnownWorker]:
        wanted = {
            (draft.worker_id, draft.source) for draft in drafts if draft.worker_id is not None
        }
        return await self._store.workers(wanted) if wanted else {}

    async def registered(self, worker_ids: Sequence[UUID], at: datetime) -> None:
        """Remember that these workers' registrations are on the log."""
        await self._store.registered(worker_ids, at)

    async def keep_contacts(self, drafts: Sequence[Draft]) -> None:
        """Index the addresses that events give, in one statement if there are any.

        Before they are on the log: to be asked in vain is better than never to be asked.
        """
        given = {
            (index_of(self._vault, email), draft.source, draft.worker_id): draft.recorded_at
            for draft in drafts
            if draft.worker_id is not None and (email := vars(draft.model).get("contact_email"))
        }
        if given:
            await self._store.add_contacts(given)

    def _name(self, draft: Draft, worker_id: UUID) -> None:
        draft.event_id = registration_id(worker_id)
        draft.content = content_of_registration(self._vault, worker_id)

    def _registration(self, draft: Draft, worker: KnownWorker) -> Draft:
        """The registration of somebody first seen in an event."""
        assert isinstance(draft.model, StoryEvent)
        model = WorkerRegistered(
            type="WorkerRegistered",
            worker_id=worker.worker_id,
            source_record_id=draft.model.source_record_id,
            occurred_at=worker.created_at,
        )
        made = Draft(
            event_types()[model.event_type],
            model,
            draft.actor,
            draft.recorded_at,
            None,
            b"",
            trace=draft.trace,
            worker_id=worker.worker_id,
        )
        self._name(made, worker.worker_id)
        return made


def _worker_of(
    draft: Draft,
    by_id: Mapping[tuple[UUID, str], KnownWorker],
    by_record: Mapping[bytes, KnownWorker],
) -> KnownWorker | None:
    """The draft's worker; None when it is refused.

    A number and an id go together only as this sender knows them: that another organisation's id
    is now the same person's must not show.
    """
    of_record = by_record.get(draft.record_index) if draft.record_index is not None else None
    if draft.worker_id is None:
        assert of_record is not None, "made where it was missing"
        return of_record
    worker = by_id.get((draft.worker_id, draft.source))
    if worker is None:
        draft.refuse(Status.INVALID, _UNKNOWN)
    elif of_record is not None and of_record.known_as != draft.worker_id:
        draft.refuse(Status.INVALID, _ANOTHER)
        return None
    return worker


def _earliest(drafts: Sequence[Draft]) -> datetime:
    return min(draft.recorded_at for draft in drafts)
