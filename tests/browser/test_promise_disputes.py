"""A person says that a promise was not kept, or asks about it; and what the employer sees of that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from services.common.access import Role
from services.portal.store import decoded
from services.promises.settings import PromisesSettings
from services.promises.worker import PromisesWorker
from tests.browser import people
from tests.browser.checks import assert_axe_finds_nothing
from tests.browser.conftest import Cast, Visitor, follow
from tests.processes import until

pytestmark = pytest.mark.browser
WORDS = "No one has called me.\nI did my part in spring."
SAID = "You said it was not kept"


@pytest.fixture(scope="module")
def followed(cast: Cast) -> Iterator[Cast]:
    """The site with the worker that finds out how promises stand."""
    settings = PromisesSettings(look_every=timedelta(milliseconds=50))
    worker = PromisesWorker(cast.site.settings, settings)

    async def start() -> asyncio.Task[None]:
        return asyncio.create_task(worker.run())

    async def end() -> None:
        worker.stop()
        await running

    running = cast.site.do(start())
    yield cast
    cast.site.do(end())


@pytest.fixture
def lena(followed: Cast) -> UUID:
    """A person whom Acme owes an interview since some days."""
    return followed.site.do(_owed(followed, "Lena Brook"))


async def _owed(cast: Cast, name: str) -> UUID:
    log, pool = cast.site.log, cast.site.pool
    worker_id = await log.register(name, at=people.ago(100))
    for event in people.lapsed_promise(worker_id, f"s-{worker_id}"):
        await log.add(event)

    async def is_told() -> bool:
        query = "SELECT lapsed_at FROM read.promise WHERE worker_id = $1"
        return await pool.fetchval(query, worker_id) is not None

    await until(is_told, within_s=45)
    return worker_id


def disputes(cast: Cast, worker_id: UUID) -> list[str]:
    """The reasons that are on the record, the first one first."""

    query = """
        SELECT event_id, schema_id, payload FROM read.story
        WHERE worker_id = $1 AND event_type = 'PromiseDisputed' ORDER BY occurred_at
    """
    rows = cast.site.do(_rows(cast, query, worker_id))
    return [event.fields["reason"] for row in rows if (event := decoded(row))]


async def _rows(cast: Cast, query: str, *values: object) -> list[Mapping[str, Any]]:
    return [dict(row) for row in await cast.site.pool.fetch(query, *values)]


def today() -> str:
    now = datetime.now(UTC)
    return f"{now.day} {now:%B %Y}"


def card(page: Page) -> str:
    return re.sub(r"\s+", " ", page.inner_text(".promise"))


def test_it_was_not_kept_is_said_without_javascript(
    browser: Browser, followed: Cast, lena: UUID
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = Visitor(context, followed).sign_in(lena)
    follow(page.get_by_role("link", name="Acme Foods promised you an interview."))
    follow(page.get_by_role("link", name="It was not kept An interview"))
    day = people.ago(90)
    made = f"Acme Foods promised you an interview on {day.day} {day:%B %Y}."
    assert made in page.inner_text("main")
    assert "You do not share your promises with Acme Foods now." in page.inner_text("#words-hint")
    page.get_by_label("What happened? You may leave this empty.").fill(WORDS)
    days = [today()]
    follow(page.get_by_role("button", name="Send"))
    days.append(today())  # another one when midnight has just been

    assert page.get_by_role("status").inner_text().startswith("Noted.")
    said = re.sub(r"\s+", " ", WORDS)
    shown = card(page)
    assert any(f"{SAID} {day} {said} Ask about it An interview" in shown for day in days), shown
    assert page.locator(".promise .state").inner_text() == "Late", "they have not kept it"
    assert page.get_by_role("link", name="It was not kept").count() == 0
    assert disputes(followed, lena) == ["NOT_KEPT"]
    follow(page.get_by_role("link", name="My story"))
    fact = page.locator(".fact").first.inner_text()
    assert "You said a promise was not kept" in fact
    assert "From you" in fact
    context.close()


def test_a_question_is_asked_in_spanish(visit: Visitor, lena: UUID) -> None:
    visit.sign_in(lena)
    page = visit.open("/me/promises?lang=es")
    follow(page.get_by_role("link", name="Preguntar por ella Una entrevista"))
    follow(page.get_by_role("button", name="Enviar"))

    wrong = "Escriba su pregunta."
    expect(page).to_have_title(re.compile("^Error: Preguntar por ella"))
    assert page.evaluate("document.activeElement.className") == "error"
    assert page.get_by_role("alert").get_by_role("link").get_attribute("href") == "#words"
    assert page.inner_text("#words-error") == wrong
    assert_axe_finds_nothing(page, "a question with an error")
    assert disputes(visit.cast, lena) == []

    page.get_by_label("¿Qué quiere saber?").fill("¿Cuándo es la <b>entrevista</b>?")
    follow(page.get_by_role("button", name="Enviar"))
    assert page.get_by_role("status").inner_text().startswith("Anotado.")
    assert "Usted preguntó por ella" in card(page)
    assert "¿Cuándo es la <b>entrevista</b>?" in card(page)
    assert page.get_by_role("link", name="Preguntar por ella").count() == 1
    assert disputes(visit.cast, lena) == ["QUESTION"]
    assert "Usted preguntó por una promesa" in visit.open("/me?lang=es").inner_text("main")


def sent(page: Page) -> dict[str, str]:
    return page.locator("form.stack").evaluate(
        "form => Object.fromEntries([...new FormData(form)].map(([k, v]) => [k, v]))"
    )


def test_a_form_that_is_sent_twice_says_it_once(visit: Visitor, lena: UUID) -> None:
    visit.sign_in(lena)
    page = visit.open(f"/me/promises/s-{lena}/question")
    form = sent(page) | {"words": "When?"}
    for _ in range(3):
        answer = visit.context.request.post(page.url, form=form)
        assert "Your question now stands in your record." in answer.text()
    assert disputes(visit.cast, lena) == ["QUESTION"]

    form = sent(visit.open(f"/me/promises/s-{lena}/question")) | {"words": "And where?"}
    assert visit.context.request.post(page.url, form=form).ok
    assert disputes(visit.cast, lena) == ["QUESTION", "QUESTION"]
    assert "And where?" in card(visit.open("/me/promises"))


def test_what_is_written_anew_is_said_too(visit: Visitor, lena: UUID) -> None:
    visit.sign_in(lena)
    page = visit.open(f"/me/promises/s-{lena}/not-kept")
    form = sent(page) | {"words": WORDS}
    for words in (WORDS, "Something else", WORDS):
        assert visit.context.request.post(page.url, form=form | {"words": words}).ok

    assert disputes(visit.cast, lena) == ["NOT_KEPT", "NOT_KEPT"]


def test_what_is_too_long_or_comes_too_late_is_told_and_kept(visit: Visitor, lena: UUID) -> None:
    visit.sign_in(lena)
    page = visit.open(f"/me/promises/s-{lena}/question")
    page.get_by_role("textbox").evaluate("box => box.removeAttribute('maxlength')")
    page.get_by_role("textbox").fill("x" * 1001)
    follow(page.get_by_role("button", name="Send"))
    assert page.inner_text("#words-error") == "Use at most 1,000 letters."
    assert page.get_by_role("textbox").input_value() == "x" * 1001

    page.get_by_role("textbox").fill("When?")
    keep(visit.cast, lena)
    follow(page.get_by_role("button", name="Send"))
    told = "This promise has changed. Go back and look at it."
    assert page.inner_text("#words-error") == told
    assert page.get_by_role("textbox").input_value() == "When?"
    assert disputes(visit.cast, lena) == []
    follow(page.get_by_role("link", name="Back to my promises"))
    assert page.locator(".promise .state").inner_text() == "Kept late"
    assert page.get_by_role("link", name="It was not kept").count() == 1
    assert page.get_by_role("link", name="Ask about it").count() == 0


def keep(cast: Cast, worker_id: UUID) -> None:
    """The interview takes place, too late."""

    async def is_kept() -> bool:
        query = "SELECT kept_at FROM read.promise WHERE worker_id = $1"
        return await cast.site.pool.fetchval(query, worker_id) is not None

    own = {"interview_id": f"i-{worker_id}", "employer_id": "acme-foods", "promise_id": None}
    held = people.about("InterviewHeld", worker_id, people.ACME, people.ago(1), **own)
    cast.site.do(cast.site.log.add(held))
    cast.site.do(until(is_kept, within_s=45))


def test_somebody_elses_promise_is_not_there_and_nothing_comes_from_elsewhere(
    visit: Visitor, lena: UUID
) -> None:
    visit.sign_in(visit.cast.ben)
    site = visit.cast.site.url
    for path in (f"s-{lena}/question", f"s-{lena}/not-kept", "made-up/question"):
        address = f"{site}/me/promises/{path}"
        assert visit.context.request.get(address).status == 404
    follow(visit.page.get_by_role("button", name="Sign out"))
    visit.sign_in(lena)
    page = visit.open(f"/me/promises/s-{lena}/question")
    form = sent(page) | {"words": "When?"}
    for wrong in ({"form_token": "made-up"}, {"form_token": ""}):
        assert visit.context.request.post(page.url, form=form | wrong).status == 403
    address = f"{site}/me/promises/s-{lena}/praise"
    assert visit.context.request.post(address, form=form).status == 404
    assert disputes(visit.cast, lena) == []


def test_the_employer_sees_it_while_the_person_shares(visit: Visitor, lena: UUID) -> None:
    site, grant_id = visit.cast.site, uuid4()

    async def shares() -> str:
        at = people.ago(1)
        await site.log.add(people.grant(lena, grant_id, "acme-foods", "promise", at=at))
        await site.read()
        return await site.key(Role.WORKER, str(lena))

    key = site.do(shares())
    visit.sign_in(lena)
    page = visit.open(f"/me/promises/s-{lena}/not-kept")
    assert "Acme Foods sees them, too." in page.inner_text("#words-hint")
    page.get_by_role("textbox").fill(f"{WORDS} {lena.hex}")
    follow(page.get_by_role("button", name="Send"))
    follow(page.get_by_role("button", name="Sign out"))

    visit.open("/demo")
    follow(page.get_by_role("button", name="Acme Foods"))
    (line,) = [text for text in page.locator(".is-said > li").all_inner_texts() if lena.hex in text]
    assert re.match(r"Person w-\w{4}\s+An interview\s+Says it was not kept\s+No one", line)
    assert "Lena" not in line
    httpx.delete(
        f"{site.url}/v1/grants/{grant_id}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    ).raise_for_status()
    assert lena.hex not in visit.open("/team").inner_text("main")
