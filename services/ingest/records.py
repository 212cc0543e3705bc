"""From a draft to the record on the log: sealed where the schema says so, and encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from schemas.catalog import event_types
from services.common import codec
from services.common.vault import DataKey, Place
from services.ingest.drafts import Draft
from services.ingest.eventlog import Record

Keys = Mapping[tuple[UUID, str], DataKey]


@dataclass(frozen=True, slots=True)
class _Layout:
    """What to do with the fields of one event type, worked out once."""

    sealed: tuple[tuple[str, str], ...]  # name and category of each sealed field
    fixed: tuple[str, ...]  # own fields that are UUIDs


@cache
def _layouts() -> Mapping[str, _Layout]:
    return {
        name: _Layout(
            tuple((f.name, f.category) for f in event_type.sealed_fields),
            tuple(f.name for f in event_type.own_fields if f.kind == "fixed"),
        )
        for name, event_type in event_types().items()
    }


def keys_wanted(draft: Draft) -> Iterator[tuple[UUID, str]]:
    """The data keys that sealing the draft takes: none for most events."""
    if draft.worker_id is None:
        return
    values = vars(draft.model)
    for name, category in _layouts()[draft.event_type.name].sealed:
        if values[name] is not None:
            yield draft.worker_id, category


def record(draft: Draft, keys: Keys) -> Record:
    """Seal and encode. Raises ValueError or OverflowError for what Avro can't hold."""
    fields = _fields(draft)
    layout = _layouts()[draft.event_type.name]
    for name in layout.fixed:
        fields[name] = _bytes_of(fields[name])
    if draft.worker_id is not None:
        _seal(draft, layout, fields, keys)
    value = codec.encode(draft.event_type, fields)
    headers = [*codec.headers(draft.event_type, fields), *draft.trace]
    return Record(draft.event_type.topic, _key(draft), value, headers)


def _key(draft: Draft) -> bytes:
    if draft.event_type.topic == "directory":
        organization_id: str = vars(draft.model)["organization_id"]
        return organization_id.encode()
    assert draft.worker_id is not None, "resolved before it is encoded"
    return draft.worker_id.bytes


def _fields(draft: Draft) -> dict[str, Any]:
    """What the sender wrote (names that the schema lacks are passed over), and over it what the
    hub says itself.
    """
    assert draft.event_id is not None, "named before it is encoded"
    fields: dict[str, Any] = {
        **vars(draft.model),
        "event_id": draft.event_id.bytes,
        "recorded_at": draft.recorded_at,
        "source": draft.source,
        "actor_role": draft.actor.role,
        "actor_id": draft.actor.id,
    }
    if draft.event_type.topic != "directory":
        assert draft.worker_id is not None, "resolved before it is encoded"
        fields["worker_id"] = draft.worker_id.bytes
        fields["correlation_id"] = _bytes_of(fields["correlation_id"])
        fields["supersedes"] = _bytes_of(fields["supersedes"])
    return fields


def _bytes_of(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def _seal(draft: Draft, layout: _Layout, fields: dict[str, Any], keys: Keys) -> None:
    assert draft.worker_id is not None
    assert draft.event_id is not None
    for name, category in layout.sealed:
        plain = fields[name]
        if plain is not None:
            place = Place(draft.event_type.topic, draft.event_id, draft.worker_id, name)
            fields[name] = keys[draft.worker_id, category].seal(place, plain.encode())
