"""The committed catalogue as a registry has it: subjects, their versions, and ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from schemas.catalog import EventType, versions
from schemas.normal import NotASchema, normal_form
from services.registry.errors import (
    no_schema,
    no_subject,
    no_version,
    not_a_schema,
    not_a_version,
)

_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Registered:
    """One version of a subject."""

    subject: str
    version: int
    id: int
    schema: str  # compact JSON, docs and annotations included

    def as_dict(self) -> dict[str, object]:
        """As Confluent's API answers it; Avro is the type that goes without saying."""
        return {
            "subject": self.subject,
            "version": self.version,
            "id": self.id,
            "schema": self.schema,
        }


def text_of(event_type: EventType) -> str:
    """The schema as one line of JSON."""
    return json.dumps(event_type.schema, ensure_ascii=False, separators=(",", ":"))


@cache
def by_id() -> dict[int, Registered]:
    """Every version of every event type; the subject is its full name."""
    return {
        schema_id: Registered(made.full_name, made.version, schema_id, text_of(made))
        for schema_id, made in sorted(versions().items())
    }


@cache
def by_subject() -> dict[str, tuple[Registered, ...]]:
    """The versions of each subject, the oldest first."""
    found: dict[str, list[Registered]] = {}
    for one in sorted(by_id().values(), key=lambda one: (one.subject, one.version)):
        found.setdefault(one.subject, []).append(one)
    return {subject: tuple(listed) for subject, listed in found.items()}


@cache
def _by_normal_form() -> dict[tuple[str, str], Registered]:
    return {(one.subject, normal_form(one.schema)): one for one in by_id().values()}


class Subjects:
    """Looks things up, under the record's name or `<topic>-<record's name>`.

    These are Confluent's RecordNameStrategy and TopicRecordNameStrategy. TopicNameStrategy cannot
    be: many event types share a topic. `topic_prefix` is the hub's.
    """

    def __init__(self, topic_prefix: str) -> None:
        self._long = {
            f"{topic_prefix}{event_type.topic}-{event_type.full_name}": event_type.full_name
            for event_type in versions().values()
        }

    def names(self, prefix: str = "") -> list[str]:
        return [subject for subject in by_subject() if subject.startswith(prefix)]

    def versions(self, subject: str) -> Sequence[Registered]:
        """Every version, under the name that was asked for. Raises Refused 40401."""
        found = by_subject().get(self._long.get(subject, subject))
        if found is None:
            raise no_subject(subject)
        return [Registered(subject, one.version, one.id, one.schema) for one in found]

    def version(self, subject: str, version: str) -> Registered:
        """One version, by number, `latest` or -1. Raises Refused 40401, 40402, 42202."""
        found = self.versions(subject)
        if version in {"latest", "-1"}:
            return found[-1]
        if not (version.isascii() and version.isdigit() and 0 < int(version[:11]) <= _MOST):
            raise not_a_version(version[:100])
        if int(version) > len(found):
            raise no_version(int(version))
        return found[int(version) - 1]

    def schema(self, schema_id: int) -> Registered:
        """The version that an id names. Raises Refused 40403."""
        found = by_id().get(schema_id)
        if found is None:
            raise no_schema(f"Schema {schema_id}")
        return found

    def look_up(self, subject: str, schema: str) -> Registered:
        """The version that says the same as a schema. Raises Refused 40401, 40403, 42201."""
        self.versions(subject)
        try:
            said = normal_form(schema)
        except NotASchema as error:
            raise not_a_schema(str(error)[:500]) from error
        found = _by_normal_form().get((self._long.get(subject, subject), said))
        if found is None:
            raise no_schema()
        return Registered(subject, found.version, found.id, found.schema)
