"""How a promise stands: a pure function of the facts and of the time that was let in.

The order in which facts came plays no part. All facts of the worker count, those of before the
promise too: whoever has finished the course already need not finish it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.promises.criteria import AnyCriterion, criterion_of
from services.promises.facts import Fact, in_force
from services.promises.moments import Moment, Time

# What gives the outcome; a bonus shows in no event yet, so no pathway may promise one.
_OUTCOMES: Mapping[str, frozenset[str]] = {
    "INTERVIEW": frozenset({"InterviewHeld"}),
    "ROLE": frozenset({"EmploymentStarted", "Promoted"}),
    "WAGE_STEP": frozenset({"WageChanged"}),
}
SEEN_OUTCOMES = frozenset(_OUTCOMES)


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise as it was made; nothing changes it."""

    promise_id: str
    employer_id: str
    pathway_id: str
    pathway_version: int
    outcome: str
    due_in_days: int
    criteria: tuple[AnyCriterion, ...]
    made_at: datetime

    @classmethod
    def of(cls, fact: Fact) -> Promise:
        fields = fact.fields
        return cls(
            promise_id=fields["promise_id"],
            employer_id=fields["employer_id"],
            pathway_id=fields["pathway_id"],
            pathway_version=fields["pathway_version"],
            outcome=fields["outcome"],
            due_in_days=fields["due_in_days"],
            criteria=tuple(criterion_of(code) for code in fields["criteria"]),
            made_at=fact.occurred_at,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a promise has got to. `met` has a place for each criterion."""

    met: tuple[Moment | None, ...] = ()
    accepted: Moment | None = None
    declined: Moment | None = None
    due: Moment | None = None  # when all was done, and what completed it
    due_at: datetime | None = None  # until when the promise can be kept
    outcome: Moment | None = None  # the first time that the outcome came
    lapsed_at: datetime | None = None
    withdrawn: Moment | None = None  # only where that counts: it was neither kept nor late by then

    @property
    def kept(self) -> bool:
        """Whether the outcome came in time."""
        if self.outcome is None or self.due_at is None:
            return False
        return self.outcome.at <= self.due_at

    @property
    def state(self) -> str:
        """One of made, declined, withdrawn, accepted, due, kept, lapsed, kept_late."""
        if self.declined is not None:
            return "declined"
        if self.withdrawn is not None:
            return "withdrawn"
        if self.accepted is None:
            return "made"
        if self.due is None:
            return "accepted"
        if self.outcome is not None:
            return "kept" if self.kept else "kept_late"
        return "due" if self.lapsed_at is None else "lapsed"


def promises_in(facts: Iterable[Fact]) -> Sequence[Promise]:
    """The promises among the facts. Of two with the same id the one recorded first stands, so
    that nobody takes over what another has promised."""
    made: dict[str, Fact] = {}
    order = sorted(in_force(facts), key=lambda fact: (fact.recorded_at, fact.event_id))
    for fact in order:
        if fact.name == "PromiseMade":
            made.setdefault(fact.fields["promise_id"], fact)
    return [Promise.of(fact) for fact in made.values()]


def standing(promise: Promise, facts: Iterable[Fact], time: Time) -> Standing:
    """How the promise stands. What waits for time is in `time.waits` then."""
    known = in_force(facts)
    if not promise.criteria:
        return _as_told(promise, known)
    withdrawn = _withdrawn(promise, known)
    if withdrawn is not None:
        so_far = [fact for fact in known if fact.occurred_at <= withdrawn.at]
        then = _followed(promise, so_far, time.up_to(withdrawn.at))
        if _can_be_withdrawn(then, withdrawn):
            return replace(then, withdrawn=withdrawn)
    return _followed(promise, known, time)


def _withdrawn(promise: Promise, facts: Sequence[Fact]) -> Moment | None:
    """When the hub was first told that its own employer takes it back.

    Not when the employer says that it did: what is late could be dated away otherwise.
    """
    backs = (
        Moment(fact.recorded_at, fact.event_id)
        for fact in facts
        if fact.name == "PromiseWithdrawn"
        and fact.fields["promise_id"] == promise.promise_id
        and fact.fields["employer_id"] == promise.employer_id
    )
    return min(backs, default=None)


def _can_be_withdrawn(then: Standing, withdrawn: Moment) -> bool:
    """Whether it was still open then: nobody takes back what is kept, or what is late already."""
    is_late = then.due_at is not None and then.due_at < withdrawn.at
    return then.outcome is None and not is_late


def _followed(promise: Promise, known: Sequence[Fact], time: Time) -> Standing:
    answer = _answer(promise, known)
    if answer is None or answer.name == "PromiseDeclined":
        return Standing(
            met=(None,) * len(promise.criteria),
            declined=answer.moment if answer is not None else None,
        )
    met = tuple(c.met(known, promise.employer_id, time) for c in promise.criteria)
    if None in met:
        return Standing(met, answer.moment)
    return _due(promise, Standing(met, answer.moment), known, time)


def _answer(promise: Promise, facts: Iterable[Fact]) -> Fact | None:
    """The worker's answer. The first one stands."""
    answers = [
        fact
        for fact in facts
        if fact.name in ("PromiseAccepted", "PromiseDeclined")
        and fact.fields["promise_id"] == promise.promise_id
    ]
    return min(answers, key=lambda fact: fact.moment, default=None)


def _due(promise: Promise, so_far: Standing, facts: Sequence[Fact], time: Time) -> Standing:
    """All is done: the days count from the last thing done, and not from before the yes."""
    assert so_far.accepted is not None
    due = max(so_far.accepted, *(moment for moment in so_far.met if moment is not None))
    due_at = due.at + timedelta(days=promise.due_in_days)
    came = min((fact.moment for fact in _outcomes(promise, facts)), default=None)
    in_time = came is not None and came.at <= due_at
    lapsed = not in_time and time.has_passed(due_at)
    return Standing(
        met=so_far.met,
        accepted=so_far.accepted,
        due=due,
        due_at=due_at,
        outcome=came,
        lapsed_at=due_at if lapsed else None,
    )


def _outcomes(promise: Promise, facts: Sequence[Fact]) -> Iterable[Fact]:
    """What this employer gave after it had promised."""
    for fact in facts:
        if (
            fact.name in _OUTCOMES.get(promise.outcome, frozenset())
            and fact.fields["employer_id"] == promise.employer_id
            and fact.occurred_at >= promise.made_at
            and fact.fields.get("promise_id") in (None, promise.promise_id)
            and (fact.name != "WageChanged" or _is_raise(fact, facts))
        ):
            yield fact


def _is_raise(change: Fact, facts: Iterable[Fact]) -> bool:
    """Whether pay went up: more than the last known of the same job, currency and period."""
    terms = ("employment_id", "wage_currency", "wage_period")
    if change.fields["wage_amount"] is None:
        return False
    before = [
        fact
        for fact in facts
        if fact.name in ("EmploymentStarted", "WageChanged")
        and fact.moment < change.moment
        and fact.fields["wage_amount"] is not None
        and all(fact.fields[term] == change.fields[term] for term in terms)
    ]
    last = max(before, key=lambda fact: fact.moment, default=None)
    if last is None:
        return False
    return Decimal(change.fields["wage_amount"]) > Decimal(last.fields["wage_amount"])


def _as_told(promise: Promise, facts: Sequence[Fact]) -> Standing:
    """A promise without criteria is not followed: it stands as its author says."""
    told: dict[str, Fact] = {}
    for fact in sorted(facts, key=lambda fact: fact.moment):
        if fact.fields.get("promise_id") == promise.promise_id:
            told.setdefault(fact.name, fact)
    due, kept, lapsed = (told.get(f"Promise{word}") for word in ("Due", "Kept", "Lapsed"))
    answer = _answer(promise, facts)
    accepted = answer is not None and answer.name == "PromiseAccepted"
    stands = Standing(
        accepted=answer.moment if answer is not None and accepted else None,
        declined=answer.moment if answer is not None and not accepted else None,
        due=due.moment if due is not None else None,
        due_at=datetime.fromisoformat(due.fields["due_at"]) if due is not None else None,
        outcome=kept.moment if kept is not None else None,
        lapsed_at=lapsed.occurred_at if lapsed is not None else None,
    )
    withdrawn = _withdrawn(promise, facts)
    if withdrawn is not None and _can_be_withdrawn(stands, withdrawn):
        return replace(stands, withdrawn=withdrawn)
    return stands
