"""Open edX's events, written with its own schemas, become events that the edge takes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import orjson
import pytest

from connectors.openedx.mapping import Message, code, events
from schemas.models import MODELS

SCHEMAS = Path(__file__).parents[1] / "data" / "openedx"
USER = {
    "id": 4711,
    "is_active": True,
    "pii": {"username": "rosa", "email": "rosa@example.org", "name": "Rosa Martinez"},
}
COURSE = {"course_key": "course-v1:River+FORK1+2026", "display_name": "Forklift safety"}
COURSE |= {"start": None, "end": None}
ENROLMENT = {"user": USER, "course": COURSE, "mode": "verified", "is_active": True}
ENROLMENT |= {"creation_date": "2026-05-03T10:00:00Z", "created_by": None}
CERTIFICATE = {"user": USER, "course": COURSE, "mode": "verified", "grade": "0.87"}
CERTIFICATE |= {"download_url": "", "name": "Rosa Martinez", "current_status": "downloadable"}
CERTIFICATE |= {"previous_status": "generating"}
TEMPLATE = {"uuid": "t-1", "origin": "x", "name": None, "description": None, "image_url": None}
BADGE = {"uuid": "b-1", "user": USER, "template": TEMPLATE}
PROGRAM = {"uuid": "pc-1", "user": USER, "status": "revoked", "url": ""}
PROGRAM |= {"program": {"uuid": "p-1", "title": "Logistics", "program_type": "x"}}
PROGRAM |= {"certificate_available_date": None}


def over_the_wire(event_type: str, attribute: str, data: dict[str, Any]) -> Message:
    """The value written and read with the schema that Open edX publishes for the type."""
    name = event_type.replace(".", "+") + "_schema.avsc"
    schema = fastavro.parse_schema(json.loads((SCHEMAS / name).read_text()))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, {attribute: data})
    buffer.seek(0)
    value = fastavro.schemaless_reader(buffer, schema, None)
    return Message(event_type, "8d1c-1", "2026-05-03T10:00:00+00:00", value)


def taken(message: Message) -> list[dict[str, Any]]:
    """The mapped events, each accepted by the edge model of its type."""
    found = [dict(item) for item in events(message, "river-college")]
    for item in found:
        MODELS[item["type"]].model_validate_json(orjson.dumps(item), strict=True)
    return found


def types(items: list[dict[str, Any]]) -> list[str]:
    return [item["type"] for item in items]


def test_an_active_enrolment_is_an_enrolment_and_an_inactive_one_an_exit() -> None:
    name = "org.openedx.learning.course.enrollment.changed.v1"
    active = taken(over_the_wire(name, "enrollment", ENROLMENT))
    left = taken(over_the_wire(name, "enrollment", {**ENROLMENT, "is_active": False}))

    assert types(active) == ["TrainingEnrolled"]
    assert types(left) == ["TrainingExited"]
    assert active[0]["enrolment_id"] == left[0]["enrolment_id"]
    assert active[0]["course_id"] == "course-v1:River+FORK1+2026"
    assert left[0]["reason"] == "UNKNOWN", "nothing on the wire says why"


def test_an_earned_certificate_is_a_passed_course_and_a_credential() -> None:
    name = "org.openedx.learning.certificate.changed.v1"
    found = taken(over_the_wire(name, "certificate", CERTIFICATE))
    assert types(found) == ["TrainingCompleted", "CredentialAwarded"]
    assert found[0]["score"] == 0.87


@pytest.mark.parametrize("status", ["generating", "notpassing", "audit_passing", "unavailable"])
def test_a_certificate_on_its_way_is_nothing_yet(status: str) -> None:
    name = "org.openedx.learning.certificate.changed.v1"
    data = {**CERTIFICATE, "current_status": status}
    assert taken(over_the_wire(name, "certificate", data)) == []


def test_what_is_revoked_names_what_was_awarded() -> None:
    learning = "org.openedx.learning"
    awarded = taken(over_the_wire(f"{learning}.certificate.changed.v1", "certificate", CERTIFICATE))
    revoked = taken(over_the_wire(f"{learning}.certificate.revoked.v1", "certificate", CERTIFICATE))
    assert types(revoked) == ["CredentialRevoked"]
    assert revoked[0]["credential_id"] == awarded[1]["credential_id"]


@pytest.mark.parametrize(
    ("name", "attribute", "data"),
    [
        ("badge.revoked", "badge", BADGE),
        ("program.certificate.revoked", "program_certificate", PROGRAM),
    ],
)
def test_badges_and_programme_certificates(name: str, attribute: str, data: Any) -> None:
    message = over_the_wire(f"org.openedx.learning.{name}.v1", attribute, data)
    assert types(taken(message)) == ["CredentialRevoked"]
    awarded = Message(message.event_type.replace("revoked", "awarded"), "2", "x", message.data)
    assert types([dict(i) for i in events(awarded, "river-college")]) == ["CredentialAwarded"]


def test_no_name_or_mail_address_is_taken_over() -> None:
    name = "org.openedx.learning.certificate.changed.v1"
    found = taken(over_the_wire(name, "certificate", CERTIFICATE))
    assert not any(mark in str(found) for mark in ("Rosa", "rosa@", "example.org"))


def test_a_type_of_no_use_here_is_passed_over() -> None:
    assert list(events(Message("org.openedx.learning.other.v1", "1", "x", {}), "p")) == []


@pytest.mark.parametrize(
    ("grade", "score"), [("", None), ("0.5", 0.5), ("87", None), ("nan", None), ("x", None)]
)
def test_a_grade_is_a_number_from_0_to_1_or_unknown(grade: str, score: float | None) -> None:
    name = "org.openedx.learning.certificate.changed.v1"
    found = taken(over_the_wire(name, "certificate", {**CERTIFICATE, "grade": grade}))
    assert found[0]["score"] == score


def test_codes_are_safe_stable_and_told_apart() -> None:
    assert code("course-v1:A+B+C") == "course-v1:A+B+C"
    odd = [code("course v1"), code("course-v1 "), code("x" * 300), code("=cmd"), code("")]
    assert len(set(odd)) == len(odd)
    assert all(len(c) <= 200 and c[0].isalnum() for c in odd)
