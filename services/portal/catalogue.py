"""O3, the catalogue of events: every page is made from the committed Avro files.

What the files say is in English; everything around it is in the reader's language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from starlette.responses import Response

from schemas.catalog import EventType, FieldType, envelope_names, event_types, versions
from schemas.readers import readers
from services.common.access import Role
from services.common.authors import MATRIX
from services.common.consent import NEVER_SHARED
from services.common.errors import not_found
from services.portal import examples
from services.portal.i18n import Language
from services.portal.web import Visit


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field in words."""

    name: str
    type: str
    values: tuple[str, ...]  # of an enumeration
    pattern: str | None
    meaning: str
    category: str
    flags: Mapping[str, str]  # words by code: optional, sealed, personal
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
    topic, t = settings.topic(event_type.topic), visit.t
    envelope = [f for f in event_type.fields.values() if f.name in envelope_names(event_type.topic)]
    reads = readers()[event_type.name]
    hub = settings.public_url.rstrip("/")
    return visit.render(
        "catalogue_event.html",
        event=event_type,
        topic=topic,
        senders=senders(event_type, t),
        services=[service_words(t)[name] for name in reads.services],
        reads=reads,
        shared=shared(event_type, t),
        own=[field_row(field, t, reads.columns) for field in event_type.own_fields],
        envelope=[field_row(field, t, reads.columns) for field in envelope],
        versions=version_rows(event_type.name, t),
        example=examples.as_json(event_type),
        send=examples.python_to_send(event_type, hub),
        send_plainly=examples.python_to_post(event_type, hub),
        read=examples.python_to_read(event_type, topic, settings.kafka_bootstrap, hub),
        schema=json.dumps(event_type.schema, indent=1, ensure_ascii=False),
    )


def senders(event_type: EventType, t: Language) -> list[str]:
    """Whose keys may post it; empty when the hub alone writes it."""
    return [words for role, words in role_words(t).items() if role in MATRIX[event_type.name]]


def role_words(t: Language) -> Mapping[Role, str]:
    return {
        Role.WORKER: t.gettext("the worker"),
        Role.EMPLOYER: t.gettext("employers"),
        Role.PROVIDER: t.gettext("training providers"),
        Role.AGENCY: t.gettext("agencies"),
        Role.OPERATOR: t.gettext("operators"),
    }


def service_words(t: Language) -> Mapping[str, str]:
    """The hub's own readers, and what each does with it."""
    return {
        "delivery": t.gettext("delivery, which matches it with what people agreed to share"),
        "feeds": t.gettext("feeds, which counts it in tables that name nobody"),
        "projections": t.gettext("projections, which keeps it"),
        "promises": t.gettext("promises, which follows criteria and deadlines"),
    }


def shared(event_type: EventType, t: Language) -> str:
    """When an organisation outside may see it."""
    if event_type.topic == "directory":
        return t.gettext("It is about an organisation and names no worker.")
    if event_type.category in NEVER_SHARED:
        return t.gettext("It never leaves the hub for an organisation.")
    return t.gettext(
        'An organisation sees it only while the worker shares "%(part)s" with it.',
        part=event_type.category,
    )


def version_rows(name: str, t: Language) -> Sequence[VersionRow]:
    """Every version of a type, the newest first."""
    mine = sorted((v for v in versions().values() if v.name == name), key=lambda v: v.version)
    only = (t.gettext("First version."),)
    first = VersionRow(mine[0].version, mine[0].schema_id, only)
    later = [VersionRow(b.version, b.schema_id, changes(a, b, t)) for a, b in pairwise(mine)]
    return [first, *later][::-1]


def changes(old: EventType, new: EventType, t: Language) -> tuple[str, ...]:
    """What `new` changed, in words."""
    added = [
        t.gettext("Field %(name)s was added.", name=name)
        for name in new.fields
        if name not in old.fields
    ]
    gone = [
        t.gettext("Field %(name)s was removed.", name=name)
        for name in old.fields
        if name not in new.fields
    ]
    both = [name for name in new.fields if name in old.fields]
    differ = [
        t.gettext(
            "Field %(name)s changed: %(before)s became %(after)s.",
            name=name,
            before=before,
            after=after,
        )
        for name in both
        if (before := _signature(old.fields[name], t)) != (after := _signature(new.fields[name], t))
    ]
    return (*added, *gone, *differ) or (t.gettext("Words only."),)


def _signature(field: FieldType, t: Language) -> str:
    row = field_row(field, t)
    details = [row.type, *row.values, *([row.pattern] if row.pattern else []), *row.flags.values()]
    return " · ".join(details)


def field_row(
    field: FieldType, t: Language, feeds: Mapping[str, tuple[str, ...]] | None = None
) -> FieldRow:
    """One field in words; `feeds` are the columns that each field of the event goes to."""
    is_personal = field.sealed or field.category in ("identity", "demographic")
    holds = {"optional": field.nullable, "sealed": field.sealed, "personal": is_personal}
    symbols = field.avro_type["symbols"] if field.kind == "enum" else ()
    return FieldRow(
        name=field.name,
        type=_type_words(field, t),
        values=tuple(symbols),
        pattern=field.pattern,
        meaning=field.doc,
        category=field.category,
        flags={code: words for code, words in flag_words(t).items() if holds[code]},
        feeds=(feeds or {}).get(field.name, ()),
    )


def flag_words(t: Language) -> Mapping[str, str]:
    return {
        "optional": t.gettext("optional"),
        "sealed": t.gettext("sealed"),
        "personal": t.gettext("personal data"),
    }


def _type_words(field: FieldType, t: Language) -> str:
    match field.kind:
        case "enum":
            return t.gettext("one of")
        case "array":
            return t.gettext("list of texts")
        case "decimal":
            return t.gettext("decimal, %(scale)s places", scale=field.avro_type["scale"])
        case _:
            return kind_words(t)[field.plain or field.kind]


def kind_words(t: Language) -> Mapping[str, str]:
    return {
        "string": t.gettext("text"),
        "int": t.gettext("whole number"),
        "long": t.gettext("whole number"),
        "double": t.gettext("number"),
        "boolean": t.gettext("true or false"),
        "fixed": "UUID",
        "timestamp-micros": t.gettext("date and time"),
        "date": t.gettext("date"),
        "bytes": t.gettext("bytes"),
    }
