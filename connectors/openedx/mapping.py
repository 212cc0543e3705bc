"""What Open edX's events mean here: one function per event type, decisions only.

Source: openedx-events, `learning/signals.py` and `learning/data.py`; event-bus-kafka's wire format
(value: record `CloudEvent` with one field per event-data attribute; `ce_*` headers).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]  # an event in the flat form of POST /v1/events
Data = Mapping[str, Any]

_UNSAFE = re.compile(r"[^A-Za-z0-9._:/+@-]")


@dataclass(frozen=True, slots=True)
class Message:
    """One record of the bus: its CloudEvents headers and its decoded value."""

    event_type: str  # org.openedx.learning.course.enrollment.created.v1
    event_id: str
    occurred_at: str  # ISO 8601
    data: Data


def code(text: str) -> str:
    """A code that is safe here: as it is, or cleaned and told apart by a hash of the original."""
    cleaned = _UNSAFE.sub("-", text)
    if cleaned == text and 0 < len(text) <= 200 and text[0].isalnum():
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"x{cleaned[:180]}-{digest}"


def _base(message: Message, user: Data, what: str) -> Item:
    """The envelope of an event about the user. A name or mail address is never taken over."""
    return {
        "type": what,
        "source_record_id": str(user["id"]),
        "source_event_id": f"openedx/{message.event_id}/{what}",
        "occurred_at": message.occurred_at,
    }


def _enrolment(user: Data, course_key: str) -> Item:
    course = code(course_key)
    return {"enrolment_id": code(f"{course}/{user['id']}"), "course_id": course}


def _enrolled(message: Message, provider_id: str) -> list[Item]:
    """Active means enrolled; a change to inactive means that the person left."""
    enrolment = message.data["enrollment"]
    user, course_key = enrolment["user"], enrolment["course"]["course_key"]
    place = {**_enrolment(user, course_key), "provider_id": provider_id}
    if enrolment["is_active"]:
        return [{**_base(message, user, "TrainingEnrolled"), **place}]
    return _left(message, provider_id)


def _left(message: Message, provider_id: str) -> list[Item]:
    enrolment = message.data["enrollment"]
    user, course_key = enrolment["user"], enrolment["course"]["course_key"]
    place = {**_enrolment(user, course_key), "provider_id": provider_id}
    # No field says who ended the enrolment, or why: staff and the platform itself do so, too.
    left = {"reason": "UNKNOWN", "day_known": True}
    return [{**_base(message, user, "TrainingExited"), **place, **left}]


# Certificate states in which the learner may show it; the others are steps on the way there.
# Source: openedx-platform, certificates/data.py, CertificateStatuses.
_EARNED = frozenset({"downloadable"})


def _certified(message: Message, provider_id: str) -> list[Item]:
    """An earned course certificate: the course is passed, and here is what shows it."""
    certificate = message.data["certificate"]
    if certificate["current_status"] not in _EARNED:
        return []
    user, course_key = certificate["user"], certificate["course"]["course_key"]
    passed = {"provider_id": provider_id, "result": "PASSED", "score": _grade(certificate["grade"])}
    completed = {**_base(message, user, "TrainingCompleted"), **_enrolment(user, course_key)}
    awarded = _base(message, user, "CredentialAwarded")
    return [{**completed, **passed}, {**awarded, **_certificate(user, certificate)}]


def _uncertified(message: Message, _provider_id: str) -> list[Item]:
    certificate = message.data["certificate"]
    user = certificate["user"]
    return [{**_base(message, user, "CredentialRevoked"), **_certificate(user, certificate)}]


def _certificate(user: Data, certificate: Data) -> Item:
    key = f"certificate/{certificate['course']['course_key']}/{user['id']}"
    kind = f"openedx-certificate/{certificate['mode'] or 'unknown'}"
    return {"credential_id": code(key), "credential_kind": code(kind)}


def _grade(text: str) -> float | None:
    """A grade is text there: a number from 0 to 1, or empty."""
    try:
        grade = float(text)
    except ValueError:
        return None
    return grade if 0 <= grade <= 1 else None


def _badge(what: str) -> Callable[[Message, str], list[Item]]:
    def mapped(message: Message, _provider_id: str) -> list[Item]:
        badge = message.data["badge"]
        kind = f"openedx-badge/{badge['template']['uuid']}"
        ids = {"credential_id": code(f"badge/{badge['uuid']}"), "credential_kind": code(kind)}
        return [{**_base(message, badge["user"], what), **ids}]

    return mapped


def _program(what: str) -> Callable[[Message, str], list[Item]]:
    def mapped(message: Message, _provider_id: str) -> list[Item]:
        certificate = message.data["program_certificate"]
        kind = f"openedx-program/{certificate['program']['uuid']}"
        ids = {
            "credential_id": code(f"program-certificate/{certificate['uuid']}"),
            "credential_kind": code(kind),
        }
        return [{**_base(message, certificate["user"], what), **ids}]

    return mapped


_LEARNING = "org.openedx.learning"
MAPPING: Mapping[str, Callable[[Message, str], list[Item]]] = {
    f"{_LEARNING}.course.enrollment.created.v1": _enrolled,
    f"{_LEARNING}.course.enrollment.changed.v1": _enrolled,
    f"{_LEARNING}.course.unenrollment.completed.v1": _left,
    f"{_LEARNING}.certificate.created.v1": _certified,
    f"{_LEARNING}.certificate.changed.v1": _certified,
    f"{_LEARNING}.certificate.revoked.v1": _uncertified,
    f"{_LEARNING}.badge.awarded.v1": _badge("CredentialAwarded"),
    f"{_LEARNING}.badge.revoked.v1": _badge("CredentialRevoked"),
    f"{_LEARNING}.program.certificate.awarded.v1": _program("CredentialAwarded"),
    f"{_LEARNING}.program.certificate.revoked.v1": _program("CredentialRevoked"),
}


def events(message: Message, provider_id: str) -> Sequence[Item]:
    """The events that a message means; none for a type that is of no use here.

    Raises KeyError or TypeError when the message lacks what its type promises.
    """
    mapped = MAPPING.get(message.event_type)
    return mapped(message, provider_id) if mapped is not None else []
