"""Laws of the one decision, for any grants, recipient, category and time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import envelope_names, event_types
from services.common.codec import Decoded
from services.common.consent import (
    NEVER_SHARED,
    Denied,
    Disclosure,
    Grant,
    Names,
    Reason,
    Recipient,
    decide,
    disclose,
    sealed_in_sight,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CATEGORIES = ("training", "employment", "wage", "identity", "consent", "demographic")
PURPOSES = ("hiring", "advancement")
WORKERS = (UUID(int=1), UUID(int=2))
RECIPIENTS = ("acme", "bravo")

moments = st.integers(-5, 5).map(lambda hours: NOON + timedelta(hours=hours))
categories = st.frozensets(st.sampled_from(CATEGORIES))
grants = st.builds(
    Grant,
    grant_id=st.integers(1, 99).map(lambda n: UUID(int=n)),
    worker_id=st.sampled_from(WORKERS),
    recipient_id=st.sampled_from(RECIPIENTS),
    categories=categories,
    purposes=st.frozensets(st.sampled_from(PURPOSES)),
    valid_from=moments,
    valid_until=moments,
    revoked=st.booleans(),
)
several = st.lists(grants, max_size=5, unique_by=lambda grant: grant.grant_id)
recipients = st.builds(
    Recipient,
    recipient_id=st.sampled_from(RECIPIENTS),
    connection_id=st.just("c-1"),
    categories=categories,
    purpose=st.sampled_from(PURPOSES),
)
Situation = tuple[str, Recipient, list[Grant], UUID, datetime]
HOUR = timedelta(hours=1)
# What may be wrong with a grant that would cover everything else.
FLAWS = st.sampled_from(
    ["worker", "recipient", "category", "purpose", "over", "over now", "not yet", "revoked"]
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """A question, with grants that answer it but for a few flaws, and with quite other ones."""
    category, at = draw(st.sampled_from(CATEGORIES)), draw(moments)
    recipient, worker_id = draw(recipients), draw(st.sampled_from(WORKERS))
    if draw(st.booleans()):
        recipient = replace(recipient, categories=recipient.categories | {category})
    near = []
    for number in range(draw(st.integers(0, 3))):
        grant = Grant(
            UUID(int=100 + number),
            worker_id,
            recipient.recipient_id,
            draw(categories) | {category},
            frozenset({recipient.purpose}),
            at - draw(st.sampled_from([0 * HOUR, HOUR])),
            at + draw(st.sampled_from([HOUR, 2 * HOUR])),
        )
        near.append(flawed(grant, draw(st.sets(FLAWS, max_size=2)), category, at))
    return category, recipient, near + draw(several), worker_id, at


def flawed(grant: Grant, flaws: set[str], category: str, at: datetime) -> Grant:
    changes: dict[str, dict[str, Any]] = {
        "worker": {"worker_id": UUID(int=3)},
        "recipient": {"recipient_id": "carol"},
        "category": {"categories": grant.categories - {category}},
        "purpose": {"purposes": frozenset({"programme_outcomes"})},
        "over": {"valid_until": at - HOUR},
        "over now": {"valid_until": at},
        "not yet": {"valid_from": at + HOUR, "valid_until": at + 2 * HOUR},
        "revoked": {"revoked": True},
    }
    for flaw in sorted(flaws):
        grant = replace(grant, **changes[flaw])
    return grant


def asked(situation: Situation) -> Grant | Denied:
    category, recipient, given_grants, worker_id, at = situation
    return decide(category, recipient, given_grants, worker_id=worker_id, at=at)


def covers(grant: Grant, situation: Situation) -> bool:
    """The rule once more, as plainly as it can be said."""
    category, recipient, _, worker_id, at = situation
    return (
        grant.worker_id == worker_id
        and grant.recipient_id == recipient.recipient_id
        and category in grant.categories
        and category in recipient.categories
        and category not in ("consent", "demographic", "envelope")
        and recipient.purpose in grant.purposes
        and grant.valid_from <= at < grant.valid_until
        and not grant.revoked
    )


@given(situations())
def test_yes_is_said_exactly_when_a_grant_covers_it(situation: Situation) -> None:
    answer = asked(situation)
    assert isinstance(answer, Grant) == any(covers(grant, situation) for grant in situation[2])
    if isinstance(answer, Grant):
        assert covers(answer, situation)


@given(situations())
def test_without_any_grant_the_answer_is_no(situation: Situation) -> None:
    category, recipient, _, worker_id, at = situation
    answer = decide(category, recipient, [], worker_id=worker_id, at=at)
    assert answer == Denied(Reason.NO_LIVE_GRANT)


@given(situations(), st.randoms())
def test_the_order_of_grants_does_not_matter(situation: Situation, random: Any) -> None:
    shuffled = list(situation[2])
    random.shuffle(shuffled)
    once, again = asked(situation), asked((situation[0], situation[1], shuffled, *situation[3:]))
    if isinstance(once, Denied):
        assert isinstance(again, Denied)
        assert again.reason is once.reason
    else:
        assert again == once


@given(situations())
def test_revoking_everything_ends_every_yes(situation: Situation) -> None:
    category, recipient, all_grants, worker_id, at = situation
    ended = [replace(grant, revoked=True) for grant in all_grants]
    assert isinstance(asked((category, recipient, ended, worker_id, at)), Denied)


@given(situations())
def test_a_denial_names_the_grant_that_came_nearest(situation: Situation) -> None:
    answer = asked(situation)
    if isinstance(answer, Denied) and answer.grant_id is not None:
        mine = [g for g in situation[2] if g.grant_id == answer.grant_id]
        assert [(g.worker_id, g.recipient_id) for g in mine] == [
            (situation[3], situation[1].recipient_id)
        ]


def event(name: str) -> Decoded:
    """An event of a type with every field filled, sealed ones with bytes."""
    kind = event_types()[name]
    values = {"fixed": bytes(16), "timestamp-micros": NOON, "bytes": b"sealed"}
    fields = {f.name: values.get(f.kind, "code") for f in kind.fields.values()}
    return Decoded(kind, {**fields, "worker_id": WORKERS[0].bytes})


@given(st.sampled_from(sorted(event_types())), recipients, several, moments)
def test_only_fields_of_granted_categories_are_in_a_disclosure(
    name: str, recipient: Recipient, given_grants: list[Grant], at: datetime
) -> None:
    subject = event(name)
    answer = disclose(subject, recipient, given_grants, names=Names("w", "m"), at=at)
    if isinstance(answer, Denied):
        return
    grant = next(g for g in given_grants if g.grant_id == answer.grant_id)
    kinds = subject.event_type.fields
    for field in answer.fields:
        assert kinds[field].category in grant.categories & recipient.categories
        assert kinds[field].category not in NEVER_SHARED
        assert field not in envelope_names("stories")
        assert not kinds[field].sealed


@given(st.sampled_from(sorted(event_types())), recipients, several, moments)
def test_what_is_opened_is_what_is_shown(
    name: str, recipient: Recipient, given_grants: list[Grant], at: datetime
) -> None:
    subject = event(name)
    wanted = sealed_in_sight(subject, recipient, given_grants, at=at)
    opened = {f.name: f"plain {f.name}" for f in subject.event_type.sealed_fields}
    answer = disclose(subject, recipient, given_grants, names=Names("w", "m"), at=at, opened=opened)
    shown = answer.fields if isinstance(answer, Disclosure) else {}
    sealed = {f.name for f in subject.event_type.sealed_fields}
    assert set(wanted) == sealed & set(shown)
