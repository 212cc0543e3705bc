"""What a person may say of a promise, and when: as `promises` decides, and as the page offers it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from services.common.codec import decode
from services.common.errors import Problem
from services.portal.said import NOT_KEPT, QUESTION, Saying, is_offered, may_say
from services.promises.handlers import Dispute, check_dispute
from services.promises.requests import DisputeOrder
from tests.promise_kit import ANA, day

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE, LONG_AGO, LATER = (NOW - timedelta(days=days) for days in (20, 200, -20))
LAPSED = {"due_at": BEFORE, "lapsed_at": BEFORE}
BACK = {"withdrawn_at": BEFORE, "withdrawn_by": ["acme"]}

# How it stands for `promises`, what is known of it, and the codes of a refusal.
CASES: list[tuple[str, dict[str, Any], str | None, str | None]] = [
    ("made", {}, "not-due", None),
    ("accepted", {"accepted_at": BEFORE}, "not-due", None),
    ("due", {"due_at": LATER}, None, None),
    ("due", {"due_at": BEFORE}, None, None),
    ("lapsed", LAPSED, None, None),
    ("lapsed", {"due_at": LONG_AGO, "lapsed_at": LONG_AGO}, None, None),
    ("kept", {"due_at": LATER, "kept_at": BEFORE}, None, "kept"),
    ("kept_late", LAPSED | {"kept_at": NOW}, None, "kept"),
    ("made", {"kept_at": BEFORE}, None, "kept"),  # as it was told, from before the hub
    ("made", {"lapsed_at": BEFORE}, None, None),
    ("declined", {"declined_at": BEFORE}, "declined", "declined"),
    ("withdrawn", BACK, "withdrawn", "withdrawn"),
    ("withdrawn", BACK | {"due_at": LATER}, "withdrawn", "withdrawn"),
]


def refusal(reason: str, state: str, known: dict[str, Any]) -> Problem | None:
    ends = {name: known.get(name) for name in ("due_at", "lapsed_at")}
    try:
        said = {"dispute_ids": (), "state": state}
        check_dispute(reason, {**ends, **said, "outcome_at": known.get("kept_at")})
    except Problem as problem:
        return problem
    return None


def promise(**known: Any) -> dict[str, Any]:
    ends = ("accepted_at", "declined_at", "due_at", "kept_at", "lapsed_at", "withdrawn_at")
    own = {"promise_id": "p-1", "employer_id": "acme", "withdrawn_by": []}
    return dict.fromkeys(ends) | own | known


@pytest.mark.parametrize(("state", "known", "not_kept", "question"), CASES)
def test_it_was_not_kept_once_it_was_due_and_a_question_until_it_is_kept(
    state: str, known: dict[str, Any], not_kept: str | None, question: str | None
) -> None:
    for reason, code in ((NOT_KEPT, not_kept), (QUESTION, question)):
        refused = refusal(reason, state, known)
        assert (refused and refused.code) == code
        assert refused is None or refused.status == 409
        assert may_say(reason, promise(**known), NOW) == (code is None)


def test_a_refusal_names_what_can_be_said() -> None:
    for reason, state, known, other in (
        (NOT_KEPT, "made", {}, QUESTION),
        (QUESTION, "kept", {"kept_at": NOW}, NOT_KEPT),
    ):
        refused = refusal(reason, state, known)
        assert refused is not None
        (error,) = refused.errors
        assert error.field == "reason"
        assert error.fix is not None
        assert other in error.fix
        assert error.fix in refused.detail


def test_that_it_was_not_kept_is_offered_once_until_it_is_kept_after_that() -> None:
    late, said = promise(**LAPSED), [Saying(NOT_KEPT, NOW, None)]

    assert is_offered(NOT_KEPT, late, (), NOW)
    assert not is_offered(NOT_KEPT, late, said, NOW)
    assert is_offered(QUESTION, late, [*said, Saying(QUESTION, NOW, "When?")], NOW)
    assert not is_offered(NOT_KEPT, late | {"kept_at": BEFORE}, said, NOW)
    assert is_offered(NOT_KEPT, late | {"kept_at": LATER}, said, NOW)
    assert is_offered(NOT_KEPT, late, [Saying("WRONG_TERMS", NOW, None)], NOW)


def order(**own: Any) -> DisputeOrder:
    return DisputeOrder.model_validate({"reason": NOT_KEPT, **own})


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": QUESTION},
        {"reason": QUESTION, "statement": " \n "},
        {"reason": QUESTION, "statement": None},
        {"reason": "OTHER", "statement": "x"},
        {"reason": "UNKNOWN"},
        {"statement": "x" * 1001},
        {"statement": ""},
        {"statement": "\ud800"},
        {"statement": ["x"]},
        {"dispute_id": "mine"},
        {"promise_id": "p-1"},
    ],
)
def test_what_is_no_dispute(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        order(**wrong)


def test_words_are_what_is_left_without_space_around() -> None:
    assert order().statement is None
    assert order(statement=" No one\ncalled. ").statement == "No one\ncalled."
    assert order(statement="é" * 1000).statement == "é" * 1000


def test_without_an_id_there_is_one_of_each_reason() -> None:
    first, again = (Dispute.of(ANA, "p-1", order()) for _ in range(2))
    question = Dispute.of(ANA, "p-1", order(reason=QUESTION, statement="When?"))
    named = Dispute.of(ANA, "p-1", order(dispute_id=str(uuid4())))
    elsewhere = Dispute.of(uuid4(), "p-1", order())
    of_another = Dispute.of(ANA, "p-2", order())

    assert first == again
    several = {first, question, named, elsewhere, of_another}
    assert len({one.event_id for one in several}) == len({one.subject for one in several}) == 5


def test_the_id_does_not_follow_from_the_words() -> None:
    """They could be guessed from it after the key is gone."""
    said, other = (Dispute.of(ANA, "p-1", order(statement=text)) for text in ("Yes", "No"))

    assert said.event_id == other.event_id


def test_the_event_is_the_persons_own_and_its_words_have_a_place() -> None:
    said = Dispute.of(ANA, "p-1", order())
    event = decode(said.event(b"sealed", day(3)).value)

    assert (event.name, event.worker_id, event.event_id) == ("PromiseDisputed", ANA, said.event_id)
    assert event.fields["actor_role"] == "WORKER"
    assert event.fields["actor_id"] == "self"
    assert event.fields["statement"] == b"sealed"
    assert (event.fields["promise_id"], event.fields["reason"]) == ("p-1", NOT_KEPT)
    assert (said.place.event_id, said.place.field) == (said.event_id, "statement")
