"""What a change of an employer's user means, and the dialects in which it may come."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.scim.dialects import mended
from services.ingest.scim.handlers import Moment, Person, changed, told

SCIM_ID, WORKER = UUID(int=7), UUID(int=9)
URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def moment(version: int) -> Moment:
    return Moment("acme", SCIM_ID, WORKER, version, datetime(2026, 3, 1, tzinfo=UTC))


def story(*users: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The events of one user's states, one after the other; None: deleted."""
    person: Person | None = None
    events: list[dict[str, Any]] = []
    for version, user in enumerate(users, 1):
        after = None if user is None else changed(person, user, moment(version))
        events += told(person, after, moment(version))
        person = after
    return events


def types(*users: dict[str, Any] | None) -> list[str]:
    return [event["type"] for event in story(*users)]


def test_who_is_not_said_to_be_inactive_is_hired() -> None:
    assert types({}) == ["WorkerRegistered", "EmploymentStarted"]
    assert types({"active": False}) == ["WorkerRegistered"]


def test_each_hiring_has_an_employment_of_its_own() -> None:
    on, off = {"active": True}, {"active": False}
    jobs = [e["employment_id"] for e in story(on, off, on, off, on) if "employment_id" in e]
    one = str(SCIM_ID)
    assert jobs == [one, one, f"{one}-2", f"{one}-2", f"{one}-3"]


def test_a_title_is_told_only_when_it_is_a_public_code() -> None:
    events = story({"title": "51-4121.00"}, {"title": "Ana's assistant"}, {"title": "11-1011.00"})
    assert [(e["type"], e["occupation"]) for e in events[1:]] == [
        ("EmploymentStarted", "51-4121.00"),
        ("RoleChanged", None),
        ("RoleChanged", "11-1011.00"),
    ]


def test_who_does_not_work_has_no_role_and_leaves_once() -> None:
    off = {"active": False, "title": "x"}
    assert types({"title": "x"}, off, {**off, "title": "y"}, None)[2:] == ["EmploymentEnded"]


def test_the_employers_number_stays_the_persons_when_it_is_changed_later() -> None:
    events = story({"externalId": "e-1"}, {"externalId": "e-2", "title": "x"})
    assert {event["source_record_id"] for event in events} == {"e-1"}
    assert story({})[0]["source_record_id"] == f"scim:{SCIM_ID}"


@given(st.lists(st.fixed_dictionaries({"active": st.booleans(), "title": st.sampled_from("ab")})))
def test_starts_and_ends_alternate_and_every_event_has_its_own_id(users: list[Any]) -> None:
    events = story(*users)
    turns = [e["type"] for e in events if e["type"] in ("EmploymentStarted", "EmploymentEnded")]
    assert all(a != b for a, b in pairwise(turns))
    assert turns[:1] in ([], ["EmploymentStarted"])
    ids = [event["source_event_id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert events == story(*users)


@pytest.mark.parametrize(
    ("given_body", "expected"),
    [
        ({"active": "False"}, {"active": False}),
        ({"active": "maybe"}, {"active": "maybe"}),
        ({URN: {"manager": "m"}}, {URN: {"manager": {"value": "m"}}}),
        ({URN: {"manager": {"value": "m"}}}, {URN: {"manager": {"value": "m"}}}),
        ({"title": "manager", "nickName": "False"}, {"title": "manager", "nickName": "False"}),
        (
            {"Operations": [{"op": "Add", "path": f"{URN}:manager", "value": "m"}]},
            {"Operations": [{"op": "Add", "path": f"{URN}:manager", "value": {"value": "m"}}]},
        ),
        (
            {"operations": [{"op": "add", "path": f"{URN}:manager.value", "value": "m"}]},
            {"operations": [{"op": "add", "path": f"{URN}:manager.value", "value": "m"}]},
        ),
        ({"Operations": ["x", {"op": "remove"}]}, {"Operations": ["x", {"op": "remove"}]}),
        ([1], [1]),
    ],
)
def test_dialects(given_body: Any, expected: Any) -> None:
    assert mended(given_body) == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["Operations", "op", "path", "value", "active", "manager", URN]), inner
        )
    ),
)


@given(_JSON)
def test_no_body_breaks_the_mending_and_twice_is_once(body: Any) -> None:
    assert mended(mended(body)) == mended(body)
