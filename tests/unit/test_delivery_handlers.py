"""Retries, positions and what a batch is read as."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.agent import Gap, Record, fresh
from services.common.emit import Actor, about_worker
from services.common.errors import RetryableError, UnknownSchema
from services.delivery.handlers import RetryPolicy, next_attempt, sort

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy(timedelta(seconds=5), timedelta(hours=6), timedelta(hours=72))
ANA = UUID(int=7)


def wait(failed: int, *, asked: float | None = None, jitter: float = 0.0) -> timedelta:
    error = RetryableError("busy", retry_after_s=asked)
    at = next_attempt(failed, error, POLICY, since=NOON, now=NOON, jitter=jitter)
    assert at is not None
    return at - NOON


def test_waits_double_from_five_seconds_to_six_hours() -> None:
    assert [wait(n).total_seconds() for n in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert wait(40) == wait(4000) == timedelta(hours=6)


@given(st.integers(1, 100), st.floats(0, 1), st.none() | st.floats(0, 1e9))
def test_a_wait_is_at_least_what_was_asked_and_never_beyond_all_bounds(
    failed: int, jitter: float, asked: float | None
) -> None:
    found = wait(failed, asked=asked, jitter=jitter)
    assert POLICY.first <= found <= POLICY.longest * 1.25
    assert found >= min(timedelta(seconds=asked or 0), POLICY.longest)


@given(st.integers(1, 100), st.integers(0, 100))
def test_it_is_given_up_after_72_hours_of_failing(failed: int, hours: int) -> None:
    now = NOON + timedelta(hours=hours)
    error = RetryableError("busy")
    at = next_attempt(failed, error, POLICY, since=NOON, now=now, jitter=0.5)
    assert (at is None) == (hours >= 72)


def record(offset: int, partition: int = 0) -> Record:
    return Record(partition, offset, b"", b"")


@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=30),
)
def test_a_position_only_moves_forward_over_records_that_came(
    start: int, places: list[tuple[int, int]]
) -> None:
    before = dict.fromkeys(range(3), start)
    new, after, gaps = fresh([record(offset, p) for p, offset in places], before)
    for partition in before:
        offsets = [r.offset for r in new if r.partition == partition]
        assert offsets == sorted(set(offsets))
        assert all(offset >= start for offset in offsets)
        assert after[partition] == max([start, *(o + 1 for o in offsets)])
        missing = set(range(start, after[partition])) - set(offsets)
        spans = [g for g in gaps if g.partition == partition]
        assert missing == {o for gap in spans for o in range(gap.expected, gap.came)}


def test_a_repeat_falls_out_and_a_gap_is_told() -> None:
    new, after, gaps = fresh([record(3), record(4), record(7)], {0: 4})
    assert [r.offset for r in new] == [4, 7]
    assert after == {0: 8}
    assert gaps == [Gap(0, 5, 7)]


def story(name: str, **own: Any) -> Record:
    absent = {f.name: None for f in event_types()[name].own_fields if f.nullable}
    actor = Actor("WORKER", "self")
    event = about_worker(name, UUID(int=9), ANA, actor, at=NOON, **(absent | own))
    return Record(0, 5, event.key, event.value)


PROGRESS = {"enrolment_id": "e-1", "course_id": "c-1", "verb": "answered"}


def test_a_batch_is_read_without_decoding_what_is_only_passed_on() -> None:
    granted = story(
        "ConsentGranted",
        grant_id=UUID(int=3).bytes,
        recipient_id="acme",
        categories=["training"],
        purposes=["hiring"],
        valid_from=NOON,
        valid_until=NOON,
        wording_version="1",
        wording_language="en",
        wording_sha256="0" * 64,
    )
    withdrawn = story(
        "ConsentWithdrawn", grant_id=UUID(int=3).bytes, recipient_id="acme", channel="API"
    )
    found = sort([granted, story("TrainingProgressed", **PROGRESS), withdrawn])
    [candidate], [grant], [withdrawal] = found.candidates, found.grants, found.withdrawals
    assert (candidate.event_id, candidate.worker_id) == (UUID(int=9), ANA)
    assert (candidate.event_type, candidate.category) == ("TrainingProgressed", "training")
    assert (grant.offset, grant.fields["recipient_id"]) == (5, "acme")
    assert withdrawal.grant_id == UUID(int=3)


def test_what_does_not_belong_to_its_key_is_shown_to_nobody() -> None:
    good = story("TrainingProgressed", **PROGRESS)
    stolen = Record(0, 5, UUID(int=8).bytes, good.value)
    for bad in (stolen, Record(0, 5, ANA.bytes, b"nonsense"), Record(0, 5, ANA.bytes, b"")):
        found = sort([bad])
        assert found.unreadable == [bad]
        assert not found.candidates + found.grants + found.withdrawals


def test_an_unknown_schema_stops_the_partition() -> None:
    good = story("TrainingProgressed", **PROGRESS)
    unknown = b"\0" + (999_999).to_bytes(4, "big") + good.value[5:]
    with pytest.raises(UnknownSchema):
        sort([good, Record(0, 6, ANA.bytes, unknown)])
