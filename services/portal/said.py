"""What a person says of a promise: that it was not kept, or a question about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from services.common.codec import Decoded
from services.common.vault import Keyring
from services.portal.facts import promise_code
from services.portal.i18n import Language
from services.portal.reading import opened_fields
from services.portal.store import ReadStore

NOT_KEPT, QUESTION = "NOT_KEPT", "QUESTION"
# As a part of the address of the page where it is said.
PLACES: Final[Mapping[str, str]] = {"not-kept": NOT_KEPT, "question": QUESTION}


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing that a person said of a promise."""

    reason: str
    at: datetime
    words: str | None


# By promise: the newest of each reason.
Sayings: TypeAlias = Mapping[str, Sequence[Saying]]


def may_say(reason: str, promise: Mapping[str, Any], now: datetime) -> bool:
    """Whether `promises` takes it, as it decides itself, of a row of `read.promise`."""
    if promise_code(promise, now) in ("declined", "withdrawn"):
        return False
    if reason == QUESTION:
        return not promise["kept_at"]
    return any(promise[name] for name in ("due_at", "kept_at", "lapsed_at"))


def is_offered(
    reason: str, promise: Mapping[str, Any], said: Iterable[Saying], now: datetime
) -> bool:
    """Whether the page offers to say it; that it was not kept once, until it is kept after that."""
    if not may_say(reason, promise, now):
        return False
    before = [one.at for one in said if one.reason == reason]
    if reason == QUESTION or not before:
        return True
    return promise["kept_at"] is not None and promise["kept_at"] > max(before)


async def sayings_of(store: ReadStore, keyring: Keyring, worker_id: UUID) -> Sayings:
    """What one person said of promises, opened."""
    newest: dict[tuple[str, str], Decoded] = {}
    for event in await store.events_of([worker_id], ["PromiseDisputed"]):
        key = event.fields["promise_id"], event.fields["reason"]
        newest.setdefault(key, event)
    opened = await opened_fields(keyring, newest.values())
    found: dict[str, list[Saying]] = defaultdict(list)
    for (promise_id, _), event in newest.items():
        found[promise_id].append(_saying(event, opened.get(event.event_id, {})))
    return found


def _saying(event: Decoded, opened: Mapping[str, object]) -> Saying:
    words = opened.get("statement")
    reason, at = event.fields["reason"], event.fields["occurred_at"]
    return Saying(reason, at, str(words) if words else None)


def said_words(reason: str, t: Language) -> str:
    """What a person said, as the person's own page has it."""
    return {
        NOT_KEPT: t.gettext("You said it was not kept"),
        QUESTION: t.gettext("You asked about it"),
    }.get(reason, t.gettext("You said it is not right"))


def heard_words(reason: str, t: Language) -> str:
    """What a person says, as an employer's page has it."""
    return {
        NOT_KEPT: t.gettext("Says it was not kept"),
        QUESTION: t.gettext("Asks about it"),
    }.get(reason, t.gettext("Says it is not right"))
