"""From a draft to the record on the log: sealed where the schema says so, and encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from schemas.catalog import event_types
from services.common import codec
from services.common.vault import DataKey, Place
from services.ingest.drafts import Draft, shared_micros
from services.ingest.eventlog import Record

Keys = Mapping[tuple[UUID, str], DataKey]


_IDS = ("event_id", "worker_id")


@dataclass(frozen=True, slots=True)
class _Layout:
    """What to do with the fields of one event type, worked out once."""

    full_name: str
    sealed: tuple[tuple[str, str], ...]  # name and category of each sealed field
    fixed: tuple[str, ...]  # fields that are UUIDs, but for the two that every event has


@cache
def _layouts() -> Mapping[str, _Layout]:
    return {
        name: _Layout(
            event_type.full_name,
            tuple((f.name, f.category) for f in event_type.sealed_fields),
            tuple(n for n, f in event_type.fields.items() if f.kind == "fixed" and n not in _IDS),
        )
        for name, event_type in event_types().items()
    }


def keys_wanted(drafts: Iterable[Draft]) -> Iterator[tuple[UUID, str]]:
    """The data keys that sealing the drafts takes: none for most events."""
    layouts = _layouts()
    for draft in drafts:
        if draft.worker_id is None:
            continue
        values = vars(draft.model)
        for name, category in layouts[draft.event_type.name].sealed:
            if values[name] is not None:
                yield draft.worker_id, category


def record(draft: Draft, keys: Keys) -> Record:
    """Seal and encode. Raises ValueError or OverflowError for what Avro can't hold."""
    assert draft.event_id is not None, "named before it is encoded"
    event_type, layout = draft.event_type, _layouts()[draft.event_type.name]
    fields = _fields(draft, draft.event_id)
    for name in layout.fixed:
        if (value := fields[name]) is not None:
            fields[name] = value.bytes
    if event_type.topic == "directory":
        key = fields["organization_id"].encode()
    else:
        assert draft.worker_id is not None, "resolved before it is encoded"
        key = fields["worker_id"] = draft.worker_id.bytes
        _seal(draft, layout, fields, keys)
    source, occurred_at = fields["source"], draft.model.occurred_at
    headers = codec.headers_of(layout.full_name, draft.event_id, source, occurred_at)
    headers += draft.trace
    return Record(event_type.topic, key, codec.encode(event_type, fields), headers)


def _fields(draft: Draft, event_id: UUID) -> dict[str, Any]:
    """What the sender wrote (names that the schema lacks are passed over), and over it what the
    hub says itself.
    """
    actor = draft.actor
    fields: dict[str, Any] = {
        **vars(draft.model),
        "event_id": event_id.bytes,
        "recorded_at": shared_micros(draft.recorded_at),
        "source": actor.source,
        "actor_role": actor.role,
        "actor_id": actor.id,
    }
    if draft.occurred_us is not None:
        fields["occurred_at"] = draft.occurred_us
    return fields


def _seal(draft: Draft, layout: _Layout, fields: dict[str, Any], keys: Keys) -> None:
    assert draft.worker_id is not None
    assert draft.event_id is not None
    for name, category in layout.sealed:
        plain = fields[name]
        if plain is not None:
            place = Place(draft.event_type.topic, draft.event_id, draft.worker_id, name)
            fields[name] = keys[draft.worker_id, category].seal(place, plain.encode())
