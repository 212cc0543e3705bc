"""What a story read answers: a worker's own in full, an organisation's as consent decides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.common.codec import Decoded
from services.common.consent import (
    Denied,
    Disclosure,
    Names,
    Recipient,
    disclose,
    plain_value,
    shareable_fields,
)
from services.common.errors import FieldError, Problem
from services.common.reads import READ
from services.common.vault import Keyring, Place, Redacted, Vault
from services.portal.store import AgreedGrant, ReadStore


@dataclass(frozen=True, slots=True)
class Told:
    """One disclosed event, with what the log of disclosures says about it."""

    event: Decoded
    disclosure: Disclosure


class Cursors:
    """Where the next page begins, sealed: an event's own id must not reach an organisation."""

    def __init__(self, vault: Vault, reader: str, worker_id: UUID) -> None:
        self._vault = vault
        self._name = f"cursor\x1f{reader}\x1f{worker_id}"

    def write(self, event: Decoded) -> str:
        return self.write_key(event.fields["occurred_at"].isoformat(), str(event.event_id))

    def read(self, text: str | None) -> tuple[datetime, UUID] | None:
        """Raises Problem 422 when it is not one of ours for this reader."""
        key = self.read_key(text, 2)
        return (datetime.fromisoformat(key[0]), UUID(key[1])) if key else None

    def write_key(self, *key: str) -> str:
        """The place behind what is sorted by this key."""
        return self._vault.seal_secret(self._name, json.dumps(key).encode()).hex()

    def read_key(self, text: str | None, parts: int) -> list[str] | None:
        """Raises Problem 422 when it is not a key of ours, of so many parts, for this reader."""
        if text is None:
            return None
        try:
            key = json.loads(self._vault.open_secret(self._name, bytes.fromhex(text)))
            if len(key) != parts:
                raise ValueError("a place in another list")
        except (ValueError, InvalidTag):
            wrong = FieldError("before", "is not a place in this list", "send `next` as it came")
            raise Problem(422, "invalid", "`before` is not good here.", errors=[wrong]) from None
        return [str(part) for part in key]


async def opened_fields(
    keyring: Keyring, events: Iterable[Decoded]
) -> Mapping[UUID, dict[str, object]]:
    """Plaintext of the events' sealed fields; what has no key any more is missing."""
    places = {
        Place(event.event_type.topic, event.event_id, event.worker_id, kind.name): value
        for event in events
        for kind in event.event_type.sealed_fields
        if (value := event.fields[kind.name]) is not None
    }
    found: dict[UUID, dict[str, object]] = {}
    if places:
        for place, text in (await keyring.open_all(places)).items():
            if not isinstance(text, Redacted):
                found.setdefault(place.event_id, {})[place.field] = text
    return found


async def name_of(keyring: Keyring, store: ReadStore, worker_id: UUID) -> str | None:
    """What a person is called; None when nobody has said so, or the key is gone."""
    row = await store.worker(worker_id) or {}
    sealed: bytes | None = row.get("display_name")
    if sealed is None:
        return None
    said_in = row["registrations"] or ()
    places = [Place("stories", event_id, worker_id, "display_name") for event_id in said_in]
    opened = await keyring.open_all(dict.fromkeys(places, sealed))
    return next((name for name in opened.values() if not isinstance(name, Redacted)), None)


def disclosed(
    events: Sequence[Decoded],
    recipient_id: str,
    agreed: Sequence[AgreedGrant],
    opened: Mapping[UUID, Mapping[str, object]],
    *,
    vault: Vault,
    purposes: Sequence[str] = (),
    at: datetime,
) -> list[Told]:
    """The events that may be seen, each decided for itself under one of the purposes.

    Without purposes, under any that a worker agreed to.
    """
    grants = [one.grant for one in agreed]
    purposes = purposes or sorted({p for grant in grants for p in grant.purposes})
    categories = frozenset(c for grant in grants for c in grant.categories)
    told = []
    for event in events:
        names = Names(
            subject=vault.pseudonym(event.worker_id, recipient_id),
            message_id=vault.message_id(f"{READ}:{recipient_id}", event.event_id),
        )
        for wanted in purposes:
            recipient = Recipient(recipient_id, READ, categories, wanted)
            plain = opened.get(event.event_id)
            answer = disclose(event, recipient, grants, names=names, at=at, opened=plain)
            if not isinstance(answer, Denied):
                told.append(Told(event, answer))
                break
    return told


def own_item(event: Decoded, opened: Mapping[str, object]) -> dict[str, Any]:
    """An event as its own person sees it: every field, opened."""
    fields = {
        name: opened.get(name) if event.event_type.fields[name].sealed else plain_value(value)
        for name, value in shareable_fields(event.event_type, event.fields).items()
    }
    return {
        "id": str(event.event_id),
        "type": event.name,
        "category": event.event_type.category,
        "occurred_at": plain_value(event.fields["occurred_at"]),
        "recorded_at": plain_value(event.fields["recorded_at"]),
        "source": event.fields["source"],
        "fields": fields,
    }


def shared_item(told: Told) -> dict[str, Any]:
    """An event as an organisation sees it. When we wrote it down stays here: it would join
    what two organisations got."""
    update = told.disclosure
    return {
        "id": update.message_id,
        "type": update.event_type,
        "category": told.event.event_type.category,
        "occurred_at": plain_value(update.occurred_at),
        "source": update.source,
        "fields": dict(update.fields),
        "grant_id": str(update.grant_id),
    }


async def with_names(items: list[dict[str, Any]], store: ReadStore) -> list[dict[str, Any]]:
    """Add the source's name, and the title of a course, from the directory."""
    names = await store.names(item["source"] for item in items)
    courses = [c for item in items if (c := item["fields"].get("course_id"))]
    titles = await store.titles(courses)
    for item in items:
        item["source"] = {"id": item["source"], "name": names.get(item["source"])}
        course = item["fields"].get("course_id")
        if course is not None:
            item["course_title"] = titles.get(course)
    return items
