"""Bodies, CloudEvents and the rate limit."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from schemas.catalog import event_types
from services.common.codec import encode
from services.common.errors import Overloaded, Problem
from services.common.idempotency import key_of
from services.common.ids import event_id_of
from services.common.limits import RateLimit
from services.ingest.body import AVRO, CLOUD_EVENT, CLOUD_EVENTS, PLAIN, json_of, media_type
from services.ingest.body import posted as _posted
from services.ingest.cloud_events import Sender, attributes_of, plain_event
from services.ingest.compression import inflated
from services.ingest.drafts import ItemResult, Status
from services.ingest.room import Room
from services.ingest.routes import _arrived
from services.ingest.settings import IngestSettings
from tests.ingest_kit import sample

SENDER = Sender("river-college", "/organizations/river-college")
PLAIN_EVENT = {"type": "SkillClaimed", "skill_id": "esco:x", "level": "CAN_DO"}


def problem(call: Any, *args: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*args)
    return caught.value


def posted(body: bytes, kind: str, most: int, **attributes: str) -> Any:
    return _posted(body, kind, SENDER, most, attributes)


def from_cloud_event(event: Any) -> Any:
    return plain_event(event, SENDER)


def cloud(**attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "17",
        "source": "/organizations/river-college",
        "type": "throughline.skill.SkillClaimed",
        "time": "2026-01-05T09:00:00Z",
        "data": {"skill_id": "esco:x", "level": "CAN_DO"},
        **attributes,
    }


@pytest.mark.parametrize("header", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken_with_parameters(header: str) -> None:
    assert media_type(header) == PLAIN


@pytest.mark.parametrize("header", ["", "text/plain", "application/xml", "multipart/form-data"])
def test_other_media_types_are_refused(header: str) -> None:
    assert problem(media_type, header).status == 415


@pytest.mark.parametrize(
    ("body", "byte"),
    [
        (b"", 0),
        (b'{"a" 1}', 5),
        ('{"ä": 1,}'.encode(), 8),
        (b'{"a":"\xff"}', 6),
        (b'["\\ud800"]', 2),
        (b"[1e400]", 1),
        (b"[NaN]", 1),
    ],
)
def test_what_is_not_json_is_located_by_byte(body: bytes, byte: int) -> None:
    found = problem(json_of, body)
    assert found.status == 400
    assert f"At byte {byte} of {len(body)}" in found.detail


def test_deep_nesting_ends_in_a_problem() -> None:
    assert problem(json_of, b"[" * 100_000).status == 400


def test_one_event_is_answered_by_itself_and_a_list_as_a_list() -> None:
    one = orjson.dumps(PLAIN_EVENT)
    assert posted(one, PLAIN, 10).single
    for several in (b"[%b]" % one, b'{"events":[%b]}' % one):
        found = posted(several, PLAIN, 10)
        assert (found.items, found.single) == ([PLAIN_EVENT], False)


def test_a_batch_over_the_limit_is_refused_whole() -> None:
    assert problem(posted, orjson.dumps([PLAIN_EVENT] * 11), PLAIN, 10).status == 413


@pytest.mark.parametrize("body", [b"[]", b'{"events":[]}', b'{"events":3}', b"3", b'"x"', b"null"])
def test_a_body_without_events_says_so(body: bytes) -> None:
    found = problem(posted, body, PLAIN, 10)
    assert found.status == 422
    assert found.errors[0].fix


def test_a_cloud_event_says_the_same_as_the_plain_one() -> None:
    plain = {**PLAIN_EVENT, "occurred_at": "2026-01-05T09:00:00Z", "source_event_id": "17"}
    assert from_cloud_event(cloud()) == plain
    assert from_cloud_event(cloud(type="SkillClaimed", subject="x")) == plain
    assert posted(orjson.dumps(cloud()), CLOUD_EVENT, 10).items == [plain]
    assert posted(orjson.dumps([cloud(), cloud()]), CLOUD_EVENTS, 10).items == [plain, plain]


def test_the_id_of_a_cloud_event_is_the_event_id_when_it_is_a_random_uuid() -> None:
    random, derived = str(uuid4()), str(event_id_of("lms", "1"))
    assert from_cloud_event(cloud(id=random))["event_id"] == random
    assert from_cloud_event(cloud(id=derived))["source_event_id"] == derived


def test_a_full_type_of_the_wrong_family_stays_unknown() -> None:
    wrong = "throughline.training.SkillClaimed"
    assert from_cloud_event(cloud(type=wrong))["type"] == wrong


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("river-college", "17"),
        ("/organizations/river-college", "17"),
        ("/organizations/river-college/lms-1", "lms-1#17"),
        ("/organizations/river-college/", None),
        ("/organizations/river-college-2", None),
        ("/organizations/other", None),
        ("https://evil.test/organizations/river-college/x", None),
        ("/lms", None),
    ],
)
def test_a_number_is_of_its_source_and_the_source_is_the_senders(
    source: str, number: str | None
) -> None:
    found = from_cloud_event(cloud(source=source))
    if number is None:
        assert found.status is Status.FORBIDDEN
        assert "/organizations/river-college" in found.errors[0].fix
    else:
        assert found["source_event_id"] == number


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 17}, "id"),
        ({"source": None}, "source"),
        ({"type": {}}, "type"),
        ({"data": None}, "data"),
        ({"data": [1]}, "data"),
    ],
)
def test_what_is_no_cloud_event_says_which_attribute(change: dict[str, Any], field: str) -> None:
    found = from_cloud_event(cloud(**change))
    assert isinstance(found, ItemResult)
    (error,) = found.errors
    assert (found.status, error.field) == (Status.INVALID, field)
    assert error.fix


def test_the_binary_mode_is_the_same_event() -> None:
    event = cloud(type="SkillClaimed")
    headers = [(f"Ce-{k}", v) for k, v in event.items() if k != "data"]
    attributes = attributes_of([*headers, ("Ce-Subject", "100%25 %22Ana%22"), ("Accept", "x")])
    assert attributes["subject"] == '100% "Ana"'
    found = posted(orjson.dumps(event["data"]), PLAIN, 10, **attributes)
    assert found.single
    assert found.items == [from_cloud_event(event)]
    assert attributes_of([("ce-id", "1")]) == {}, "without ce-specversion it is another mode"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_a_cloud_event_or_refused(item: Any) -> None:
    from_cloud_event(item)
    from_cloud_event(cloud(data=item, type=item, id=item))
    from_cloud_event(cloud(data=item, source=item))


def test_a_key_may_send_its_burst_and_then_its_rate() -> None:
    limit = RateLimit(per_second=10, burst=20)
    limit.take("a", 20, now_s=0)
    refused = problem(limit.take, "a", 5, 0.1)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    limit.take("b", 20, now_s=0.1)
    limit.take("a", 5, now_s=0.5)
    assert problem(limit.take, "a", 1, 0.5).status == 429
    limit.take("a", 20, now_s=10)


def test_more_than_the_burst_passes_once_and_is_paid_back() -> None:
    limit = RateLimit(per_second=10, burst=20)
    limit.take("a", 50, now_s=0)
    assert problem(limit.take, "a", 1, 3.0).headers["Retry-After"] == "1"
    limit.take("a", 1, now_s=3.2)


def test_what_is_left_is_told_with_every_answer() -> None:
    limit = RateLimit(per_second=10, burst=20)
    told = limit.take("a", 5, now_s=0)
    assert told == {"RateLimit": '"events";r=15;t=1', "RateLimit-Policy": '"events";q=20;w=2'}
    limit.take("a", 15, now_s=0)
    refused = problem(limit.take, "a", 1, 0.0)
    assert refused.headers["RateLimit"] == '"events";r=0;t=2'


def _gzip(plain: bytes) -> bytes:
    return gzip.compress(plain)


def _zstd(plain: bytes) -> bytes:
    return zstandard.compress(plain)


def _zstd_stream(plain: bytes) -> bytes:
    """As most clients send it: without its size."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(plain) + stream.flush()


