"""What happened, as people read it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.catalog import event_types
from services.common.codec import decode
from services.common.consent import NEVER_SHARED
from services.portal.facts import NOT_ON_TIME_LINE, fact_of, promise_state
from services.portal.i18n import language
from services.portal.remembered import Remembered
from services.portal.sayings import SAY, Known
from services.portal.words import occupation, readable, seen_words, skill
from tests.browser import people

ROSA = uuid4()
EN, ES = language("en"), language("es")
# Never sent to anybody, so "who sees it" needs no words for them.
NOT_SENT = {name for name, kind in event_types().items() if kind.category in NEVER_SHARED}

BACK = {
    "employer_id": "acme-foods",
    "withdrawn_at": people.ago(3),
    "withdrawn_by": ["acme-foods"],
}


def known(**promises: Any) -> Known:
    return Known(now=people.NOW, names={"acme-foods": "Acme Foods"}, titles={}, promises=promises)


def test_every_kind_of_event_has_its_words() -> None:
    about_people = {name for name, kind in event_types().items() if kind.topic != "directory"}

    assert about_people - NOT_ON_TIME_LINE - SAY.keys() == set()
    assert about_people - NOT_SENT == seen_words(EN).keys()


def test_rosas_story_is_told_in_both_languages_without_codes() -> None:
    for event in people.rosa(ROSA):
        for t in (EN, ES):
            fact = fact_of(decode(event.value), t, known())
            said = f"{fact.label} {fact.name} {fact.extra} {fact.who}"
            assert "_" not in said
            assert ":" not in said
            assert fact.label != t.gettext("Something new on your record")


def test_what_the_worker_said_is_not_called_checked() -> None:
    for event in people.rosa(ROSA):
        decoded = decode(event.value)
        fact = fact_of(decoded, EN, known())
        if decoded.fields["actor_role"] == "WORKER":
            assert (fact.who, fact.state) == ("You", fact.state)
            assert fact.state is not None
            assert fact.state.word == "From you"
        elif decoded.name == "TrainingCompleted":
            assert fact.state is not None
            assert fact.state.word == "Checked"


@pytest.mark.parametrize(
    ("reason", "english", "spanish"),
    [
        ("NOT_KEPT", "You said a promise was not kept", "Usted dijo que una promesa no se cumplió"),
        ("QUESTION", "You asked about a promise", "Usted preguntó por una promesa"),
        ("OTHER", "You said a promise is not right", "Usted dijo que una promesa no está bien"),
    ],
)
def test_what_the_person_said_of_a_promise(reason: str, english: str, spanish: str) -> None:
    own = {"promise_id": "p-1", "reason": reason, "statement": None}
    event = decode(people.about("PromiseDisputed", ROSA, people.WORKER, people.ago(1), **own).value)
    promises = known(**{"p-1": {"outcome": "INTERVIEW"}})

    for t, label, name in ((EN, english, "an interview"), (ES, spanish, "una entrevista")):
        fact = fact_of(event, t, promises)
        assert (fact.label, fact.name, fact.extra) == (label, name, None)


def test_a_day_that_is_not_known_is_not_made_up() -> None:
    own = {**people.course("e-1"), "reason": "WITHDREW", "day_known": False}
    event = people.about("TrainingExited", ROSA, people.COLLEGE, people.ago(3), **own)

    assert fact_of(decode(event.value), EN, known()).when == "Day not known"


@pytest.mark.parametrize(
    ("promise", "word"),
    [
        ({}, "Open"),
        ({"due_at": people.ago(-1)}, "Open"),
        ({"due_at": people.ago(1)}, "Late"),
        ({"due_at": people.ago(1), "kept_at": people.ago(2)}, "Kept"),
        (
            {"due_at": people.ago(3), "kept_at": people.ago(2), "lapsed_at": people.ago(3)},
            "Kept late",
        ),
        ({"due_at": people.ago(3), "lapsed_at": people.ago(3)}, "Late"),
        ({"due_at": people.ago(90), "lapsed_at": people.ago(90)}, "Late"),
        ({"due_at": people.ago(91), "lapsed_at": people.ago(91)}, "Not kept"),
        ({"due_at": people.ago(91)}, "Late"),
        (BACK, "Taken back"),
        (BACK | {"due_at": people.ago(4), "lapsed_at": people.ago(4)}, "Late"),
        (BACK | {"due_at": people.ago(-4), "kept_at": people.ago(5)}, "Kept"),
        (BACK | {"employer_id": "harbor-logistics"}, "Open"),
        ({"declined_at": people.ago(3)}, "You said no"),
    ],
)
def test_the_state_of_a_promise(promise: dict[str, Any], word: str) -> None:
    assert promise_state(promise, EN, people.NOW).word == word


@pytest.mark.parametrize(
    ("promise", "word"),
    [
        ({}, "Abierta"),
        ({"due_at": people.ago(1)}, "Tarde"),
        ({"due_at": people.ago(1), "kept_at": people.ago(2)}, "Cumplida"),
        ({"due_at": people.ago(3), "kept_at": people.ago(2)}, "Cumplida tarde"),
        ({"declined_at": people.ago(3)}, "Usted dijo no"),
        (BACK, "Retirada"),
    ],
)
def test_the_state_of_a_promise_in_spanish(promise: dict[str, Any], word: str) -> None:
    assert promise_state(promise, ES, people.NOW).word == word


def test_codes_become_names() -> None:
    assert skill("onet:2.B.1.e", EN) == "Teaching others"
    assert skill("onet:2.B.1.e", ES) == "Enseñar a otros"
    assert skill("skill:forklift-driving", ES) == "Forklift driving"
    assert occupation("53-7051.00") == "Industrial Truck and Tractor Operators"
    assert occupation("00-0000.00") is None
    assert readable("") == ""


def test_dates_and_money_are_as_people_write_them() -> None:
    at = people.NOW.replace(year=2026, month=5, day=3)

    assert EN.date(at) == "3 May 2026"
    assert ES.date(at) == "3 de mayo de 2026"
    assert EN.money(people.Decimal("1234.50"), "USD") == "$1,234.50"
    assert ES.money(people.Decimal("19.75"), "USD") == "$19.75"


async def test_a_remembered_answer_is_asked_once_at_a_time_and_again_when_it_is_old() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    kept, fleeting = Remembered(ask, lasts_s=60), Remembered(ask, lasts_s=-1)
    assert set(await asyncio.gather(*(kept.get() for _ in range(5)))) == {1}
    assert [await fleeting.get(), await fleeting.get()] == [2, 3]


async def test_a_failed_question_is_asked_again() -> None:
    answers = iter([ConnectionRefusedError(), 7])

    async def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Remembered(ask, lasts_s=timedelta(hours=1).total_seconds())
    with pytest.raises(ConnectionRefusedError):
        await kept.get()
    assert await kept.get() == 7
