"""Events as they stand under another worker's id: sealed again, otherwise as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.common import codec
from services.common.codec import Decoded
from services.common.emit import Event
from services.common.vault import Keyring, Place, Redacted
from services.consent.identity.handlers import Told


def _place(event: Decoded, worker_id: UUID, field: str) -> Place:
    return Place(event.event_type.topic, event.event_id, worker_id, field)


async def told(keyring: Keyring, events: Sequence[Decoded]) -> list[Told]:
    """The events with the number of the person that each names; plaintext in memory alone."""
    places = {
        _place(event, event.worker_id, "source_record_id"): value
        for event in events
        if (value := event.fields["source_record_id"]) is not None
    }
    opened = await keyring.open_all(places) if places else {}
    found = []
    for event in events:
        number = opened.get(_place(event, event.worker_id, "source_record_id"))
        found.append(Told(event, number if isinstance(number, str) else None))
    return found


async def resealed(keyring: Keyring, events: Iterable[Decoded], worker_id: UUID) -> list[Event]:
    """The same events, ids and instants kept, under `worker_id` and its keys.

    What does not open any more stays as it is, and does not open there either.
    """
    given = list(events)
    sealed = {
        _place(event, event.worker_id, field.name): (event, field.name, field.category, value)
        for event in given
        for field in event.event_type.sealed_fields
        if (value := event.fields[field.name]) is not None
    }
    opened = await keyring.open_all({place: v[3] for place, v in sealed.items()}) if sealed else {}
    keys = await keyring.for_sealing((worker_id, category) for _, _, category, _ in sealed.values())
    again: dict[UUID, dict[str, bytes]] = {}
    for place, (event, name, category, _) in sealed.items():
        if not isinstance(plain := opened[place], Redacted):
            value = keys[worker_id, category].seal(_place(event, worker_id, name), plain.encode())
            again.setdefault(event.event_id, {})[name] = value
    return [_under(event, worker_id, again.get(event.event_id, {})) for event in given]


def _under(event: Decoded, worker_id: UUID, sealed: Mapping[str, bytes]) -> Event:
    fields = {**event.fields, **sealed, "worker_id": worker_id.bytes}
    value = codec.encode(event.event_type, fields)
    return Event(event.event_type, worker_id.bytes, value, codec.headers(event.event_type, fields))


async def sealed_number(keyring: Keyring, worker_id: UUID, event_id: UUID, number: str) -> bytes:
    """The number that an organisation gave somebody, as the field `record_id` of an event."""
    place = Place("stories", event_id, worker_id, "record_id")
    keys = await keyring.for_sealing([(worker_id, "identity")])
    return keys[worker_id, "identity"].seal(place, number.encode())