@pytest.mark.parametrize("pack", [_gzip, _zstd, _zstd_stream])
def test_a_compressed_body_is_whole_and_within_its_limit(pack: Any) -> None:
    name = "gzip" if pack is _gzip else "zstd"
    plain, packed = b"x" * 1000, pack(b"x" * 1000)
    assert inflated(packed, name.upper(), 1000) == plain
    assert problem(inflated, packed, name, 999).status in (400, 413)
    for broken in (packed[:-3], packed + b"more", b"junk", b""):
        assert problem(inflated, broken, name, 1000).status == 400


def test_a_bomb_is_not_inflated() -> None:
    tracemalloc.start()
    for bomb, name in ((_gzip, "gzip"), (_zstd, "zstd"), (_zstd_stream, "zstd")):
        packed = bomb(bytes(50_000_000))
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        assert problem(inflated, packed, name, 10_000).status in (400, 413)
        assert tracemalloc.get_traced_memory()[1] - before < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip, zstd"])
def test_other_encodings_are_refused(encoding: str) -> None:
    found = problem(inflated, b"x", encoding, 10)
    assert (found.status, found.headers["Accept-Encoding"]) == (415, "gzip, zstd")
    assert inflated(b"x", "identity", 10) == b"x"


def avro(name: str = "SkillClaimed", **changes: Any) -> bytes:
    """One event as a sender writes it: nothing that is the hub's to say."""
    event_type = event_types()[name]
    empty: dict[str, Any] = {
        "event_id": bytes(16),
        "worker_id": UUID(int=5).bytes,
        "occurred_at": datetime(2026, 1, 5, 9, tzinfo=UTC),
        "recorded_at": datetime(1970, 1, 1, tzinfo=UTC),
        "source": "",
        "actor_role": "UNKNOWN",
        "actor_id": "",
    }
    item = sample(name)
    own = {f.name: None if f.sealed else item[f.name] for f in event_type.own_fields}
    return encode(event_type, {**own, **empty, **changes})


