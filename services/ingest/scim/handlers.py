"""What a change of an employer's user means for the worker's story. No I/O.

| the user | becomes |
|---|---|
| appears | WorkerRegistered, for a person first met here |
| is active, and was not | EmploymentStarted; the second time with another employment id |
| has another title, and is active | RoleChanged |
| is active no more, or is deleted | EmploymentEnded |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

_ONET = re.compile(r"[0-9]{2}-[0-9]{4}\.[0-9]{2}")
Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """What is kept, sealed, of one user."""

    record_id: str  # the employer's number for the person; it never changes
    user: Mapping[str, Any]  # the resource as SCIM has it
    jobs: int = 0  # how often the person was hired here
    employed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "record_id": self.record_id,
            "user": self.user,
            "jobs": self.jobs,
            "employed": self.employed,
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """Which change it is. The ids of its events follow from this, so none is told twice."""

    organization_id: str
    scim_id: UUID
    worker_id: UUID
    version: int
    at: datetime


def record_id_of(user: Mapping[str, Any], scim_id: UUID) -> str:
    """The employer's own number, under which other ways in know the person too; else our id."""
    external_id = user.get("externalId")
    return external_id if isinstance(external_id, str) and external_id else f"scim:{scim_id}"


def occupation(user: Mapping[str, Any]) -> str | None:
    """The title, when it is an O*NET-SOC code: other titles are free text and stay here."""
    title = user.get("title")
    return title if isinstance(title, str) and _ONET.fullmatch(title) else None


def changed(before: Person | None, user: Mapping[str, Any], moment: Moment) -> Person:
    """The person after a change. RFC 7643, 4.1.1: who is not said to be inactive is active."""
    known = before or Person(record_id_of(user, moment.scim_id), user)
    employed = user.get("active") is not False
    jobs = known.jobs + (employed and not known.employed)
    return replace(known, user=user, employed=employed, jobs=jobs)


def told(before: Person | None, after: Person | None, moment: Moment) -> list[Item]:
    """The events of a change, in order. `after` is None when the user was deleted."""
    return [
        {**item, "source_event_id": f"scim:{moment.scim_id}:{moment.version}:{number}"}
        for number, item in enumerate(_events(before, after, moment))
    ]


def _events(before: Person | None, after: Person | None, moment: Moment) -> Iterator[Item]:
    person = after or before
    assert person is not None, "there was a user, or there is one"
    if before is None:
        yield _registered(person, moment)
    was, now = before is not None and before.employed, after is not None and after.employed
    if now and not was:
        item = _about("EmploymentStarted", person, moment)
        yield {**item, "occupation": occupation(person.user), "wage_period": "UNKNOWN"}
    elif was and not now:
        yield _about("EmploymentEnded", person, moment) | {"reason": "UNKNOWN"}
    elif was and before is not None and before.user.get("title") != person.user.get("title"):
        yield _about("RoleChanged", person, moment) | {"occupation": occupation(person.user)}


def _registered(person: Person, moment: Moment) -> Item:
    name = person.user.get("displayName") or (person.user.get("name") or {}).get("formatted") or ""
    name = "".join(letter for letter in name if ord(letter) >= 32).strip()[:2000]
    return {
        "type": "WorkerRegistered",
        "occurred_at": moment.at.isoformat(),
        "source_record_id": person.record_id,
        "display_name": name or None,
    }


def _about(name: str, person: Person, moment: Moment) -> Item:
    job = str(moment.scim_id)
    return {
        "type": name,
        "occurred_at": moment.at.isoformat(),
        "worker_id": str(moment.worker_id),
        "source_record_id": person.record_id,
        "employment_id": job if person.jobs == 1 else f"{job}-{person.jobs}",
        "employer_id": moment.organization_id,
    }
