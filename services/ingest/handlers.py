"""Decisions of the write edge, without I/O: is it an event, may this caller say so, what is it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from schemas.catalog import event_types
from schemas.edge import DirectoryEvent, EdgeEvent, StoryEvent
from schemas.models import MODELS, SkillAttested, WorkerRegistered
from services.common.access import Principal, Role
from services.common.authors import ATTESTS, MATRIX, SPEAKS_FOR, may_author
from services.common.emit import Actor
from services.common.errors import FieldError
from services.common.ids import derived_id, event_id_of, new_id
from services.common.vault import Vault
from services.ingest.drafts import (
    Draft,
    ItemResult,
    Status,
    content_of,
    micros,
    shared_micros,
)
from services.ingest.explain import echo, field_errors, named, unknown_type

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
_EARLIEST_US, _LATEST_US = micros(_EARLIEST), micros(_LATEST)
# Ids of this kind follow from a source and its own number, so nobody may choose them.
_DERIVED_VERSION = 5
# These publish what others offer: an agency its list of providers.
_FOR_OTHERS = frozenset({Role.OPERATOR, Role.AGENCY})
_NIL = UUID(int=0)

Item = Mapping[str, Any] | EdgeEvent


@dataclass(frozen=True, slots=True)
class Author:
    """Who sends, worked out once per request."""

    principal: Principal
    actor: Actor
    # What makes the sender's own event numbers its own: workers share one source.
    namespace: str

    @classmethod
    def of(cls, principal: Principal) -> Author:
        actor = Actor.of(principal)
        is_worker = principal.role is Role.WORKER
        own = f"{actor.source}/{principal.subject}" if is_worker else actor.source
        return cls(principal, actor, own)


def draft(
    item: Item,
    author: Author,
    vault: Vault,
    at: datetime,
    ahead: timedelta,
    *,
    unnamed: UUID | None = None,
) -> Draft | ItemResult:
    """The event ready for the pipeline, or why it is refused. `at` is when it came in, `unnamed`
    its id should its sender give none; else it gets a random one.
    """
    principal = author.principal
    if refusal := _not_for(_type_of(item), principal.role):
        return ItemResult(Status.FORBIDDEN, errors=(refusal,))
    if principal.role is Role.WORKER and isinstance(item, Mapping):
        item = {"worker_id": principal.subject, **item}
    model = item if isinstance(item, EdgeEvent) else validated(item)
    if isinstance(model, ItemResult):
        return model
    if refusal := _for_another(model, principal) or _as_another(model, principal.role):
        return ItemResult(Status.FORBIDDEN, errors=(refusal,))
    occurred_us = micros(model.occurred_at)
    if errors := tuple(_impossible(model, principal, at, ahead, occurred_us)):
        return ItemResult(Status.INVALID, errors=errors)
    source = author.actor.source
    made = Draft(
        event_type=event_types()[model.event_type],
        model=model,
        actor=_actor(model, author.actor),
        recorded_at=at,
        event_id=_event_id(model, author.namespace) or unnamed or new_id(),
        content=content_of(vault, model, author.namespace, occurred_us),
        occurred_us=occurred_us,
    )
    if isinstance(model, StoryEvent):
        made.worker_id = model.worker_id
        if model.source_record_id is not None:
            made.record_index = vault.blind_index(source, model.source_record_id)
    return made


def registration(model: WorkerRegistered, author: Author, vault: Vault, at: datetime) -> Draft:
    """A worker to be registered, by source record or under the new id that the model has. The
    event's id and content follow from the worker, once the record is resolved.
    """
    made = Draft(event_types()[model.event_type], model, author.actor, at, None, b"")
    made.worker_id = model.worker_id
    if model.source_record_id is not None:
        made.record_index = vault.blind_index(author.actor.source, model.source_record_id)
    return made


def registration_id(worker_id: UUID) -> UUID:
    return derived_id("WorkerRegistered", worker_id)


def validated(item: object) -> EdgeEvent | ItemResult:
    """The edge model of a JSON object, or what is wrong with it, field by field."""
    if not isinstance(item, Mapping):
        return _invalid(FieldError("", "is not an object", "Send one JSON object per event."))
    name = item.get("type")
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        return _invalid(unknown_type(name))
    try:
        text = orjson.dumps(item)
    except TypeError as error:
        return _invalid(FieldError("", f"is not JSON: {error}", "Send plain JSON values."))
    if b"\\u00" in text and (unprintable := _control_characters(item)):
        return _invalid(*unprintable)
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        return _invalid(*field_errors(error, model.event_type))


def _control_characters(item: Mapping[str, Any]) -> list[FieldError]:
    """Texts with control characters, which logs, pages and databases trip over."""
    return [
        FieldError(named(name), "has control characters", "Remove them.")
        for name, value in item.items()
        if any(
            isinstance(text, str) and any(ord(c) < 32 and c not in "\t\n\r" for c in text)
            for text in (name, *(value if isinstance(value, list) else (value,)))
        )
    ]


def _invalid(*errors: FieldError) -> ItemResult:
    return ItemResult(Status.INVALID, errors=errors)


def _type_of(item: object) -> str | None:
    """The event type, when the item names one that there is."""
    if isinstance(item, EdgeEvent):
        return item.event_type
    name = item.get("type") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) and name in MODELS else None


@cache
def _not_for(name: str | None, role: Role) -> FieldError | None:
    """Why this role may not author this type, or None."""
    if name is None or may_author(role, name):
        return None
    allowed = ", ".join(sorted(MATRIX[name])) or "the hub itself, through its own calls"
    return FieldError("type", f"{role.value} may not author {name}", f"Reserved for {allowed}.")


def _for_another(model: EdgeEvent, principal: Principal) -> FieldError | None:
    """Why this caller may not say this of that organisation or person, or None."""
    name, role = model.event_type, principal.role
    if role is Role.WORKER:
        return _about_somebody_else(model, principal)
    field = SPEAKS_FOR.get(name)
    if isinstance(model, DirectoryEvent):
        field = None if role in _FOR_OTHERS else "organization_id"
    if field is None or role is Role.OPERATOR or getattr(model, field) == principal.subject:
        return None
    return FieldError(
        field,
        f"{role.value} {principal.subject} may not author {name} for another organisation",
        f"Write your own id: {principal.subject}.",
    )


def _as_another(model: EdgeEvent, role: Role) -> FieldError | None:
    """Why this role's people do not see a skill in the role that the event says, or None."""
    if not isinstance(model, SkillAttested) or model.attested_by in ATTESTS[role]:
        return None
    allowed = ", ".join(sorted(ATTESTS[role] - {"UNKNOWN"}))
    return FieldError(
        "attested_by",
        f"{role.value} may not attest as {model.attested_by}",
        f"Write one of {allowed}; what others saw, their own organisation posts.",
    )


