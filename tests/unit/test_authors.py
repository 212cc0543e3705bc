"""Who may author what covers every event type and lets no organisation speak for a worker."""

from __future__ import annotations

import pytest

from schemas.catalog import event_types
from services.common.access import Role
from services.common.authors import MATRIX, SPEAKS_FOR, check_complete, may_author

ORGANIZATIONS = [Role.EMPLOYER, Role.PROVIDER, Role.AGENCY, Role.OPERATOR]


def test_the_matrix_names_every_event_type() -> None:
    check_complete()


@pytest.mark.parametrize("role", ORGANIZATIONS)
def test_no_organization_writes_consent_identity_or_delivery(role: Role) -> None:
    for event_type in event_types().values():
        if event_type.family in {"consent", "identity", "delivery"}:
            assert not may_author(role, event_type.name), event_type.name


def test_a_worker_writes_only_about_what_the_worker_says() -> None:
    mine = {name for name, roles in MATRIX.items() if Role.WORKER in roles}
    about_the_own_life = {"ExperienceRecorded", "GoalStated", "InterestExpressed", "SkillClaimed"}
    answers = {"OfferAnswered", "PromiseAccepted", "PromiseDisputed", "TrainingRequested"}
    assert mine == about_the_own_life | answers


def test_a_provider_does_not_promote_and_an_employer_does_not_award() -> None:
    assert not may_author(Role.PROVIDER, "Promoted")
    assert not may_author(Role.EMPLOYER, "TrainingCompleted")
    assert not may_author(Role.EMPLOYER, "NoSuchEvent")


def test_the_field_that_names_the_speaker_exists() -> None:
    for name, field in SPEAKS_FOR.items():
        assert field in event_types()[name].fields
