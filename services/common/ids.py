"""Identifiers: random in time order, or made from what the sender already has."""

from __future__ import annotations

from uuid import UUID

import uuid_utils
from asyncpg.pgproto.pgproto import UUID as DriverUUID

_EVENTS = uuid_utils.UUID("6f1b1f6e-5d0c-5a0e-9c39-7a8b5c3d2e10")


def new_id() -> UUID:
    """A UUIDv7: random, and sorted by the time it was made."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def event_id_of(source: str, source_event_id: str) -> UUID:
    """UUIDv5 of both: a sender's same event always has the same id, so a re-send is seen.

    A UUID of the driver's kind: equal to the standard library's, and made, compared and written
    several times as fast, once for every event that comes in.
    """
    return DriverUUID(uuid_utils.uuid5(_EVENTS, f"{source}\x1f{source_event_id}").bytes)


def derived_id(*parts: object) -> UUID:
    """An id that follows from other ids, for events that a crash may make us emit again."""
    return _named("\x1e".join(str(part) for part in parts))


def _named(name: str) -> UUID:
    # The standard library's takes three times as long.
    return UUID(int=uuid_utils.uuid5(_EVENTS, name).int)