def _about_somebody_else(model: EdgeEvent, principal: Principal) -> FieldError | None:
    assert isinstance(model, StoryEvent), "the matrix gives workers no directory types"
    if model.source_record_id is not None:
        return FieldError("source_record_id", "is an organisation's number", "Leave it out.")
    if str(model.worker_id) != principal.subject:
        return FieldError(
            "worker_id", f"worker may not author {model.event_type} about another", "Leave it out."
        )
    return None


def _impossible(
    model: EdgeEvent, principal: Principal, at: datetime, ahead: timedelta, occurred_us: int
) -> list[FieldError]:
    """What types can't say: instants that can't be, ids and names that are not the sender's."""
    errors = []
    # Numbers compare several times as fast as instants.
    if occurred_us > shared_micros(at) and model.occurred_at > at + ahead:
        hours = int(ahead.total_seconds() // 3600)
        problem = f"lies more than {hours} h ahead of the hub's clock"
        fix = f"Send it once it has happened; here it is {at:%Y-%m-%dT%H:%M:%SZ}."
        errors.append(FieldError("occurred_at", problem, fix))
    instants = _INSTANTS[model.event_type]
    if not _EARLIEST_US <= occurred_us < _LATEST_US:
        instants = ("occurred_at", *instants)
    for name in instants:
        value = getattr(model, name)
        if value is not None and not _EARLIEST <= value < _LATEST:
            fix = "Write a year from 1900 to 9999, or leave it out where it is optional."
            errors.append(FieldError(name, f"{echo(value.isoformat())} can't be kept", fix))
    given = model.event_id
    if given is not None and (given.version == _DERIVED_VERSION or given == _NIL):
        fix = "Write a random UUID (version 4 or 7), or send your number as source_event_id."
        errors.append(FieldError("event_id", "is not a random UUID", fix))
    if principal.role is Role.WORKER:
        errors += _for_organizations(model)
    return errors


def _for_organizations(model: EdgeEvent) -> Iterator[FieldError]:
    """What a worker may not write."""
    if model.actor_id is not None:
        yield FieldError("actor_id", "is for organisations", "Leave it out.")
    if isinstance(model, StoryEvent) and model.supersedes is not None:
        # The hub speaks for a person, and what the hub replaces may be anybody's.
        fix = "Leave it out. If something in your record is wrong, ask who wrote it to correct it."
        yield FieldError("supersedes", "is for organisations", fix)


_INSTANTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(f.name for f in event_type.own_fields if f.kind == "timestamp-micros")
    for name, event_type in event_types().items()
}


def _event_id(model: EdgeEvent, namespace: str) -> UUID | None:
    if model.event_id is not None:
        return model.event_id
    if model.source_event_id is not None:
        return event_id_of(namespace, model.source_event_id)
    return None


def _actor(model: EdgeEvent, actor: Actor) -> Actor:
    return actor if model.actor_id is None else Actor(actor.role, model.actor_id, actor.source)
