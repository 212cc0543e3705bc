"""The two forms an event travels in: flat JSON over HTTP, and the Avro record on Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.catalog import EventType, event_types
from services.common.access import Role
from services.common.emit import HUB
from services.common.ids import event_id_of
from services.demo.model import instant
from services.demo.places import OPERATOR, Course, Organization, Pathway
from services.demo.tell import Happening

_RECORDED_AFTER: Final = timedelta(minutes=1)


class Record(NamedTuple):
    """One event ready to be encoded: the topic's short name, its key, and Avro's fields."""

    topic: str
    key: bytes
    event_type: EventType
    fields: dict[str, Any]


def source_event_id(code: str, number: int) -> str:
    """The sender's own number of a life's event: the same in every run of the same region."""
    return f"{code}.{number}"


def flat(happening: Happening, worker_id: UUID, sent_id: str) -> dict[str, Any]:
    """The JSON that `POST /v1/events` takes."""
    own = plain(happening.own)
    if happening.author.role is not Role.WORKER:
        own["actor_id"] = happening.actor
    return {
        "type": happening.event_type,
        "worker_id": str(worker_id),
        "source_event_id": sent_id,
        "occurred_at": instant(happening.at).isoformat(),
        **own,
    }


def plain(own: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as JSON has them; what is empty is left out."""
    return {name: _plain(value) for name, value in own.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def record(happening: Happening, worker_id: bytes, sent_id: str) -> Record:
    """The Avro record, sealed fields left empty: only the hub has the keys to seal."""
    event_type, empty, sealed = _shape(happening.event_type)
    at = instant(happening.at)
    author = happening.author
    fields = {
        "event_id": event_id_of(author.id, sent_id).bytes,
        "worker_id": worker_id,
        "occurred_at": at,
        "recorded_at": at + _RECORDED_AFTER,
        "source": author.id,
        "source_record_id": None,
        "actor_role": author.actor_role,
        "actor_id": happening.actor,
        "correlation_id": None,
        "supersedes": None,
        **empty,
        **happening.own,
        **sealed,
    }
    return Record("stories", worker_id, event_type, fields)


@cache
def _shape(name: str) -> tuple[EventType, dict[str, Any], dict[str, None]]:
    """The type, its own fields that have a default, and its own sealed ones, empty."""
    event_type = event_types()[name]
    own = {f.name for f in event_type.own_fields}
    raw = [field for field in event_type.schema["fields"] if field["name"] in own]
    optional = {field["name"]: field["default"] for field in raw if "default" in field}
    sealed = {f.name: None for f in event_type.own_fields if f.sealed}
    return event_type, optional, sealed


def directory(
    name: str, organization_id: str, entity_id: str, at: datetime, /, **own: Any
) -> Record:
    """The Avro record of an event about an organisation, in its first version."""
    fields = {
        "event_id": event_id_of(OPERATOR.id, f"{name}.{organization_id}.{entity_id}.1").bytes,
        "organization_id": organization_id,
        "entity_id": entity_id,
        "version": 1,
        "occurred_at": at,
        "recorded_at": at + _RECORDED_AFTER,
        "source": OPERATOR.id,
        "actor_role": OPERATOR.actor_role,
        "actor_id": "directory",
        **own,
    }
    return Record("directory", organization_id.encode(), event_types()[name], fields)


def programme_fields(course: Course) -> dict[str, Any]:
    """The own fields of ProgrammePublished for a course."""
    return {
        "title": course.title,
        "cip": course.cip,
        "occupations": list(course.occupations),
        "weeks": course.weeks,
        "contact_hours": course.hours,
        "delivery_method": course.method,
        "tuition": Decimal(course.tuition).quantize(Decimal("0.01")),
        "currency": "USD",
        "credential_name": course.credential,
        "website": None,
    }


def organization_fields(place: Organization) -> dict[str, Any]:
    """The own fields of OrganizationRegistered."""
    return {
        "name": place.name,
        "kind": place.actor_role,
        "city": place.city,
        "region": "OH",
        "postal_code": place.postal_code,
        "website": None,
    }


def agreement_fields(role: Role) -> dict[str, Any]:
    """The terms of SharingAgreementSigned that organisations of a role have."""
    sends, receives, purposes = _TERMS[role]
    return {
        "other_party": HUB,
        "sends": list(sends),
        "receives": list(receives),
        "purposes": list(purposes),
    }


_LEARNING: Final = ("credential", "directory", "identity", "skill", "support", "training")
_WORK: Final = ("employment", "opportunity", "promise")
_OUTCOMES: Final = ("credential", "employment", "training")
_SHOWN: Final = (
    *("credential", "experience", "identity", "opportunity", "promise", "skill", "training"),
)
# What each kind of organisation sends; which parts of a record it may ask for, and what for.
_TERMS: Final[Mapping[Role, tuple[tuple[str, ...], ...]]] = {
    Role.EMPLOYER: (
        (*_WORK, "directory", "identity", "skill", "support", "training"),
        _SHOWN,
        ("advancement", "hiring", "training_support"),
    ),
    Role.PROVIDER: (_LEARNING, _OUTCOMES, ("programme_outcomes", "training_support")),
    Role.AGENCY: (_LEARNING, _OUTCOMES, ("programme_outcomes",)),
}


def pathway_fields(pathway: Pathway) -> dict[str, Any]:
    """The own fields of PathwayPublished."""
    return {
        "title": pathway.title,
        "criteria": pathway.criteria,
        "outcome": pathway.outcome,
        "due_in_days": pathway.days,
    }
