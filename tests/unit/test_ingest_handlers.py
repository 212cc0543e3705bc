"""What the write edge decides without I/O: who may say what, and when two events say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid4, uuid5

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import EventType, event_types, versions
from schemas.models import MODELS, WageChanged
from services.common.access import Principal, Role
from services.common.authors import MATRIX, SPEAKS_FOR
from services.common.codec import encode
from services.common.ids import event_id_of
from services.ingest.avro_body import events_of
from services.ingest.cloud_events import Sender
from services.ingest.drafts import Draft, ItemResult, Status, canonical, content_of, micros
from services.ingest.explain import echo
from services.ingest.handlers import Author, draft
from tests.ingest_kit import SOURCE, WORKER, enrolled, sample
from tests.vault_kit import vault_of

VAULT = vault_of(bytes(range(32)))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(hours=24)
ORGANIZATIONS = [role for role in Role if role is not Role.WORKER]


def principal(role: Role, subject: str = SOURCE) -> Principal:
    return Principal(role, str(WORKER) if role is Role.WORKER else subject, "key-1")


def drafted(item: Any, role: Role = Role.PROVIDER, subject: str = SOURCE) -> Draft | ItemResult:
    return draft(item, Author.of(principal(role, subject)), VAULT, NOW, DAY)


def refused(item: Any, role: Role = Role.PROVIDER, subject: str = SOURCE) -> ItemResult:
    found = drafted(item, role, subject)
    assert isinstance(found, ItemResult), f"was taken: {item}"
    return found


def taken(item: Any, role: Role = Role.PROVIDER, subject: str = SOURCE) -> Draft:
    found = drafted(item, role, subject)
    assert isinstance(found, Draft), found
    return found


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("role", Role)
def test_the_author_matrix_is_what_is_enforced(role: Role, name: str) -> None:
    field = SPEAKS_FOR.get(name, "organization_id" if "entity_id" in sample(name) else None)
    own = {field: SOURCE} if field else {}

    found = drafted(sample(name, **own), role)

    if role in MATRIX[name]:
        assert isinstance(found, Draft), found
    else:
        assert isinstance(found, ItemResult)
        assert found.status is Status.FORBIDDEN
        assert found.errors[0].field == "type"
        assert role.value in found.errors[0].problem
        assert name in found.errors[0].problem


@pytest.mark.parametrize("role", ORGANIZATIONS)
@pytest.mark.parametrize(
    "name",
    [n for n, e in event_types().items() if e.family == "consent" or e.topic == "deliveries"]
    + ["WorkerRegistered", "ConnectionConfigured"],
)
def test_no_organisation_says_what_the_worker_agreed_to_or_what_was_delivered(
    role: Role, name: str
) -> None:
    assert refused(sample(name), role).status is Status.FORBIDDEN


@pytest.mark.parametrize(("name", "field"), SPEAKS_FOR.items())
def test_nobody_speaks_for_another_organisation(name: str, field: str) -> None:
    role = Role.EMPLOYER if Role.EMPLOYER in MATRIX[name] else Role.PROVIDER

    refusal = refused(sample(name, **{field: "somebody-else"}), role)

    assert refusal.status is Status.FORBIDDEN
    assert refusal.errors[0].field == field
    assert taken(sample(name, **{field: "somebody-else"}), Role.OPERATOR, "hub")


def test_a_provider_publishes_its_own_programmes_and_an_agency_those_of_others() -> None:
    item = sample("ProgrammePublished", organization_id="somebody-else")
    assert refused(item).errors[0].field == "organization_id"
    assert taken(item, Role.AGENCY, "state-agency")


def test_a_worker_speaks_about_itself_alone() -> None:
    item = sample("SkillClaimed")
    assert taken(item, Role.WORKER).worker_id == WORKER
    item.pop("worker_id")
    assert taken(item, Role.WORKER).worker_id == WORKER
    about_another = refused({**item, "worker_id": str(uuid4())}, Role.WORKER)
    assert about_another.status is Status.FORBIDDEN
    by_number = refused({**item, "source_record_id": "r-1"}, Role.WORKER)
    assert by_number.status is Status.FORBIDDEN
    assert refused({**item, "actor_id": "boss"}, Role.WORKER).errors[0].field == "actor_id"
    # Whose event that is, nobody has looked.
    replacing = refused({**item, "supersedes": str(uuid4())}, Role.WORKER)
    assert replacing.errors[0].field == "supersedes"


def test_two_workers_may_use_the_same_event_number() -> None:
    item = sample("SkillClaimed", source_event_id="1")
    item.pop("worker_id")
    other = Author.of(Principal(Role.WORKER, str(uuid4()), "key-2"))

    first = taken(item, Role.WORKER)
    second = draft(item, other, VAULT, NOW, DAY)

    assert isinstance(second, Draft)
    assert first.event_id != second.event_id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "TrainingEnroled"}, "type"),
        ({"type": None}, "type"),
        ({"type": 7}, "type"),
        ({"course_id": None}, "course_id"),
        ({"course_id": 7}, "course_id"),
        ({"course_id": "two words"}, "course_id"),
        ({"course_id": "forklift\n"}, "course_id"),
        ({"kurs_id": "forklift"}, "kurs_id"),
        ({"occurred_at": "2026-01-05"}, "occurred_at"),
        ({"occurred_at": "2026-01-05T09:00:00"}, "occurred_at"),
        ({"occurred_at": 1767603600}, "occurred_at"),
        ({"occurred_at": "1850-01-05T09:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2026-03-02T00:00:01Z"}, "occurred_at"),
        ({"worker_id": "ana"}, "worker_id"),
        ({"source_record_id": None}, "worker_id"),
        ({"source_record_id": "x" * 201}, "source_record_id"),
        ({"source_record_id": "a\u0000b"}, "source_record_id"),
        ({"event_id": str(uuid4()), "source_event_id": "1"}, "event_id"),
        ({"event_id": str(event_id_of(SOURCE, "1"))}, "event_id"),
        ({"event_id": str(UUID(int=0))}, "event_id"),
        ({"actor_id": "Ana Lopez"}, "actor_id"),
    ],
)
def test_bad_input_names_the_field_and_the_fix(change: dict[str, Any], field: str) -> None:
    refusal = refused(enrolled(**change))

    assert refusal.status is Status.INVALID
    assert [error.field for error in refusal.errors] == [field]
    assert refusal.errors[0].problem
    assert refusal.errors[0].fix


def test_a_missing_field_is_named() -> None:
    item = enrolled()
    del item["course_id"]
    (error,) = refused(item).errors
    assert (error.field, error.problem) == ("course_id", "is missing")


@pytest.mark.parametrize("item", [3, None, "x", ["a"], {}])
def test_what_is_no_event_is_refused(item: Any) -> None:
    assert refused(item).status is Status.INVALID


def test_a_day_ahead_is_still_taken() -> None:
    assert taken(enrolled(occurred_at="2026-03-02T00:00:00Z"))


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_that_no_reader_can_hold_is_refused(year: str) -> None:
    item = sample("CredentialAwarded", expires_at=year)
    assert [error.field for error in refused(item).errors] == ["expires_at"]


def test_answers_repeat_little_of_what_came_in() -> None:
    bad = "x" * 5_000 + "\x1b[31m\n"
    for item in (enrolled(course_id=bad), enrolled(**{bad: 1}), enrolled(type=bad)):
        text = orjson.dumps(refused(item).as_dict())
        assert b"x" * 81 not in text
        assert b"\\u001b" not in text
    assert len(echo(bad)) <= 80


def test_what_is_nested_without_end_is_repeated_in_a_few_characters() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = {"k": [deep]}
    for value in (deep, [deep] * 1_000, {"a": deep, "b": "x" * 5_000}, list(range(10_000))):
        assert len(echo(value)) <= 80
    assert echo([1, "two", None]) == "[1, 'two', None]"


def test_sealed_text_is_not_repeated_in_a_refusal() -> None:
    name = "Maria Sanchez " * 200
    (error,) = refused(enrolled(source_record_id=name)).errors
    assert "Maria" not in error.problem


WAGE = {"employment_id": "j-1", "employer_id": "acme", "wage_currency": "USD"}
WAGE |= {"wage_period": "HOUR"}


def wage(amount: str, occurred_at: str) -> WageChanged:
    item = {"type": "WageChanged", "worker_id": str(WORKER), "wage_amount": amount, **WAGE}
    return WageChanged.model_validate_json(orjson.dumps({**item, "occurred_at": occurred_at}))


@given(
    cents=st.integers(0, 10**9),
    instant=st.datetimes(
        min_value=datetime(1900, 1, 2),  # noqa: DTZ001
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_two_spellings_of_the_same_values_are_one_content(
    cents: int, instant: datetime, minutes: int
) -> None:
    amount = Decimal(cents).scaleb(-2)
    elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes)))

    one = wage(f"{amount:.2f}", instant.isoformat())
    other = wage(format(amount.normalize(), "f"), elsewhere.isoformat())

    assert canonical(one, "acme") == canonical(other, "acme")
    assert canonical(one, "acme", micros(one.occurred_at)) == canonical(one, "acme")
    assert content_of(VAULT, one, "acme") == content_of(VAULT, other, "acme")


@given(
    one=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    other=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_another_value_is_another_content(one: tuple[int, int], other: tuple[int, int]) -> None:
    def content(values: tuple[int, int]) -> bytes:
        cents, micros = values
        instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        return content_of(VAULT, wage(f"{Decimal(cents).scaleb(-2):.2f}", str(instant)), "acme")

    assert (content(one) == content(other)) == (one == other)


def test_an_instant_that_was_not_the_senders_word_is_no_content() -> None:
    one, other = (wage("1.00", f"2026-01-0{day}T00:00:00Z") for day in (1, 2))
    for model in (one, other):
        model.model_fields_set.discard("occurred_at")
    said = {canonical(m, "acme", us) for m in (one, other) for us in (None, micros(m.occurred_at))}
    assert len(said) == 1


def test_content_is_what_was_said_and_by_whom() -> None:
    said = taken(enrolled(source_event_id="1")).content
    assert taken(enrolled(event_id=str(uuid4()))).content == said, "a name is not content"
    assert taken(enrolled(correlation_id=None)).content == said, "null says nothing"
    later = draft(enrolled(), Author.of(principal(Role.PROVIDER)), VAULT, NOW + DAY, DAY)
    assert isinstance(later, Draft)
    assert later.content == said, "nor is the time of arrival"
    assert taken(enrolled(), Role.OPERATOR, "hub").content != said
    assert taken(enrolled(course_id="crane")).content != said
    assert (
        draft(
            enrolled(), Author.of(principal(Role.PROVIDER)), vault_of(bytes(32)), NOW, DAY
        ).content
        != said
    ), "under another master key it can't be compared"  # type: ignore[union-attr]


def test_every_optional_field_that_is_written_is_content() -> None:
    def content(name: str, item: dict[str, Any]) -> bytes:
        return content_of(VAULT, MODELS[name].model_validate_json(orjson.dumps(item)), "hub")

    for name in MODELS:
        author = Author.of(principal(Role.OPERATOR, "hub"))
        for field in event_types()[name].own_fields:
            if field.nullable:
                # A currency is left out only where there is no amount.
                none = {a: None for a, currency, _ in MODELS[name].money if currency == field.name}
                whole = sample(name, **none)
                less = {k: v for k, v in whole.items() if k != field.name}
                assert content(name, less) != content(name, whole), f"{name}.{field.name}"
        assert author.actor.source == "hub"


def test_a_default_that_is_written_out_says_nothing() -> None:
    """In any form: JSON may leave it out, Avro can not."""
    with_default = 0
    for name, model in MODELS.items():
        fields = {n: f for n, f in model.model_fields.items() if n != "type"}
        defaults = {n: f.default for n, f in fields.items() if not f.is_required()}
        less = {n: value for n, value in sample(name).items() if defaults.get(n) is None}
        written = less | {n: default for n, default in defaults.items() if default is not None}
        with_default += written != less
        one, other = (model.model_validate_json(orjson.dumps(item)) for item in (less, written))
        assert content_of(VAULT, one, "hub") == content_of(VAULT, other, "hub"), name
    assert with_default >= 6


def test_the_type_is_content_also_where_the_fields_are_the_same() -> None:
    same = {"occurred_at": NOW, "worker_id": WORKER, "interview_id": "i-1", "promise_id": uuid4()}
    held, due = (MODELS[name].model_construct(**same) for name in ("InterviewHeld", "PromiseDue"))
    assert content_of(VAULT, held, "hub") != content_of(VAULT, due, "hub")


OLDER = [v for v in versions().values() if v.version < event_types()[v.name].version]


@pytest.mark.parametrize("older", OLDER, ids=lambda older: f"{older.name}-{older.version}")
def test_an_old_datum_says_the_same_before_and_after_a_version_that_adds_a_default(
    older: EventType, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender.of(principal(Role.OPERATOR, "hub"))
    fields: dict[str, Any] = {"source": "", "actor_role": "UNKNOWN", "actor_id": ""}
    fields |= {"event_id": bytes(16), "recorded_at": NOW}
    for name, field in older.fields.items():
        value = sample(older.name).get(name)
        if value is not None:
            value = NOW if field.kind == "timestamp-micros" else value
            value = Decimal(value) if field.kind == "decimal" else value
            value = UUID(value).bytes if field.kind == "fixed" else value
            fields[name] = value.encode() if field.sealed else value
    datum = encode(older, fields)

    def content() -> bytes:
        (item,) = events_of(datum, sender, 1)
        model = MODELS[older.name].model_validate_json(orjson.dumps(dict(item), default=str))
        return content_of(VAULT, model, "hub")

    after = content()
    monkeypatch.setitem(cast(dict[str, EventType], event_types()), older.name, older)
    assert content() == after


@given(number=st.text(min_size=1))
def test_the_id_of_a_senders_number_is_the_standard_librarys(number: str) -> None:
    made = event_id_of("acme", number)
    standard = uuid5(UUID("6f1b1f6e-5d0c-5a0e-9c39-7a8b5c3d2e10"), f"acme\x1f{number}")
    assert made == standard
    assert (hash(made), str(made), made.bytes) == (hash(standard), str(standard), standard.bytes)
    assert isinstance(made, UUID)
