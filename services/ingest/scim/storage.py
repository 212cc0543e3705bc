"""The storage behind scim2-server's core: one organisation's users, in PostgreSQL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from scim2_models import (
    InvalidValueException,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
    TooManyException,
    UniquenessException,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import AsyncScimStorage, SearchPage

from services.common.clock import Clock, utc_now
from services.common.postgres import Pool
from services.common.vault import Keyring, Vault
from services.ingest.scim.handlers import Moment, Person, changed, record_id_of, told
from services.ingest.scim.outbox import Outbox
from services.ingest.scim.provider import HrUser
from services.ingest.scim.sealing import Sealing, seal_event, seal_person
from services.ingest.scim.store import Names, Row, ScimStore, Taken
from services.ingest.worker_store import WorkerStore

# Sealed users are opened to be searched, other than by name. Above this, ask by name.
MOST_SEARCHED = 10_000
_LONGEST_NAME = 200  # of a userName or externalId
_LAST = 2**31 - 1  # user of one employer, and then some
# A worker's pseudonym: sent back to us by a system that we send to, it would be a second person.
_OURS = re.compile(r"w-[0-9a-f]{32}")
_INDEXED = {"userName": "user_name", "externalId": "external_id"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What storages share."""

    pool: Pool
    vault: Vault
    keyring: Keyring
    outbox: Outbox
    clock: Clock = utc_now


