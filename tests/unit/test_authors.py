"""Who may author what covers every event type and lets no organisation speak for a worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from schemas.catalog import event_types
from schemas.models import MODELS
from services.common.access import Principal, Role
from services.common.authors import ATTESTS, MATRIX, SPEAKS_FOR, check_complete, may_author
from services.ingest.drafts import ItemResult, Status
from services.ingest.handlers import Author, draft
from tests.ingest_kit import sample
from tests.vault_kit import vault_of

ORGANIZATIONS = [Role.EMPLOYER, Role.PROVIDER, Role.AGENCY, Role.OPERATOR]


def test_the_matrix_names_every_event_type() -> None:
    check_complete()


@pytest.mark.parametrize("role", ORGANIZATIONS)
def test_no_organization_writes_consent_identity_erasure_or_delivery(role: Role) -> None:
    for event_type in event_types().values():
        name = event_type.name
        if event_type.family in {"consent", "identity", "delivery"} or name.startswith("Erasure"):
            assert not may_author(role, name), name


def test_a_worker_writes_only_about_what_the_worker_says() -> None:
    mine = {name for name, roles in MATRIX.items() if Role.WORKER in roles}
    about_the_own_life = {"ExperienceRecorded", "GoalStated", "InterestExpressed", "SkillClaimed"}
    answers = {"OfferAnswered", "PromiseAccepted", "PromiseDisputed", "TrainingRequested"}
    assert mine == about_the_own_life | answers


@pytest.mark.parametrize("role", list(Role))
def test_what_every_way_in_ends_at_refuses_what_is_not_the_roles_own(role: Role) -> None:
    """CSV rows, xAPI statements, SCIM users and Kafka records come as models, posts as JSON."""
    worker_id = "5f70436f-cabf-4035-bc68-949867c269db"
    subject = worker_id if role is Role.WORKER else "acme"
    author = Author.of(Principal(role, subject, "k"))
    vault, at = vault_of(bytes(32)), datetime(2026, 3, 1, tzinfo=UTC)
    for name in event_types():
        item = sample(name) | ({"worker_id": worker_id} if "worker_id" in sample(name) else {})
        model = MODELS[name].model_validate_json(json.dumps(item))
        for given in (item, model):
            made = draft(given, author, vault, at, timedelta(days=1))
            refused = isinstance(made, ItemResult) and made.status is Status.FORBIDDEN
            assert refused == (not may_author(role, name)), f"{role} {name}: {made}"


def test_a_provider_does_not_promote_and_an_employer_does_not_award() -> None:
    assert not may_author(Role.PROVIDER, "Promoted")
    assert not may_author(Role.EMPLOYER, "TrainingCompleted")
    assert not may_author(Role.EMPLOYER, "NoSuchEvent")


def test_the_field_that_names_the_speaker_exists() -> None:
    for name, field in SPEAKS_FOR.items():
        assert field in event_types()[name].fields


def test_who_attests_in_which_role_is_said_of_every_role_and_symbol() -> None:
    symbols = frozenset(event_types()["SkillAttested"].fields["attested_by"].avro_type["symbols"])
    assert ATTESTS.keys() == set(Role)
    assert frozenset().union(*ATTESTS.values()) == ATTESTS[Role.OPERATOR] == symbols
    for role in Role:
        assert bool(ATTESTS[role]) == may_author(role, "SkillAttested")
        assert "SUPERVISOR" not in ATTESTS[role] or role in (Role.EMPLOYER, Role.OPERATOR)
        assert "ASSESSOR" not in ATTESTS[role] or role is not Role.EMPLOYER


@pytest.mark.parametrize("role", ORGANIZATIONS)
def test_nobody_attests_as_somebody_elses_people(role: Role) -> None:
    author, vault = Author.of(Principal(role, "acme", "k")), vault_of(bytes(32))
    for symbol in ATTESTS[Role.OPERATOR]:
        item = sample("SkillAttested", attested_by=symbol)
        model = MODELS["SkillAttested"].model_validate_json(json.dumps(item))
        for given in (item, model):
            made = draft(given, author, vault, datetime(2026, 3, 1, tzinfo=UTC), timedelta(days=1))
            if symbol in ATTESTS[role]:
                assert not isinstance(made, ItemResult)
                continue
            assert isinstance(made, ItemResult)
            assert made.status is Status.FORBIDDEN
            (error,) = made.errors
            assert (error.field, error.problem) == (
                "attested_by",
                f"{role.value} may not attest as {symbol}",
            )
            assert error.fix.startswith("Write one of ")
            assert all(allowed in error.fix for allowed in ATTESTS[role] - {"UNKNOWN"})
