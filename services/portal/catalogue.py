"""O3, the catalogue of events: every page is made from the committed Avro files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from typing import Final

from starlette.responses import Response

from schemas.catalog import EventType, FieldType, envelope_names, event_types, versions
from schemas.readers import readers
from services.common.access import Role
from services.common.authors import MATRIX
from services.common.consent import NEVER_SHARED
from services.common.errors import not_found
from services.portal import examples
from services.portal.web import Visit

_KINDS: Final = {
    "string": "text",
    "int": "whole number",
    "long": "whole number",
    "double": "number",
    "boolean": "true or false",
    "fixed": "UUID",
    "timestamp-micros": "date and time",
    "date": "date",
    "bytes": "bytes",
}
_ROLES: Final = {
    Role.WORKER: "the worker",
    Role.EMPLOYER: "employers",
    Role.PROVIDER: "training providers",
    Role.AGENCY: "agencies",
    Role.OPERATOR: "operators",
}
_SERVICES: Final = {
    "delivery": "delivery, which matches it with what people agreed to share",
    "projections": "projections, which keeps it",
    "promises": "promises, which follows criteria and deadlines",
}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field in words."""

    name: str
    type: str
    values: tuple[str, ...]  # of an enumeration
    pattern: str | None
    meaning: str
    category: str
    flags: tuple[str, ...]
    feeds: tuple[str, ...] = ()  # columns of the read model, as table.column


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version, and what it changed."""

    number: int
    schema_id: int
    changes: tuple[str, ...]


async def catalogue_page(visit: Visit) -> Response:
    """Every event type, by family."""
    by_family = sorted(event_types().values(), key=lambda one: (one.family, one.name))
    families = [(name, list(group)) for name, group in groupby(by_family, lambda one: one.family)]
    return visit.render("catalogue.html", families=families, count=len(by_family))


async def event_page(visit: Visit) -> Response:
    """One event type. Raises Problem 404 for an unknown name."""
    event_type = event_types().get(visit.request.path_params["name"])
    if event_type is None:
        raise not_found("event type")
    settings = visit.state.settings
    topic = settings.topic(event_type.topic)
    envelope = [f for f in event_type.fields.values() if f.name in envelope_names(event_type.topic)]
    feeds = readers()[event_type.name].columns
    hub = settings.public_url.rstrip("/")
    return visit.render(
        "catalogue_event.html",
        event=event_type,
        topic=topic,
        senders=senders(event_type),
        services=[_SERVICES[name] for name in readers()[event_type.name].services],
        reads=readers()[event_type.name],
        shared=shared(event_type),
        own=[field_row(field, feeds) for field in event_type.own_fields],
        envelope=[field_row(field, feeds) for field in envelope],
        versions=version_rows(event_type.name),
        example=examples.as_json(event_type),
        send=examples.python_to_send(event_type, hub),
        send_plainly=examples.python_to_post(event_type, hub),
        read=examples.python_to_read(event_type, topic, settings.kafka_bootstrap, hub),
        schema=json.dumps(event_type.schema, indent=1, ensure_ascii=False),
    )


def senders(event_type: EventType) -> list[str]:
    """Whose keys may post it; empty when the hub alone writes it."""
    return [words for role, words in _ROLES.items() if role in MATRIX[event_type.name]]


def shared(event_type: EventType) -> str:
    """When an organisation outside may see it."""
    if event_type.topic == "directory":
        return "It is about an organisation and names no worker."
    if event_type.category in NEVER_SHARED:
        return "It never leaves the hub for an organisation."
    return f'An organisation sees it only while the worker shares "{event_type.category}" with it.'


@cache
def version_rows(name: str) -> Sequence[VersionRow]:
    """Every version of a type, the newest first."""
    mine = sorted((v for v in versions().values() if v.name == name), key=lambda v: v.version)
    first = VersionRow(mine[0].version, mine[0].schema_id, ("First version.",))
    later = [VersionRow(b.version, b.schema_id, changes(a, b)) for a, b in pairwise(mine)]
    return [first, *later][::-1]


def changes(old: EventType, new: EventType) -> tuple[str, ...]:
    """What `new` changed, in words."""
    added = [f"Field {name} was added." for name in new.fields if name not in old.fields]
    gone = [f"Field {name} was removed." for name in old.fields if name not in new.fields]
    both = [name for name in new.fields if name in old.fields]
    differ = [
        f"Field {name} changed: {before} became {after}."
        for name in both
        if (before := _signature(old.fields[name])) != (after := _signature(new.fields[name]))
    ]
    return (*added, *gone, *differ) or ("Words only.",)


def _signature(field: FieldType) -> str:
    row = field_row(field)
    details = [row.type, *row.values, *([row.pattern] if row.pattern else []), *row.flags]
    return " · ".join(details)


def field_row(field: FieldType, feeds: Mapping[str, tuple[str, ...]] | None = None) -> FieldRow:
    """One field in words; `feeds` are the columns that each field of the event goes to."""
    is_personal = field.sealed or field.category in ("identity", "demographic")
    flags = {
        "optional": field.nullable,
        "sealed": field.sealed,
        "personal data": is_personal,
    }
    symbols = field.avro_type["symbols"] if field.kind == "enum" else ()
    return FieldRow(
        name=field.name,
        type=_type_words(field),
        values=tuple(symbols),
        pattern=field.pattern,
        meaning=field.doc,
        category=field.category,
        flags=tuple(words for words, holds in flags.items() if holds),
        feeds=(feeds or {}).get(field.name, ()),
    )


def _type_words(field: FieldType) -> str:
    match field.kind:
        case "enum":
            return "one of"
        case "array":
            return "list of text"
        case "decimal":
            return f"decimal, {field.avro_type['scale']} places"
        case _:
            return _KINDS[field.plain or field.kind]
