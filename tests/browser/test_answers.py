"""What people answer: a request to share, and a new promise."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from importlib import resources
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from services.common.access import Role
from services.common.kafka import Position
from services.common.positions import wait_until_read
from services.consent.wording import wordings
from tests.browser import people
from tests.browser.checks import assert_axe_finds_nothing
from tests.browser.conftest import Cast, Visitor, follow

pytestmark = pytest.mark.browser
LOOK = """e => { const s = getComputedStyle(e), b = e.getBoundingClientRect();
    return [Math.round(b.width), b.height, s.fontSize, s.fontWeight, s.color, s.backgroundColor, s.borderColor] }"""


@pytest.fixture
def asked(cast: Cast) -> Callable[..., tuple[UUID, str]]:
    """Makes a person whom Acme asks, with some training and a skill."""

    async def made(days: float) -> tuple[UUID, str]:
        log, request_id = cast.site.log, str(uuid4())
        worker_id = await log.register("Nina", at=people.ago(300))
        finished = {"result": "PASSED", "score": 0.8}
        for number in range(3):
            own = people.course(f"e-{number}")
            at = people.ago(90 - number)
            await log.add(
                people.about("TrainingCompleted", worker_id, people.COLLEGE, at, **own, **finished)
            )
        skill = {"skill_id": "skill:forklift-driving", "level": "CAN_DO"}
        await log.add(
            people.about("SkillClaimed", worker_id, people.WORKER, people.ago(80), **skill),
            people.request(worker_id, request_id, "training", "skill", "promise", days=days),
        )
        await cast.site.read()
        return worker_id, request_id

    return lambda days=20: cast.site.do(made(days))


def given(cast: Cast, worker_id: UUID) -> list[dict[str, Any]]:
    """The grants that `consent` keeps."""

    async def found() -> list[dict[str, Any]]:
        rows = await cast.site.pool.fetch(
            "SELECT * FROM consent.given WHERE worker_id = $1", worker_id
        )
        return [dict(row) for row in rows]

    return cast.site.do(found())


def open_request(visit: Visitor, worker_id: UUID) -> Page:
    """As people come to it: by the line that waits on the first page."""
    page = visit.sign_in(worker_id)
    follow(page.get_by_role("link", name="Acme Foods asks to see your record."))
    return page


def test_yes_shares_what_was_ticked_until_the_day_that_is_told(
    visit: Visitor, asked: Callable[..., tuple[UUID, str]]
) -> None:
    worker_id, request_id = asked()
    page = open_request(visit, worker_id)
    assert page.get_by_role("heading", level=1).inner_text() == "Share your record with Acme Foods?"
    assert page.locator("input[type=checkbox]:checked").count() == 0
    assert page.locator("input[type=checkbox]").count() == 3, "only what they ask for"
    page.get_by_label("Training you were offered, started, finished or left (3)").check()
    page.get_by_label("Your skills, and who checked them (1)").check()
    page.get_by_label("6 months").check()
    follow(page.get_by_role("button", name="Yes, share"))

    status = page.get_by_role("status").inner_text()
    assert status.startswith("You share 2 things with Acme Foods until ")
    grant = given(visit.cast, worker_id)[0]
    until = grant["valid_until"]
    assert f"until {until.day} {until:%B %Y}." in status
    assert 178 <= (until - grant["granted_at"]).days <= 185
    assert grant["categories"] == ["skill", "training"]
    assert (grant["purposes"], grant["request_id"]) == (["advancement"], request_id)
    follow(page.get_by_role("link", name="Stop sharing"))
    follow(page.get_by_role("button", name="Yes, stop"))
    assert "You stopped sharing with Acme Foods." in page.get_by_role("status").inner_text()
    page.goto(f"{visit.cast.site.url}/me/requests/{request_id}")
    assert "You stopped sharing with Acme Foods." in page.inner_text("main")


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_words_that_are_shown_are_the_words_that_are_stored(
    visit: Visitor, asked: Callable[..., tuple[UUID, str]], language: str
) -> None:
    worker_id, request_id = asked()
    visit.sign_in(worker_id)
    page = visit.open(f"/me/requests/{request_id}?lang={language}")
    shown = re.sub(r"\s+", " ", page.inner_text("main"))
    page.locator("input[type=checkbox]").first.check()
    follow(page.locator("button[value=yes]"))
    page.get_by_role("status").wait_for()

    grant = given(visit.cast, worker_id)[0]
    stored = wordings()[grant["wording_version"], grant["wording_language"]]
    file = resources.files("services.consent.wording").joinpath(
        f"{stored.version}.{stored.language}.json"
    )
    assert grant["wording_language"] == language
    assert grant["wording_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    words = dict(stored.words)
    said = [words.pop("question").replace("{recipient}", "Acme Foods")]
    parts, purposes = words.pop("categories"), words.pop("purposes")
    words.pop("stopped")  # said when it stops
    said += [parts[code] for code in ("training", "skill", "promise")]
    said += [purposes["advancement"], *words.values()]
    assert [text for text in said if text not in shown] == []
    assert purposes["hiring"] not in shown
    assert parts["wage"] not in shown


def test_yes_with_no_tick_is_told_on_top_and_beside_the_boxes(
    visit: Visitor, asked: Callable[..., tuple[UUID, str]]
) -> None:
    worker_id, _ = asked()
    page = open_request(visit, worker_id)
    page.get_by_label("6 months").check()
    follow(page.get_by_role("button", name="Yes, share"))

    wrong = "Tick what they may see, or press No."
    expect(page).to_have_title(re.compile("^Error: Share your record"))
    expect(page.locator(".error")).to_be_focused()
    link = page.get_by_role("alert").get_by_role("link", name=wrong)
    assert link.get_attribute("href") == "#" + str(
        page.locator("input[type=checkbox]").first.get_attribute("id")
    )
    assert page.inner_text("#see-error") == wrong
    assert page.get_by_label("6 months").is_checked()
    assert_axe_finds_nothing(page, "the question with an error")
    assert given(visit.cast, worker_id) == []
    link.click()
    expect(page.locator("input[type=checkbox]").first).to_be_focused()
    page.keyboard.press("Space")
    follow(page.get_by_role("button", name="Yes, share"))
    assert "You share 1 thing with Acme Foods" in page.get_by_role("status").inner_text()


def test_no_shares_nothing_and_yes_is_still_possible(
    visit: Visitor, asked: Callable[..., tuple[UUID, str]]
) -> None:
    worker_id, _ = asked()
    page = open_request(visit, worker_id)
    follow(page.get_by_role("button", name="No, do not share"))

    assert "You said no to Acme Foods." in page.get_by_role("status").inner_text()
    assert given(visit.cast, worker_id) == []
    follow(page.get_by_role("link", name="My story").first)
    assert page.locator(".waiting").count() == 0
    page.go_back()
    follow(page.get_by_role("link", name="See the question again"))
    page.locator("input[type=checkbox]").last.check()
    follow(page.get_by_role("button", name="Yes, share"))
    assert "You share 1 thing with Acme Foods" in page.get_by_role("status").inner_text()
    assert [grant["categories"] for grant in given(visit.cast, worker_id)] == [["promise"]]


def test_a_form_that_is_sent_twice_is_one_yes(
    visit: Visitor, asked: Callable[..., tuple[UUID, str]]
) -> None:
    worker_id, request_id = asked()
    page = open_request(visit, worker_id)
    form = page.locator("form.ask").evaluate(  # it waits for the page that was asked for
        "form => Object.fromEntries([...new FormData(form)].map(([k, v]) => [k, v]))"
    )
    form |= {"see-skill": "yes", "answer": "yes"}
    address = f"{visit.cast.site.url}/me/requests/{request_id}"
    for _ in range(2):
        answer = visit.context.request.post(address, form=form)
        assert "You share 1 thing with Acme Foods" in answer.text()

    assert len(given(visit.cast, worker_id)) == 1


@pytest.mark.parametrize("width", [360, 1100])
def test_yes_and_no_look_the_same(rosa: Visitor, width: int) -> None:
    rosa.page.set_viewport_size({"width": width, "height": 900})
    page = rosa.open("/me/requests/r-1")

    yes, no = (page.locator(f"button[value={value}]").evaluate(LOOK) for value in ("yes", "no"))

    assert yes == no


def test_a_request_that_has_run_out_shares_nothing(
    visit: Visitor, asked: Callable[..., tuple[UUID, str]]
) -> None:
    worker_id, request_id = asked(-2)
    visit.sign_in(worker_id)
    page = visit.open(f"/me/requests/{request_id}")

    until = people.ago(2)
    told = f"They asked until {until.day} {until:%B %Y}. Nothing was shared."
    assert told in page.inner_text("main")
    assert page.locator("main button").count() == 0


def test_somebody_elses_request_is_not_there(
    rosa: Visitor, asked: Callable[..., tuple[UUID, str]]
) -> None:
    _, request_id = asked()
    for path in (request_id, "made-up", "a/b"):
        address = f"{rosa.cast.site.url}/me/requests/{path}"
        assert rosa.context.request.get(address).status == 404


@pytest.fixture
def promised(cast: Cast) -> UUID:
    """A person whom Acme promises an interview for a course."""

    async def made() -> UUID:
        worker_id = await cast.site.log.register("Omar", at=people.ago(100))
        await cast.site.read()
        return worker_id

    worker_id = cast.site.do(made())
    promise_interview(cast, worker_id)
    return worker_id


def promise_interview(cast: Cast, worker_id: UUID) -> None:
    """By HTTP, as an employer's system does it."""
    key = cast.site.do(cast.site.key(Role.EMPLOYER, "acme-foods"))
    with httpx.Client(
        base_url=cast.site.url, headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as http:
        pathway = {
            "pathway_id": "drive-a-forklift",
            "title": "Drive a forklift",
            "criteria": {
                "all": [
                    {"training": "forklift"},
                    {"skill": "skill:forklift-driving", "attested_by": "SUPERVISOR", "times": 2},
                    {"employed_days": 30},
                ]
            },
            "outcome": "INTERVIEW",
            "due_in_days": 30,
        }
        assert http.post("/v1/pathways", json=pathway).is_success
        order = {"pathway_id": "drive-a-forklift", "worker_id": str(worker_id)}
        answer = http.post("/v1/promises", json=order)
        assert answer.is_success, answer.text
    position = Position.parse(answer.json()["position"])
    cast.site.do(wait_until_read(cast.site.pool, position, within_s=30))


def test_promises_tell_what_who_by_when_and_if_they_were_kept(rosa: Visitor) -> None:
    page = rosa.open("/me/promises")
    cards = [re.sub(r"\s+", " ", text) for text in page.locator(".promise").all_inner_texts()]

    def day(days: float) -> str:
        at = people.ago(days)
        return f"{at.day} {at:%B %Y}"

    new, late, kept = cards
    assert new.startswith(f"A better job Open Acme Foods Promised on {day(20)}")
    assert new.endswith(
        "When they must do it No later than 30 days after you do your part"
        " Yes, I want it A better job No, thank you A better job Ask about it A better job"
    )
    assert late.startswith(f"More pay Late Acme Foods Promised on {day(120)}")
    both = "It was not kept More pay Ask about it More pay"
    assert re.search(rf"They must do it by {day(6)} [56] days late {both}$", late)
    assert kept.startswith(f"An interview Kept Acme Foods Promised on {day(420)}")
    assert kept.endswith(f"They did it on {day(400)} It was not kept An interview")
    assert page.locator("main h2").all_inner_texts() == ["Do you want it?", "Still open", "Over"]


@pytest.fixture
def ended(cast: Cast) -> UUID:
    """A person with promises that lapsed, lately and long ago, and some that were taken back."""

    async def made() -> UUID:
        log = cast.site.log
        worker_id = await log.register("Omar", at=people.ago(900))
        for event in people.ended_promises(worker_id):
            await log.add(event)
        await cast.site.read()
        return worker_id

    return cast.site.do(made())


@pytest.mark.parametrize(
    ("language", "groups", "states", "texts"),
    [
        (
            "en",
            ["Still open", "Over"],
            ["Late", "Taken back", "Taken back", "Not kept", "Kept"],
            ("They must do it by", "days late", "They took it back on"),
        ),
        (
            "es",
            ["Aún abiertas", "Pasadas"],
            ["Tarde", "Retirada", "Retirada", "No cumplida", "Cumplida"],
            ("Deben cumplir a más tardar el", "días tarde", "La retiraron el"),
        ),
    ],
)
def test_a_promise_that_lapsed_stays_late_and_one_taken_back_is_over(
    visit: Visitor,
    ended: UUID,
    language: str,
    groups: list[str],
    states: list[str],
    texts: tuple[str, ...],
) -> None:
    visit.sign_in(ended)
    page = visit.open(f"/me/promises?lang={language}")

    assert page.locator("main h2").all_inner_texts() == groups
    assert page.locator(".promise .state").all_inner_texts() == states
    late, back, *_ = page.locator(".promise").all_inner_texts()
    assert texts[0] in late
    assert re.search(rf"[45] {texts[1]}", late)
    assert texts[2] in back
    assert texts[0] not in back
    assert page.locator(".promise button").count() == 0


def test_what_lapsed_lately_waits_on_the_first_page(visit: Visitor, ended: UUID) -> None:
    page = visit.sign_in(ended)

    assert page.locator(".waiting li").count() == 1
    assert re.search(
        r"Acme Foods promised you an interview. It is [45] days late.",
        page.inner_text(".waiting"),
    )


def test_who_has_no_promise_is_told_so(visit: Visitor) -> None:
    visit.sign_in(visit.cast.many)
    page = visit.open("/me/promises")

    assert "No one has made you a promise here." in page.inner_text("main")


def test_a_promise_is_accepted_and_then_shared_without_javascript(
    browser: Browser, cast: Cast, promised: UUID
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = Visitor(context, cast).sign_in(promised)
    follow(page.get_by_role("link", name="Acme Foods promises you an interview. Say yes or no."))
    text = page.inner_text(".promise")
    for part in (
        "Finish: Forklift safety",
        "Have your supervisor check this skill: Forklift driving (2 times)",
        "Work there for 30 days",
    ):
        assert part in text
    follow(page.get_by_role("button", name="Yes, I want it"))

    assert page.get_by_role("heading", level=1).inner_text() == "Share your record with Acme Foods?"
    assert given(cast, promised) == [], "a yes to a promise shares nothing"
    page.locator("input[type=checkbox]").first.check()
    follow(page.get_by_role("button", name="Yes, share"))
    assert "You share 1 thing with Acme Foods" in page.get_by_role("status").inner_text()
    follow(page.get_by_role("link", name="Promises"))
    assert page.locator("main h2").all_inner_texts() == ["Still open"]
    context.close()


def test_a_promise_is_turned_down(visit: Visitor, promised: UUID) -> None:
    visit.sign_in(promised)
    page = visit.open("/me/promises")
    yes, no = (
        page.locator(f"button[value={value}]").evaluate(LOOK) for value in ("accept", "decline")
    )
    assert yes == no
    follow(page.get_by_role("button", name="No, thank you"))

    assert "You said no." in page.get_by_role("status").inner_text()
    assert page.locator(".promise .state").inner_text() == "You said no"
    assert page.locator(".promise button").count() == 0
    visit.open("/me")
    assert page.locator(".waiting").count() == 0
