"""A stand-in for an Open edX service: sends events with Open edX's own libraries.

Runs in an environment of its own (requirements.txt) and shares no code with the hub.
Arguments: Kafka, registry URL. Reads lines of JSON from standard input:
{"signal": "CERTIFICATE_CREATED", "topic": "…", "user_id": 7, "course": "course-v1:A+B+C", …}
"""

import json
import sys
from datetime import UTC, datetime

from django.conf import settings

settings.configure(
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sites",
        "waffle",
        "edx_event_bus_kafka",
        "openedx_events",
    ],
    EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS=sys.argv[1],
    EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL=sys.argv[2],
    EVENT_BUS_TOPIC_PREFIX=sys.argv[3],
    SERVICE_VARIANT="lms",
    USE_TZ=True,
)

import django

django.setup()

from edx_event_bus_kafka import create_producer
from opaque_keys.edx.keys import CourseKey
from openedx_events.learning import data, signals


def user(order):
    pii = data.UserPersonalData(username="rosa", email="rosa@example.org", name="Rosa Martinez")
    return data.UserData(pii=pii, id=order["user_id"], is_active=True)


def course(order):
    key = CourseKey.from_string(order["course"])
    return data.CourseData(course_key=key, display_name="Forklift safety")


def enrollment(order):
    created = datetime(2026, 5, 3, tzinfo=UTC)
    return data.CourseEnrollmentData(
        user=user(order),
        course=course(order),
        mode="verified",
        is_active=order.get("is_active", True),
        creation_date=created,
    )


def certificate(order):
    return data.CertificateData(
        user=user(order),
        course=course(order),
        mode="verified",
        grade="0.87",
        download_url="",
        name="Rosa Martinez",
        current_status="downloadable",
        previous_status="generating",
    )


def badge(order):
    template = data.BadgeTemplateData(uuid="t-1", origin="credly", name="Forklift")
    return data.BadgeData(uuid=order["badge"], user=user(order), template=template)


ATTRIBUTES = {
    "COURSE_ENROLLMENT_CREATED": ("enrollment", enrollment),
    "COURSE_ENROLLMENT_CHANGED": ("enrollment", enrollment),
    "COURSE_UNENROLLMENT_COMPLETED": ("enrollment", enrollment),
    "CERTIFICATE_CREATED": ("certificate", certificate),
    "CERTIFICATE_CHANGED": ("certificate", certificate),
    "CERTIFICATE_REVOKED": ("certificate", certificate),
    "BADGE_AWARDED": ("badge", badge),
    "BADGE_REVOKED": ("badge", badge),
}

producer = create_producer()
for line in sys.stdin:
    order = json.loads(line)
    signal = getattr(signals, order["signal"])
    attribute, made = ATTRIBUTES[order["signal"]]
    producer.send(
        signal=signal,
        topic=order["topic"],
        event_key_field=f"{attribute}.user.id"
        if attribute == "badge"
        else f"{attribute}.course.course_key",
        event_data={attribute: made(order)},
        event_metadata=signal.generate_signal_metadata(),
    )
    producer.prepare_for_shutdown()
    print("sent", flush=True)
