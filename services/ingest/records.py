"""From a draft to the record on the log: sealed where the schema says so, and encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from schemas.catalog import event_types
from schemas.edge import DirectoryEvent, StoryEvent
from services.common import codec
from services.common.vault import DataKey, Place
from services.ingest.drafts import Draft
from services.ingest.eventlog import Record

Keys = Mapping[tuple[UUID, str], DataKey]


@dataclass(frozen=True, slots=True)
class _Layout:
    """What to do with the fields of one event type, worked out once."""

    sealed: tuple[tuple[str, str], ...]  # name and category of each sealed field
    fixed: frozenset[str]


@cache
def _layouts() -> Mapping[str, _Layout]:
    return {
        name: _Layout(
            tuple((f.name, f.category) for f in event_type.sealed_fields),
            frozenset(f.name for f in event_type.own_fields if f.kind == "fixed"),
        )
        for name, event_type in event_types().items()
    }


def keys_wanted(draft: Draft) -> Iterator[tuple[UUID, str]]:
    """The data keys that sealing the draft takes: none for most events."""
    if draft.worker_id is None:
        return
    for name, category in _layouts()[draft.event_type.name].sealed:
        if getattr(draft.model, name) is not None:
            yield draft.worker_id, category


def record(draft: Draft, keys: Keys) -> Record:
    """Seal and encode. Raises ValueError or OverflowError for what Avro can't hold."""
    fields = _envelope(draft)
    layout, model = _layouts()[draft.event_type.name], draft.model
    for name in model.own_names:
        value = getattr(model, name)
        if value is not None and name in layout.fixed:
            value = value.bytes
        fields[name] = value
    if draft.worker_id is not None:
        _seal(draft, layout, fields, keys)
    value = codec.encode(draft.event_type, fields)
    headers = [*codec.headers(draft.event_type, fields), *draft.trace]
    return Record(draft.event_type.topic, _key(draft), value, headers)


def _key(draft: Draft) -> bytes:
    if isinstance(draft.model, DirectoryEvent):
        return draft.model.organization_id.encode()
    assert draft.worker_id is not None, "resolved before it is encoded"
    return draft.worker_id.bytes


def _envelope(draft: Draft) -> dict[str, Any]:
    assert draft.event_id is not None, "named before it is encoded"
    model = draft.model
    fields: dict[str, Any] = {
        "event_id": draft.event_id.bytes,
        "occurred_at": model.occurred_at,
        "recorded_at": draft.recorded_at,
        "source": draft.source,
        "actor_role": draft.actor.role,
        "actor_id": draft.actor.id,
    }
    if isinstance(model, DirectoryEvent):
        fields["organization_id"] = model.organization_id
        fields["entity_id"] = model.entity_id
        fields["version"] = model.version
    elif isinstance(model, StoryEvent):
        assert draft.worker_id is not None, "resolved before it is encoded"
        fields["worker_id"] = draft.worker_id.bytes
        fields["source_record_id"] = model.source_record_id
        fields["correlation_id"] = _bytes_of(model.correlation_id)
        fields["supersedes"] = _bytes_of(model.supersedes)
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
