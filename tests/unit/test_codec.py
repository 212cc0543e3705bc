"""Events survive the wire, record by record and in columns, and what is broken is told apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import EventType, event_types
from services.common import codec
from services.common.errors import DoesNotDecode, UnknownSchema
from services.ingest.drafts import micros
from tests.events_kit import events_of


@pytest.mark.parametrize("event_type", event_types().values(), ids=lambda e: e.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_back(event_type: EventType, data: st.DataObject) -> None:
    written = data.draw(st.lists(events_of(event_type), min_size=1, max_size=4))
    encoded = [codec.encode(event_type, record) for record in written]

    one_by_one = [codec.decode(value) for value in encoded]
    frame = codec.decode_columns(
        event_type.schema_id, [value[codec.FRAME_SIZE :] for value in encoded]
    )

    assert [dict(event.fields) for event in one_by_one] == written
    assert all(event.name == event_type.name for event in one_by_one)
    assert frame.to_dicts() == written


def a_value() -> bytes:
    event_type = event_types()["PromiseAccepted"]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    record = {
        "event_id": bytes(16),
        "worker_id": bytes(16),
        "occurred_at": now,
        "recorded_at": now,
        "source": "acme",
        "source_record_id": None,
        "actor_role": "WORKER",
        "actor_id": "w",
        "correlation_id": None,
        "supersedes": None,
        "promise_id": "p-1",
    }
    return codec.encode(event_type, record)


@pytest.mark.parametrize("value", [b"", b"\x00\x00", b"\x01" + bytes(20)])
def test_a_value_without_the_frame_does_not_decode(value: bytes) -> None:
    with pytest.raises(DoesNotDecode, match="frame"):
        codec.decode(value)


def test_an_unknown_schema_id_is_its_own_error() -> None:
    with pytest.raises(UnknownSchema, match="4294967295"):
        codec.decode(b"\x00\xff\xff\xff\xff" + bytes(40))


@pytest.mark.parametrize("spoil", [lambda v: v[:-1], lambda v: v + b"\x00", lambda v: v[:12]])
def test_cut_or_grown_bytes_do_not_decode(spoil: Any) -> None:
    with pytest.raises(DoesNotDecode, match="PromiseAccepted"):
        codec.decode(spoil(a_value()))


INSTANTS = st.datetimes(
    min_value=datetime(1900, 1, 2),  # noqa: DTZ001
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(at=INSTANTS)
def test_the_instant_in_the_headers_is_in_iso_8601(at: datetime) -> None:
    found = dict(codec.headers_of("throughline.training.Made", UUID(int=7), "acme", at))
    assert found == {
        "ce_specversion": b"1.0",
        "ce_id": b"00000000-0000-0000-0000-000000000007",
        "ce_type": b"throughline.training.Made",
        "ce_source": b"/organizations/acme",
        "ce_time": at.isoformat().encode(),
        "content-type": b"application/avro",
    }


@given(at=INSTANTS)
def test_an_instant_is_written_as_its_microseconds_are(at: datetime) -> None:
    event_type = event_types()["PromiseAccepted"]
    record = dict(codec.decode(a_value()).fields)
    one = codec.encode(event_type, record | {"occurred_at": at})
    assert codec.encode(event_type, record | {"occurred_at": micros(at)}) == one
