"""How a promise stands: a function of the facts, whatever order they came in."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.codec import decode
from services.common.emit import HUB, SYSTEM, Actor, about_worker
from services.promises.criteria import criterion_of
from services.promises.facts import Fact, in_force, is_own
from services.promises.moments import Time
from services.promises.standing import Standing, promises_in, standing
from services.promises.taking_in import Book
from tests.promise_kit import (
    ANA,
    CRITERIA,
    accepted,
    attested,
    day,
    disputed,
    fact,
    facts,
    finished,
    hired,
    interviewed,
    left,
    made,
    paid,
    scored,
    withdrawn,
)

DONE = (finished(5), attested(6, 1), attested(8, 2), scored(7, 0.8))
LIFE = (made(), accepted(), *DONE)


def stands(*told: dict[str, Any], until: datetime | None = None) -> Standing:
    known = facts(*told)
    (promise,) = promises_in(known)
    return standing(promise, known, Time.of((), until))


@pytest.mark.parametrize("life", [LIFE, (*LIFE, interviewed(20)), (made(), accepted())])
def test_what_the_person_says_of_a_promise_changes_nothing(
    life: tuple[dict[str, Any], ...],
) -> None:
    said = disputed(0.5, "QUESTION"), disputed(21)
    for until in (None, day(60)):
        assert stands(*life, *said, until=until) == stands(*life, until=until)


@pytest.mark.parametrize("code", [*CRITERIA, "employed_days:180", "assessment:a;at_least=1"])
def test_a_code_reads_back_as_itself(code: str) -> None:
    assert criterion_of(code).code == code


@pytest.mark.parametrize("code", ["training", "gift:x", "skill:a:b", "assessment:a"])
def test_another_text_is_no_criterion(code: str) -> None:
    with pytest.raises(ValueError, match="criterion"):
        criterion_of(code)


def test_a_promise_is_due_when_the_last_thing_is_done() -> None:
    found = stands(*LIFE)

    assert (found.state, found.due_at) == ("due", day(8 + 30))
    assert [m.at if m else None for m in found.met] == [day(5), day(8), day(7)]


@pytest.mark.parametrize("missing", range(len(DONE)))
def test_everything_must_be_done(missing: int) -> None:
    rest = [one for number, one in enumerate(DONE) if number != missing]

    assert stands(made(), accepted(), *rest).state == "accepted"


def test_the_days_do_not_count_before_the_yes() -> None:
    assert stands(made(), accepted(20), *DONE).due_at == day(20 + 30)


def test_without_a_yes_nothing_is_followed() -> None:
    found = stands(made(), *DONE)

    assert (found.state, found.met) == ("made", (None, None, None))


def test_the_first_answer_stands() -> None:
    declined = {**accepted(2), "name": "PromiseDeclined"}

    assert stands(made(), accepted(1), declined).state == "accepted"
    assert stands(made(), accepted(3), declined).state == "declined"


def test_what_was_done_before_the_promise_counts() -> None:
    early = (finished(-50), attested(-40, 1), attested(-30, 2), scored(-60, 0.9))

    assert stands(made(), accepted(1), *early).due_at == day(1 + 30)


@pytest.mark.parametrize(
    "short",
    [
        (finished(5, "FAILED"), *DONE[1:]),
        (finished(5, course="c-102"), *DONE[1:]),
        (DONE[0], attested(6, 1), attested(8, 1), DONE[3]),  # one attestation, told twice
        (DONE[0], attested(6, 1), attested(8, 2, "PEER"), DONE[3]),
        (*DONE[:3], scored(7, 0.79)),
    ],
)
def test_what_falls_short_does_not_count(short: tuple[dict[str, Any], ...]) -> None:
    assert stands(made(), accepted(), *short).state == "accepted"


def test_a_promise_is_kept_by_its_outcome_in_time() -> None:
    assert stands(*LIFE, interviewed(38)).state == "kept"
    assert stands(*LIFE, interviewed(38.01), until=day(99)).state == "kept_late"
    assert stands(*LIFE, interviewed(4)).state == "kept"


@pytest.mark.parametrize(
    "other", [interviewed(20, by="other-co"), interviewed(20, promise_id="p-2"), interviewed(-1)]
)
def test_another_interview_does_not_keep_it(other: dict[str, Any]) -> None:
    assert stands(*LIFE, other).state == "due"


def test_it_lapses_after_the_last_day_and_not_before() -> None:
    assert stands(*LIFE, until=day(38)).state == "due"
    assert stands(*LIFE, until=day(38.001)).state == "lapsed"


def test_only_a_raise_is_a_wage_step() -> None:
    step = (made(outcome="WAGE_STEP"), accepted(), *DONE, hired(-9))

    assert stands(*step, paid(20, "21.00")).state == "kept"
    assert stands(*step, paid(20, "20.00")).state == "due"
    assert stands(*step, paid(20, "900.00", period="WEEK")).state == "due"
    assert stands(*step, paid(20, "21.00", job="j-2")).state == "due"


def test_days_of_employment_count_when_they_have_passed() -> None:
    life = (made(criteria=["employed_days:100"]), accepted(), hired(0))

    assert stands(*life, until=day(100)).state == "accepted"
    assert stands(*life, until=day(101)).due_at == day(130)
    assert stands(*life, left(99), until=day(101)).state == "accepted"
    assert stands(*life, left(100), until=day(101)).state == "due"


def test_an_event_put_right_by_its_source_no_longer_counts() -> None:
    first = fact(**finished(5))
    redone = {**finished(5, "FAILED"), "supersedes": first.event_id}

    assert stands(*LIFE, redone).state == "accepted"
    assert stands(*LIFE, {**redone, "source": "other-college"}).state == "due"


def test_nobody_takes_over_a_promise_by_its_id() -> None:
    theirs = fact(**{**made(-9), "source": "other-co", "employer_id": "other-co"})
    ours = fact(**made())
    late = Fact(**{**_fields(theirs), "recorded_at": day(3)})

    (promise,) = promises_in([late, ours])

    assert promise.employer_id == "acme"


def _fields(one: Fact) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Fact.__dataclass_fields__}


def test_a_promise_without_criteria_stands_as_its_author_says() -> None:
    told = [made(criteria=[]), accepted()]
    assert stands(*told, until=day(999)).state == "accepted"
    told.append({"name": "PromiseDue", "at": 9, "promise_id": "p-1", "due_at": day(39)})
    assert stands(*told, until=day(999)).state == "due"
    told.append({"name": "PromiseKept", "at": 20, "promise_id": "p-1"})
    assert stands(*told, until=day(999)).state == "kept"


def test_what_an_operator_says_of_a_promise_is_told_and_not_our_own() -> None:
    own = {"promise_id": "p-1", "due_at": day(39)}
    told, said = (
        about_worker("PromiseDue", UUID(int=1), ANA, actor, at=day(9), **own)
        for actor in (Actor("OPERATOR", "promises", HUB), SYSTEM)
    )

    assert not is_own(decode(told.value))
    assert is_own(decode(said.value))


def test_a_promise_that_its_employer_takes_back_is_over() -> None:
    for life in ((made(),), (made(), accepted()), LIFE):
        found = stands(*life, withdrawn(9), interviewed(20), until=day(999))
        assert (found.state, found.lapsed_at, found.outcome) == ("withdrawn", None, None)
        assert found.withdrawn is not None
        assert found.withdrawn.at == day(9)
    assert stands(withdrawn(-3), *LIFE).state == "withdrawn"
    assert stands(made(), {**accepted(2), "name": "PromiseDeclined"}, withdrawn(3)).state == (
        "declined"
    )


def test_nothing_is_waited_for_when_it_was_taken_back() -> None:
    known = facts(*LIFE, withdrawn(9))
    (promise,) = promises_in(known)
    time = Time.of(())

    assert standing(promise, known, time).state == "withdrawn"
    assert time.wake_at is None


@pytest.mark.parametrize("other", [withdrawn(9, by="other-co"), withdrawn(9, promise_id="p-2")])
def test_nobody_takes_back_what_another_promised(other: dict[str, Any]) -> None:
    assert stands(*LIFE, other).state == "due"


def test_what_was_kept_or_late_by_then_is_not_taken_back() -> None:
    assert stands(*LIFE, interviewed(20), withdrawn(21)).state == "kept"
    assert stands(*LIFE, interviewed(4), withdrawn(8)).state == "kept", "given before it was due"
    assert stands(*LIFE, interviewed(4), withdrawn(7.5)).state == "withdrawn"
    assert stands(*LIFE, withdrawn(38)).state == "withdrawn", "the last moment"
    assert stands(*LIFE, withdrawn(38.01), until=day(39)).state == "lapsed"
    assert stands(*LIFE, withdrawn(39), interviewed(40), until=day(41)).state == "kept_late"


def test_a_yes_that_comes_after_it_was_taken_back_begins_nothing() -> None:
    found = stands(made(), withdrawn(1), accepted(2), *DONE)

    assert (found.state, found.accepted, found.due_at) == ("withdrawn", None, None)


def test_what_is_late_is_not_dated_away() -> None:
    """An employer says on day 99 that it took the promise back long before."""
    for said in (4, 20):
        back = fact(**withdrawn(said))
        known = [*facts(*LIFE), Fact(**{**_fields(back), "recorded_at": day(99)})]
        (promise,) = promises_in(known)
        assert standing(promise, known, Time.of((), day(100))).state == "lapsed"


def test_a_withdrawal_that_was_put_right_does_not_count() -> None:
    back = fact(**withdrawn(9))
    void = {"name": "RecordVoided", "at": 10, "voided_event_id": back.event_id.bytes}

    assert stands(*LIFE, withdrawn(9), {**void, "dispute_id": None, "reason": "MISTAKE"}).state == (
        "due"
    )


def test_one_without_criteria_is_taken_back_by_its_employer_too() -> None:
    told = [made(criteria=[]), accepted()]
    due = {"name": "PromiseDue", "at": 9, "promise_id": "p-1", "due_at": day(39)}
    kept = {"name": "PromiseKept", "at": 20, "promise_id": "p-1"}

    assert stands(*told, withdrawn(5)).state == "withdrawn"
    assert stands(*told, withdrawn(5, by="other-co")).state == "accepted"
    assert stands(*told, due, kept, withdrawn(30)).state == "kept"
    assert stands(*told, due, withdrawn(40)).state == "due", "after the last day"


class Following:
    """A promise followed without Kafka: facts come, time is let in, and events are said."""

    def __init__(self) -> None:
        self.book = Book({ANA: 0}, {}, {}, day(500))

    def tell(self, one: Fact) -> None:
        self.book.add(ANA, one)

    def let_time_in(self, until: datetime) -> None:
        """As the tender does: as long as something waits for a time that has passed."""
        while any(f.wake_at and f.wake_at < until for f in self.book.followed.values()):
            for worker_id, promise_id in list(self.book.followed):
                self.book.let_time_in(worker_id, promise_id, until)

    @property
    def stands(self) -> Standing:
        found = self.book.followed[ANA, "p-1"].stands
        assert found is not None
        return found

    @property
    def said(self) -> list[str]:
        return [event.event_type.name for _, _, _, event in self.book.events]

    @property
    def ids(self) -> list[UUID]:
        return [event_id for event_id, *_ in self.book.events]


EVERYTHING = (
    *(made(), accepted(2), finished(5), finished(3, "FAILED"), attested(6, 1), attested(8, 2)),
    *(attested(7, 3, "PEER"), scored(7, 0.5), scored(9, 0.8), scored(30, 1.0)),
    *(interviewed(38), interviewed(60), interviewed(20, by="other-co"), hired(0), left(90)),
)
LATER = (*EVERYTHING[:10], *EVERYTHING[11:])  # the interview in time never takes place
EMPLOYED = (
    *(made(criteria=["employed_days:50", "training:c-101"]), accepted(), hired(0), left(40)),
    *(hired(45, "j-2"), finished(10), interviewed(110), left(200, "j-2")),
)


BACK = (*EVERYTHING[:8], withdrawn(9), *EVERYTHING[9:], withdrawn(50))
BACK_TOO_LATE = (*LATER, withdrawn(45))
EMPLOYED_BACK = (*EMPLOYED[:3], withdrawn(60), *EMPLOYED[3:])
# Days of employment that were full before it was taken back, and the interview that came between.
EMPLOYED_KEPT = (*EMPLOYED[:2], hired(0), finished(10), interviewed(55), withdrawn(60))


@pytest.mark.parametrize(
    ("told", "state"),
    [
        *[(EVERYTHING, "kept"), (LATER, "kept_late"), (EMPLOYED, "kept")],
        *[(BACK, "withdrawn"), (BACK_TOO_LATE, "kept_late"), (EMPLOYED_BACK, "withdrawn")],
        (EMPLOYED_KEPT, "kept"),
    ],
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_order_of_arrival_gives_the_same_state(
    told: tuple[dict[str, Any], ...], state: str, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(facts(*told)))
    repeats = data.draw(st.integers(0, 3))
    passes = data.draw(st.lists(st.tuples(st.integers(0, len(order)), st.floats(0, 300))))
    following = Following()

    for number, one in enumerate(order):
        following.tell(one)
        for _, until in (p for p in passes if p[0] == number):
            following.let_time_in(day(until))
    for one in order[:repeats]:
        following.tell(one)
    following.let_time_in(day(300))

    in_order = Following()
    for one in facts(*told):
        in_order.tell(one)
    in_order.let_time_in(day(300))
    assert following.stands == in_order.stands
    assert following.stands.state == state
    # Where a job's end or a withdrawal comes late, it takes back what was said.
    if told in (EVERYTHING, LATER, BACK_TOO_LATE, EMPLOYED_KEPT):
        assert _read_model(following) == _read_model(in_order)
    assert len(set(following.ids)) == len(following.ids)


def _read_model(following: Following) -> tuple[object, ...]:
    """What `read.promise` makes of the events that were said: earliest of each, as declared."""
    events = [decode(event.value) for _, _, _, event in following.book.events]
    earliest: dict[str, Any] = {}
    for event in sorted(events, key=lambda e: (e.fields["occurred_at"], e.event_id)):
        earliest.setdefault(event.name, event)
    due, kept = earliest.get("PromiseDue"), earliest.get("PromiseKept")
    return (
        due and due.fields["due_at"],
        kept and due and kept.fields["occurred_at"] <= due.fields["due_at"],
    )


def test_each_thing_is_said_once() -> None:
    following = Following()
    for one in facts(*LIFE, interviewed(20)):
        following.tell(one)

    expected = ["CriterionMet", "CriterionMet", "CriterionMet", "PromiseDue", "PromiseKept"]
    assert sorted(following.said) == sorted(expected)


def test_after_it_was_taken_back_nothing_is_said_whenever_that_is_told() -> None:
    following = Following()
    for one in facts(made(), accepted(), *DONE[:3]):
        following.tell(one)
    said = list(following.said)

    for one in facts(withdrawn(20), DONE[3], interviewed(25)):
        following.tell(one)
    following.let_time_in(day(400))
    assert following.said == said
    assert following.stands.state == "withdrawn"
    assert following.book.followed[ANA, "p-1"].wake_at is None

    following.tell(fact(**interviewed(19)))  # told late: it was kept before
    assert following.said[-2:] == ["PromiseDue", "PromiseKept"]
    assert following.stands.state == "kept"


def test_a_late_fact_turns_a_lapsed_promise_into_a_kept_one() -> None:
    following = Following()
    for one in facts(*LIFE):
        following.tell(one)
    following.let_time_in(day(50))
    assert following.said[-1] == "PromiseLapsed"

    following.tell(fact(**interviewed(30)))

    assert following.said[-1] == "PromiseKept"
    assert following.stands.state == "kept"
    assert following.stands.lapsed_at is None


def test_what_is_undone_is_said_and_said_anew_when_it_is_done_again() -> None:
    following = Following()
    told = (made(criteria=["employed_days:50"]), accepted(), hired(0))
    for one in facts(*told):
        following.tell(one)
    following.let_time_in(day(60))
    ended = fact(**left(40))

    following.tell(ended)
    assert following.said == ["CriterionMet", "PromiseDue", "CriterionUnmet"]
    assert following.stands.state == "accepted"

    following.tell(fact(**left(300, supersedes=ended.event_id)))
    assert following.said[3:] == ["CriterionMet", "PromiseDue"]
    assert len(set(following.ids)) == 5


def test_a_late_fact_does_not_pass_a_deadline_by_itself() -> None:
    """An interview may stand behind it on the log; so only the reader of the whole log lapses."""
    following = Following()
    for one in facts(made(), accepted(), *DONE[:3], scored(100, 0.9)):
        following.tell(one)
    following.let_time_in(day(140))
    assert following.stands.state == "lapsed"

    following.tell(fact(**scored(7, 0.9)))  # now it was due from day 8 on

    assert following.stands.due_at == day(38)
    assert following.stands.state == "due"
    following.let_time_in(day(141))
    assert following.stands.state == "lapsed"


def test_the_score_of_a_criterion_is_exact() -> None:
    assert criterion_of("assessment:a;at_least=0.3").as_json()["at_least"] == 0.3
    exactly = criterion_of("assessment:a-7;at_least=0.3")
    assert exactly.met(facts(scored(1, 0.1 + 0.2)), "acme", Time.of(())) is not None
    assert Decimal("0.3") == Decimal(str(0.3))


def test_what_its_source_or_the_hub_takes_back_is_no_fact() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def fact(number: int, name: str, source: str, **fields: str) -> Fact:
        return Fact(UUID(int=number), name, at, at, source, None, fields)

    done = fact(1, "TrainingCompleted", "river-college")
    foreign = fact(2, "RecordVoided", "acme", voided_event_id=str(UUID(int=1)))
    own = fact(3, "RecordCorrected", "river-college", corrected_event_id=str(UUID(int=1)))
    hubs = fact(4, "RecordVoided", HUB, voided_event_id=str(UUID(int=1)))

    assert done in in_force([done, foreign])
    assert done not in in_force([own, done])
    assert done not in in_force([done, hubs])