def test_avro_events_follow_each_other_without_anything_between() -> None:
    found = posted(avro() + avro(source="river-college", actor_id="desk-3"), AVRO, 2)
    first, second = found.items
    assert not found.single
    assert (first["type"], first["worker_id"]) == ("SkillClaimed", UUID(int=5))
    assert not {"event_id", "source", "recorded_at", "actor_role", "actor_id"} & first.keys()
    assert second["actor_id"] == "desk-3"
    assert posted(avro(), AVRO, 2).single
    assert problem(posted, avro() * 3, AVRO, 2).status == 413


def test_sealed_fields_are_written_as_plain_text_in_avro() -> None:
    number = {"worker_id": bytes(16), "source_record_id": "Ana-1 Ñ".encode()}
    (item,) = posted(avro(**number), AVRO, 2).items
    assert item["source_record_id"] == "Ana-1 Ñ"
    assert "worker_id" not in item
    (refused,) = posted(avro(source_record_id=b"\xff"), AVRO, 2).items
    assert (refused.status, refused.errors[0].field) == (Status.INVALID, "source_record_id")


def test_avro_of_another_source_is_refused() -> None:
    (refused,) = posted(avro(source="other-college"), AVRO, 2).items
    assert (refused.status, refused.errors[0].field) == (Status.FORBIDDEN, "source")


def test_where_avro_stops_is_told_by_byte() -> None:
    one, other = avro(), avro(actor_role="WORKER")
    role = next(n for n, byte in enumerate(one) if byte != other[n])
    for body, start in (
        (b"", None),
        (b"\x01" + one[1:], 0),
        (one + b"\x00\x00", len(one)),
        (one + b"\x00\x7f\xff\xff\xff" + one[5:], len(one)),
        (one + one[:-1], len(one)),
        (one[:role] + b"\x01" + one[role + 1 :], 0),  # index -1 of an enum, which the reader takes
    ):
        found = problem(posted, body, AVRO, 10)
        assert found.status == 400
        if start is not None:
            assert f"Event at byte {start} of {len(body)}" in found.detail


def test_a_decimal_that_takes_minutes_to_read_is_refused_by_its_length() -> None:
    body = avro("WageChanged", wage_amount=Decimal("12345.67"))
    number = b"\x06" + (1_234_567).to_bytes(3, "big")
    assert body.count(number) == 1
    length = bytes.fromhex("80897a")  # a million, as Avro writes it
    endless = body.replace(number, length + b"\x01" * 1_000_000)
    assert "a decimal of 1000000 bytes" in problem(posted, endless, AVRO, 1).detail


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_avro_events_or_a_problem(noise: bytes, at: int) -> None:
    body = avro()
    for broken in (noise, body[:5] + noise, body[:at] + noise + body[at:]):
        with contextlib.suppress(Problem):
            posted(broken, AVRO, 10)


def test_the_type_in_the_headers_is_that_of_the_avro_data() -> None:
    named = {k: v for k, v in cloud().items() if k != "data"}
    (item,) = posted(avro(), AVRO, 10, **named).items
    assert (item["type"], item["source_event_id"]) == ("SkillClaimed", "17")
    (refused,) = posted(avro(), AVRO, 10, **{**named, "type": "TrainingCompleted"}).items
    assert (refused.status, refused.errors[0].field) == (Status.INVALID, "type")
    assert problem(lambda: posted(avro() * 2, AVRO, 10, **named)).status == 413


@pytest.mark.parametrize("header", ['"8e03"', "8e03", ' "8e03" '])
def test_a_key_of_a_call_is_a_string_with_or_without_quotes(header: str) -> None:
    assert key_of(header) == "8e03"
    assert key_of(None) is None


@pytest.mark.parametrize("header", ["", '""', "a b", '"a', "x" * 201, '"ä"', '"a";p=1'])
def test_what_is_no_key_is_refused(header: str) -> None:
    assert problem(key_of, header).status == 400


def test_only_so_many_bytes_are_read_at_once() -> None:
    room = Room(100, 100)
    with room.taken(60, "college"):
        with pytest.raises(Overloaded), room.taken(41, "acme"):
            pass
        with room.taken(40, "acme"):
            pass
    with room.taken(1_000, "college"):
        pass


def test_one_sender_leaves_room_for_others() -> None:
    room = Room(100, 50)
    with room.taken(30, "college"), room.taken(20, "college"):
        with pytest.raises(Overloaded, match="yours"), room.taken(1, "college"):
            pass
        with room.taken(50, "acme"):
            pass
    with room.taken(60, "college"):
        pass


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    request = Request({"type": "http", "headers": []}, never)
    with pytest.raises(Problem) as refused:
        await _arrived(request, IngestSettings(body_time=timedelta(milliseconds=10)))
    assert refused.value.status == 408
