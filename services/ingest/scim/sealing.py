"""Users and their untold events, sealed with the worker's own key and opened again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson

from services.common.vault import DataKey, Keyring, Place, Redacted
from services.ingest.scim.handlers import Person
from services.ingest.scim.store import Row, Untold

_CATEGORY = "identity"


def _place(scim_id: UUID, worker_id: UUID, field: str) -> Place:
    return Place("scim", scim_id, worker_id, field)


class Sealing:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def key(self, worker_id: UUID) -> DataKey:
        pair = (worker_id, _CATEGORY)
        return (await self._keyring.for_sealing([pair]))[pair]

    async def opened(self, rows: Iterable[Row]) -> dict[UUID, Person]:
        """By SCIM id. Who was erased has no key any more, and is not there."""
        places = {_place(row.id, row.worker_id, "user"): row.sealed for row in rows}
        found = await self._keyring.open_all(places)
        return {
            place.event_id: Person(**orjson.loads(text))
            for place, text in found.items()
            if not isinstance(text, Redacted)
        }

    async def opened_event(self, scim_id: UUID, event: Untold) -> dict[str, Any] | None:
        place = _place(scim_id, event.worker_id, "event")
        text = (await self._keyring.open_all({place: event.sealed}))[place]
        if isinstance(text, Redacted):
            return None
        found: dict[str, Any] = orjson.loads(text)
        return found


def seal_person(key: DataKey, scim_id: UUID, worker_id: UUID, person: Person) -> bytes:
    plain = orjson.dumps(person.as_dict())
    return key.seal(_place(scim_id, worker_id, "user"), plain)


def seal_event(key: DataKey, scim_id: UUID, worker_id: UUID, event: dict[str, Any]) -> bytes:
    return key.seal(_place(scim_id, worker_id, "event"), orjson.dumps(event))
