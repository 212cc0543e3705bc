"""Calls of `POST /v1/events` at random, in every form that it takes."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.access import Role
from services.common.authors import SPEAKS_FOR, may_author
from services.common.codec import encode
from tests.events_kit import edge_of, events_of
from tests.fuzz.parts import (
    AVRO,
    CLOUD,
    CLOUDS,
    JSON,
    ORGANIZATIONS,
    PLAIN,
    RARELY,
    ROLES,
    Call,
    World,
    as_json,
)


@st.composite
def _events(draw: st.DrawFn, world: World, role: str) -> dict[str, Any]:
    """A good event about somebody known, by anybody; often with something wrong."""
    name = draw(st.sampled_from(_may_say(role)))
    event = dict(draw(edge_of(event_types()[name])))
    if "worker_id" in event:
        for name_of_field in ("worker_id", "source_record_id", "supersedes"):
            event.pop(name_of_field, None)
        event |= draw(_who(world))
    if name in SPEAKS_FOR:
        event[SPEAKS_FOR[name]] = ORGANIZATIONS.get(role, "acme")
    for _ in range(draw(st.sampled_from([0] * 6 + [1, 1, 2]))):
        field = draw(st.sampled_from(sorted(event)) | st.text(max_size=8))
        if draw(st.booleans()):
            event[field] = draw(JSON)
        else:
            event.pop(field, None)
    return event


@cache
def _may_say(role: str) -> list[str]:
    """Mostly what the role may author; now and then anything."""
    allowed = [name for name in sorted(event_types()) if may_author(Role(role), name)]
    return allowed * 10 + sorted(event_types())


def _who(world: World) -> st.SearchStrategy[dict[str, Any]]:
    known = st.sampled_from(world.workers).map(lambda worker: {"worker_id": str(worker)})
    recorded = st.integers(0, 5).map(lambda n: {"source_record_id": f"r-{n}"})
    return known | recorded


def _as_cloud_event(event: Mapping[str, Any], role: str) -> dict[str, Any]:
    data = {k: v for k, v in event.items() if k not in {"type", "occurred_at", "source_event_id"}}
    name = event.get("type")
    known = isinstance(name, str) and name in event_types()
    return {
        "specversion": "1.0",
        "id": event.get("source_event_id", "1"),
        "source": f"/organizations/{ORGANIZATIONS.get(role, role)}",
        "type": event_types()[name].full_name if known else name,
        "time": event.get("occurred_at"),
        "data": data,
    }


@st.composite
def event_calls(draw: st.DrawFn, world: World) -> Call:
    role = draw(ROLES)
    kind = draw(st.sampled_from([PLAIN, PLAIN, CLOUD, CLOUDS, AVRO, AVRO]))
    headers = [("content-type", kind)]
    if kind == AVRO:
        content = b"".join(draw(st.lists(_datums(world, role), min_size=1, max_size=3)))
    else:
        events = draw(st.lists(_events(world, role), min_size=1, max_size=4))
        content = as_json(draw(st.sampled_from(_bodies(events, kind, role))))
    if draw(RARELY):
        content = draw(st.binary(max_size=60) | JSON.map(as_json))
    if draw(RARELY):
        names = st.sampled_from(["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time"])
        values = st.sampled_from(["1.0", "x", "%00", "throughline.training.TrainingEnrolled", ""])
        headers += draw(st.dictionaries(names, values)).items()
    if draw(RARELY):
        headers.append(
            ("idempotency-key", draw(st.sampled_from(['"a"', "a", "b" * 300, '"\x7f"'])))
        )
    if draw(RARELY):
        headers.append(("content-encoding", draw(st.sampled_from(["gzip", "zstd", "br", "x"]))))
        content = gzip.compress(content, 1) if draw(st.booleans()) else content
    return Call("POST", "/v1/events", role, tuple(headers), content)


def _bodies(events: list[dict[str, Any]], kind: str, role: str) -> list[Any]:
    if kind == PLAIN:
        return [events[0], events[0], {"events": events}, events]
    cloud = [_as_cloud_event(event, role) for event in events]
    return [cloud[0], cloud, {"events": cloud}] if kind == CLOUD else [cloud, cloud, cloud[0]]


@st.composite
def _datums(draw: st.DrawFn, world: World, role: str) -> bytes:
    """An event in the Confluent frame, sealed fields as plain text or as any bytes."""
    event_type = event_types()[draw(st.sampled_from(_may_say(role)))]
    fields = dict(draw(events_of(event_type)))
    if "worker_id" in fields:
        fields |= {"worker_id": draw(st.sampled_from(world.workers)).bytes, "supersedes": None}
    if event_type.name in SPEAKS_FOR:
        fields[SPEAKS_FOR[event_type.name]] = ORGANIZATIONS.get(role, "acme")
    if not draw(RARELY):
        fields |= {"event_id": bytes(16), "source": "", "actor_id": ""}
    if not draw(RARELY):
        for field in event_type.sealed_fields:
            if fields[field.name] is not None:
                fields[field.name] = draw(st.text(min_size=1, max_size=20)).encode(
                    "utf-8", "replace"
                )
    return encode(event_type, fields)