class OrganizationStorage(AsyncScimStorage):
    """The users of one organisation, for a request with one of its keys."""

    def __init__(self, parts: Parts, organization_id: str, key_id: str) -> None:
        self._parts = parts
        self._of = organization_id
        self._key_id = key_id
        self._store = ScimStore(parts.pool, organization_id)
        self._sealing = Sealing(parts.keyring)

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        row = await self._store.one(_uuid(resource_id))
        people = await self._sealing.opened([row]) if row is not None else {}
        if row is None or row.id not in people:
            raise _unknown(resource_id)
        return _resource(row, people[row.id])

    async def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,
    ) -> SearchPage:
        # Numbers of any length are good SCIM. PostgreSQL's are not, nor those of the answer.
        search_request.start_index = min(search_request.start_index or 1, _LAST)
        first, most = search_request.start_index - 1, search_request.count
        most = None if most is None else min(most, _LAST)
        if search_request.filter is None and search_request.sort_by is None:
            rows = await self._store.page(most, first)
            return SearchPage(await self._store.count(), await self._resources(rows))
        rows = await self._candidates(search_request)
        wanted = search_request.filter
        found = [u for u in await self._resources(rows) if wanted is None or wanted.match(u)]
        end = None if most is None else first + most
        return SearchPage(len(found), search_request.sort(found)[first:end])

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        user, scim_id, now = _kept(resource), uuid4(), self._parts.clock()
        names = self._names(user)
        if any(_OURS.fullmatch(str(user.get(name))) for name in ("userName", "externalId")):
            detail = "This user has the name that the hub gave it: it came from here."
            raise InvalidValueException(detail=detail)
        await self._must_be_covered({"WorkerRegistered"})
        worker_id = await self._worker(record_id_of(user, scim_id))
        moment = Moment(self._of, scim_id, worker_id, 1, now)
        person = changed(None, user, moment)
        row = Row(scim_id, worker_id, b"", 1, now, now)
        return await self._write(row, names, None, person, moment)

    async def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        user, scim_id, now = _kept(resource), _uuid(str(resource.id)), self._parts.clock()
        row, before = await self._current(scim_id, expected_version)
        moment = Moment(self._of, scim_id, row.worker_id, row.version + 1, now)
        after = changed(before, user, moment)
        row = replace(row, version=row.version + 1, modified=now)
        return await self._write(row, self._names(user), before, after, moment)

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        row, before = await self._current(_uuid(resource_id), expected_version)
        moment = Moment(self._of, row.id, row.worker_id, row.version + 1, self._parts.clock())
        items = told(before, None, moment)
        await self._must_be_covered({item["type"] for item in items})
        key = await self._sealing.key(row.worker_id)
        async with self._store.transaction() as tx:
            await self._unchanged(await tx.locked(row.id), row.version)
            await tx.remove(row.id)
            events = [self._event(item) for item in items]
            await tx.tell(row, [seal_event(key, row.id, row.worker_id, e) for e in events])
        await self._parts.outbox.soon(self._of, row.id)

    async def _current(self, scim_id: UUID, expected: str | None) -> tuple[Row, Person]:
        row = await self._store.one(scim_id)
        people = await self._sealing.opened([row]) if row is not None else {}
        if row is None or row.id not in people:
            raise _unknown(str(scim_id))
        if expected is not None and expected != _version(row):
            raise PreconditionFailedException
        return row, people[row.id]

    @staticmethod
    async def _unchanged(row: Row | None, version: int) -> None:
        if row is None or row.version != version:
            raise PreconditionFailedException

    async def _write(
        self, row: Row, names: Names, before: Person | None, after: Person, moment: Moment
    ) -> Resource[Any]:
        """The user and what the change means, in one transaction; then onto the log."""
        items = told(before, after, moment)
        await self._must_be_covered({item["type"] for item in items})
        key = await self._sealing.key(row.worker_id)
        row = replace(row, sealed=seal_person(key, row.id, row.worker_id, after))
        events = [self._event(item) for item in items]
        try:
            async with self._store.transaction() as tx:
                if before is None:
                    await tx.add(row, names)
                else:
                    await self._unchanged(await tx.locked(row.id), row.version - 1)
                    await tx.change(row, names)
                await tx.tell(row, [seal_event(key, row.id, row.worker_id, e) for e in events])
        except Taken:
            raise UniquenessException from None
        await self._parts.outbox.soon(self._of, row.id)
        return _resource(row, after)

    async def _must_be_covered(self, names: Collection[str]) -> None:
        """Raises ForbiddenException."""
        await self._parts.outbox.must_be_covered(self._of, self._key_id, names)

    def _event(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"key_id": self._key_id, "item": item}

    async def _worker(self, record_id: str) -> UUID:
        """Whose record it is; a person first met here gets an id, and is registered by events."""
        store, index = WorkerStore(self._parts.pool), self._parts.vault.blind_index
        record = {index(self._of, record_id): self._of}
        await store.add_records(record, self._parts.clock())
        [worker] = (await store.workers_of(record)).values()
        return worker.worker_id

    def _names(self, user: Mapping[str, Any]) -> Names:
        """Raises InvalidValueException."""
        name, external_id = str(user.get("userName") or ""), str(user.get("externalId") or "")
        if not name.strip() or any(not _is_name(text) for text in (name, external_id)):
            detail = f"userName is needed; it and externalId have up to {_LONGEST_NAME} letters"
            raise InvalidValueException(detail=detail)
        outer = self._index("external_id", external_id) if external_id else None
        return Names(self._index("user_name", name), outer)

    def _index(self, name: str, value: str) -> bytes:
        """RFC 7643, 4.1.1: the case of a userName does not matter; that of an externalId does."""
        text = unicodedata.normalize("NFC", value)
        if name == "user_name":
            text = unicodedata.normalize("NFC", text.lower())
        return self._parts.vault.blind_index("scim", name, self._of, text)

    async def _candidates(self, search_request: SearchRequest[Any]) -> list[Row]:
        """The users among which there may be what is looked for. Raises TooManyException."""
        node = search_request.filter.ast if search_request.filter is not None else None
        if isinstance(node, Comparison) and node.op == CompareOperator.eq:
            asked = str(node.attr_path).rpartition(":")[2].lower()
            name = next((c for n, c in _INDEXED.items() if n.lower() == asked), None)
            if name is not None and isinstance(node.value, str):
                return await self._store.named(name, self._index(name, node.value))
        rows = await self._store.page(MOST_SEARCHED + 1, 0)
        if len(rows) > MOST_SEARCHED:
            detail = f"Over {MOST_SEARCHED:,} users: filter by userName or externalId."
            raise TooManyException(detail=detail)
        return rows

    async def _resources(self, rows: list[Row]) -> list[Resource[Any]]:
        people = await self._sealing.opened(rows)
        return [_resource(row, people[row.id]) for row in rows if row.id in people]


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and all(ord(letter) >= 32 for letter in text)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _unknown(text) from None


def _unknown(text: str) -> NotFoundException:
    return NotFoundException(detail=f"User {text[:60]!r} not found")


def _version(row: Row) -> str:
    return f'W/"{row.version}"'


def _kept(resource: Resource[Any]) -> dict[str, Any]:
    """The resource as it is stored: without a password, and what the row has."""
    user: dict[str, Any] = resource.model_dump()
    for name in ("id", "meta", "password"):
        user.pop(name, None)
    return user


def _resource(row: Row, person: Person) -> Resource[Any]:
    user = HrUser.model_validate({**person.user, "id": str(row.id)})
    user.meta = Meta(
        resource_type="User",
        created=row.created,
        last_modified=row.modified,
        version=_version(row),
    )
    return user
