"""Sharing agreements decide what may be sent and received: laws, words, and what is signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.agreements import (
    Agreement,
    State,
    is_free,
    receiving_refused,
    sending_refused,
)
from services.common.errors import Problem
from services.demo.forms import agreement_fields
from services.demo.region import generate
from services.ingest.agreement_order import AgreementOrder, Version, ending, sendable, signing

NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
LONGEST = timedelta(days=3_660)
MINE = "river-college"

days = st.integers(-4, 4).map(lambda n: NOW + timedelta(days=n))
families = st.sampled_from(["training", "skill", "training.TrainingCompleted"])
categories = st.sampled_from(["training", "skill", "wage"])
purposes = st.sampled_from(["hiring", "advancement"])
agreements = st.builds(
    Agreement,
    agreement_id=st.sampled_from(["mou-1", "mou-2", "mou-3"]),
    organization_id=st.sampled_from([MINE, "acme"]),
    version=st.just(1),
    sends=st.frozensets(families),
    receives=st.frozensets(categories),
    purposes=st.frozensets(purposes),
    valid_from=days,
    valid_until=st.none() | days,
    ended=st.booleans(),
)
several = st.lists(agreements, max_size=5)


def agreement(**fields: Any) -> Agreement:
    made = Agreement(
        "mou-1",
        MINE,
        1,
        frozenset({"training"}),
        frozenset({"training"}),
        frozenset({"hiring"}),
        NOW,
        NOW + YEAR,
    )
    return replace(made, **fields)


def in_force(one: Agreement, at: datetime) -> bool:
    """The rule in other words: begun, not over, not ended, and ours."""
    over = one.valid_until is not None and not at < one.valid_until
    return one.organization_id == MINE and one.valid_from <= at and not over and not one.ended


@given(several, days)
def test_an_event_may_be_sent_exactly_when_an_agreement_in_force_names_it(
    on_file: list[Agreement], at: datetime
) -> None:
    for family, name in product(["training", "skill"], ["TrainingCompleted", "SkillAttested"]):
        named = [a for a in on_file if {family, f"{family}.{name}"} & a.sends]
        refused = sending_refused(MINE, family, name, on_file, at=at)
        assert (refused is None) == any(in_force(a, at) for a in named)


@given(several, days, st.frozensets(categories, min_size=1), st.frozensets(purposes, min_size=1))
def test_it_may_be_received_exactly_when_every_part_is_covered_for_every_purpose(
    on_file: list[Agreement], at: datetime, parts: frozenset[str], why: frozenset[str]
) -> None:
    covered = {pair for a in on_file if in_force(a, at) for pair in product(a.receives, a.purposes)}
    refused = receiving_refused(MINE, parts, why, on_file, at=at)
    assert (refused is None) == (set(product(parts, why)) <= covered)


@given(several, agreements, days)
def test_one_more_agreement_never_takes_anything_away(
    on_file: list[Agreement], more: Agreement, at: datetime
) -> None:
    if sending_refused(MINE, "training", "TrainingCompleted", on_file, at=at) is None:
        assert (
            sending_refused(MINE, "training", "TrainingCompleted", [*on_file, more], at=at) is None
        )


@given(several, days)
def test_a_refusal_names_who_and_what_and_the_way_out(
    on_file: list[Agreement], at: datetime
) -> None:
    refused = sending_refused(MINE, "wage", "WageChanged", on_file, at=at)
    assert refused is not None
    assert MINE in refused.problem
    assert "wage.WageChanged" in refused.problem
    assert refused.fix
    # Nothing of another organisation's terms is told.
    assert "acme" not in refused.problem


@pytest.mark.parametrize(
    ("on_file", "words"),
    [
        ([], "there is none on file"),
        ([agreement(ended=True)], "mou-1 was ended"),
        ([agreement(valid_until=NOW)], "mou-1 ran out on 2026-03-01"),
        ([agreement(valid_from=NOW + YEAR, valid_until=None)], "mou-1 begins on 2027-03-01"),
        ([agreement(sends=frozenset({"skill", "identity"}))], "send identity, skill"),
    ],
    ids=["none", "ended", "expired", "not yet", "another family"],
)
def test_the_nearest_miss_is_told(on_file: list[Agreement], words: str) -> None:
    refused = sending_refused(MINE, "training", "TrainingCompleted", on_file, at=NOW)
    assert refused is not None
    assert words in refused.problem


def test_an_agreement_begins_at_its_first_moment_and_is_over_at_its_last() -> None:
    one = agreement(valid_from=NOW, valid_until=NOW + YEAR)
    microsecond = timedelta(microseconds=1)
    states = [
        one.state(at) for at in (NOW - microsecond, NOW, NOW + YEAR - microsecond, NOW + YEAR)
    ]
    assert states == [State.NOT_YET, State.LIVE, State.LIVE, State.EXPIRED]


def test_only_where_none_is_required_and_none_is_on_file_is_nobody_bound() -> None:
    assert is_free([], required=False)
    assert not is_free([], required=True)
    assert not is_free([agreement(ended=True)], required=False)


def order(**fields: Any) -> AgreementOrder:
    given = {"agreement_id": "mou-1", "organization_id": MINE, "sends": ["training"], **fields}
    return AgreementOrder.model_validate(given)


def sign(versions: list[Version], **fields: Any) -> Version:
    return signing(order(**fields), versions, now=NOW, longest=LONGEST)


@pytest.mark.parametrize(
    ("fields", "field", "fix"),
    [
        ({"sends": ["trainings"]}, "sends", "Did you mean training?"),
        ({"sends": ["TrainingCompleted"]}, "sends", "training.TrainingCompleted"),
        ({"sends": []}, "sends", "Name what"),
        ({"receives": ["training"]}, "purposes", "both or neither"),
        ({"valid_from": NOW, "valid_until": NOW}, "valid_until", "later day"),
        ({"valid_from": NOW - YEAR, "valid_until": NOW}, "valid_until", "later day"),
        ({"valid_until": NOW + 20 * YEAR}, "valid_until", "leave it out"),
    ],
    ids=["unknown", "no family", "nothing", "no purpose", "until before from", "over", "too long"],
)
def test_what_is_wrong_is_told_with_field_and_fix(
    fields: dict[str, Any], field: str, fix: str
) -> None:
    with pytest.raises(Problem) as caught:
        sign([], **fields)
    assert caught.value.status == 422
    assert [error.field for error in caught.value.errors] == [field]
    assert fix in (caught.value.errors[0].fix or "")


def test_every_family_and_every_type_can_be_named() -> None:
    for name, event_type in event_types().items():
        assert {event_type.family, f"{event_type.family}.{name}"} <= sendable()


def test_the_same_order_again_is_the_same_version_whenever_it_comes() -> None:
    first = sign([])
    later = signing(order(), [first], now=NOW + YEAR, longest=LONGEST)
    assert later == first


def test_versions_count_up_by_one_and_other_terms_need_the_next() -> None:
    first = sign([])
    second = sign([first], version=2, sends=["skill"])
    assert (second.version, second.sends) == (2, ("skill",))
    assert second.signed_at > first.signed_at  # the latest wins, also when clocks are the same
    for number in (3, 7):
        with pytest.raises(Problem, match="is 2, not"):
            sign([first], version=number)


def test_an_ended_agreement_stays_ended() -> None:
    first = sign([])
    ended = ending([first], now=NOW)
    assert (ended.version, ended.ended) == (2, True)
    assert ending([ended, first], now=NOW) == ended
    with pytest.raises(Problem, match="was ended"):
        sign([ended, first], version=3)


def test_an_agreement_is_one_organisations() -> None:
    with pytest.raises(Problem, match="another organisation"):
        sign([sign([])], organization_id="acme", version=2)


def test_the_demo_regions_agreements_cover_all_that_its_organisations_send() -> None:
    for told in generate(60, 1):
        author = told.happening.author
        if author.role.value in ("worker", "operator"):
            continue
        terms = agreement_fields(author.role)
        family = event_types()[told.happening.event_type].family
        assert family in terms["sends"], (author.id, told.happening.event_type)
        assert set(terms["sends"]) <= sendable()
