"""Bodies, CloudEvents and the rate limit."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Problem
from services.common.ids import event_id_of
from services.common.limits import RateLimit
from services.ingest.body import (
    CLOUD_EVENT,
    CLOUD_EVENTS,
    PLAIN,
    from_cloud_event,
    json_of,
    media_type,
    posted,
)

PLAIN_EVENT = {"type": "SkillClaimed", "skill_id": "esco:x", "level": "CAN_DO"}


def problem(call: Any, *args: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*args)
    return caught.value


def cloud(**attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "17",
        "source": "/lms",
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


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_a_cloud_event_or_left_as_it_is(item: Any) -> None:
    from_cloud_event(item)
    from_cloud_event({"data": item, "type": item, "id": item})


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
