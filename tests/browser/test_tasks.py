"""What people do on the pages: read, stop sharing, sign out, put a mistake right."""

from __future__ import annotations

import csv
import re
from uuid import UUID, uuid4

import httpx
import pytest
from playwright.sync_api import Browser, expect

from services.common.access import Role
from services.demo.data import open_university
from services.portal.web import LOGIN_COOKIE
from tests.browser import people
from tests.browser.conftest import Cast, Visitor, follow, picture, registered

pytestmark = pytest.mark.browser


@pytest.fixture
def sharer(cast: Cast) -> UUID:
    """A person who shares with Acme, for a test that stops it."""

    async def made() -> UUID:
        worker_id = await cast.site.log.register("Leo", at=people.ago(200))
        grant_id = uuid4()
        await cast.site.log.add(people.grant(worker_id, grant_id, at=people.ago(30)))
        await cast.site.log.add(
            people.seen(worker_id, grant_id, "SkillClaimed", "skill", people.ago(9))
        )
        await cast.site.read()
        return worker_id

    return cast.site.do(made())


@pytest.fixture
def seen(cast: Cast) -> UUID:
    """A person of whom Acme was told. Nobody else looks: the person never worked there, so Acme's
    team page, which tells whom it showed, shows others.
    """

    async def made() -> UUID:
        log, grant_id = cast.site.log, uuid4()
        worker_id = await log.register("Vera", at=people.ago(200))
        await log.add(people.grant(worker_id, grant_id, at=people.ago(60)))
        await log.add(*people.seen_on_two_days(worker_id, grant_id))
        await cast.site.read()
        return worker_id

    return cast.site.do(made())


def test_my_story_tells_what_who_when_and_whether_it_is_checked(rosa: Visitor) -> None:
    page = rosa.page
    facts = [re.sub(r"\s+", " ", text) for text in page.locator(".fact").all_inner_texts()]

    def day(days: float) -> str:
        at = people.ago(days)
        return f"{at.day} {at:%B %Y}"

    assert (
        f"Finished with distinction Food safety, level 2 River College {day(40)} Checked" in facts
    )
    assert f"Skill Forklift driving Can do it You {day(700)} From you" in facts
    assert f"Your pay changed $19.75 an hour Acme Foods {day(380)} Checked" in facts
    assert f"Promise More pay Due by {day(6)} Acme Foods {day(120)} Late" in facts
    assert f"Promise An interview Acme Foods {day(420)} Kept" in facts
    assert f"Promise A better job Acme Foods {day(20)} Open" in facts


def test_the_years_are_headings_newest_first(rosa: Visitor) -> None:
    years = [int(text) for text in rosa.page.locator("h2.year").all_inner_texts()]

    assert years[0] == people.ago(20).year
    assert years == sorted(set(years), reverse=True)
    assert len(years) >= 3


def test_what_waits_stands_on_top(rosa: Visitor) -> None:
    waiting = rosa.page.locator(".waiting")

    assert waiting.get_by_role("heading").inner_text() == "3 things wait for you"
    late, asks, new = waiting.locator("li").all_inner_texts()
    assert new == "Acme Foods promises you a better job. Say yes or no."
    assert re.fullmatch(r"Acme Foods promised you more pay\. It is [56] days late\.", late)
    assert asks.startswith("Harbor Logistics asks to see your record.")


def test_who_sees_it_tells_what_why_until_when_and_what_was_sent(
    visit: Visitor, seen: UUID
) -> None:
    visit.sign_in(seen)
    page = visit.open("/me/sharing")
    card = page.get_by_role("region", name="Acme Foods")

    text = card.inner_text()
    for part in ("Your training", "Your skills, and who checked them", "better job or more pay"):
        assert part in text
    assert f"{people.ago(40).day} {people.ago(40):%B %Y}" in text.partition("Last seen")[2]
    assert len(page.locator(".seen > li").all()) == 2
    assert page.locator(".seen > li").nth(1).locator("li").all_inner_texts() == [
        "A course you joined",
        "A course you finished",
        "A skill that was checked",
    ]
    assert "You may be counted in totals." in page.inner_text("main")


def test_sharing_stops_with_two_clicks_and_the_page_shows_it(visit: Visitor, sharer: UUID) -> None:
    page = visit.sign_in(sharer)
    page = visit.open("/me/sharing")

    follow(page.get_by_role("link", name="Stop sharing Acme Foods"))
    follow(page.get_by_role("button", name="Yes, stop"))

    assert "You stopped sharing with Acme Foods." in page.get_by_role("status").inner_text()
    assert "Your job does not change." in page.get_by_role("status").inner_text()
    assert page.get_by_role("link", name="Stop sharing").count() == 0
    assert "Only you see your record." in page.inner_text("main")
    assert "Acme Foods: you stopped on" in page.inner_text("main")
    assert "A skill you named" in page.inner_text("main"), "what was sent stays in sight"
    stopped = visit.cast.site.pool.fetchval(
        "SELECT count(*) FROM consent.revocation WHERE worker_id = $1", sharer
    )
    assert visit.cast.site.do(_await(stopped)) == 1
    page.reload()
    assert "You stopped sharing" in page.inner_text("main")


async def _await(work: object) -> object:
    return await work  # type: ignore[misc]


def test_no_keeps_sharing(visit: Visitor, sharer: UUID) -> None:
    page = visit.sign_in(sharer)
    visit.open("/me/sharing")
    follow(page.get_by_role("link", name="Stop sharing Acme Foods"))
    follow(page.get_by_role("link", name="No, keep sharing"))

    expect(page.get_by_role("region", name="Acme Foods")).to_be_visible()


def test_yes_and_no_look_the_same(rosa: Visitor) -> None:
    rosa.open(f"/me/sharing/{rosa.cast.rosa_grant}/stop")
    look = """e => { const s = getComputedStyle(e), b = e.getBoundingClientRect();
        return [b.width, b.height, s.fontSize, s.fontWeight, s.color, s.backgroundColor, s.borderColor] }"""

    yes = rosa.page.get_by_role("button", name="Yes, stop").evaluate(look)
    no = rosa.page.get_by_role("link", name="No, keep sharing").evaluate(look)

    assert yes == no


def test_every_task_works_without_javascript(browser: Browser, cast: Cast, sharer: UUID) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    visitor = Visitor(context, cast)
    page = visitor.sign_in(sharer)
    expect(page.get_by_role("heading", name="My story")).to_be_visible()
    follow(page.get_by_role("link", name="Who sees it"))
    follow(page.get_by_role("link", name="Stop sharing Acme Foods"))
    follow(page.get_by_role("button", name="Yes, stop"))
    expect(page.get_by_role("status")).to_be_visible()
    follow(page.get_by_role("link", name="Español"))
    expect(page.get_by_role("heading", name="Quién lo ve")).to_be_visible()
    follow(page.get_by_role("button", name="Salir"))
    expect(page.get_by_role("heading", name="Entrar")).to_be_visible()
    context.close()


def test_after_signing_out_back_shows_nothing(rosa: Visitor) -> None:
    page = rosa.open("/me/sharing")
    follow(page.get_by_role("button", name="Sign out"))
    assert "You are signed out." in page.inner_text("main")

    for _ in range(2):
        page.go_back()
        page.wait_for_load_state("networkidle")
        assert "Acme" not in page.content()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_log_in_of_a_shared_phone_ends_with_the_browser_unless_ticked(rosa: Visitor) -> None:
    login = next(c for c in rosa.context.cookies() if c["name"] == "tl_login")
    assert login["expires"] == -1
    follow(rosa.page.get_by_role("button", name="Sign out"))
    box = rosa.page.get_by_label("Keep me signed in")
    assert not box.is_checked()
    box.check()
    rosa.page.fill("#code", rosa.cast.site.do(rosa.cast.site.key(Role.WORKER, str(rosa.cast.rosa))))
    follow(rosa.page.locator("main button"))

    login = next(c for c in rosa.context.cookies() if c["name"] == "tl_login")
    assert login["expires"] > 0
    assert login["httpOnly"]


def test_a_wrong_code_is_told_on_top_and_beside_the_field(visit: Visitor) -> None:
    page = visit.open("/sign-in")
    page.fill("#code", "tl_wrong_code")
    follow(page.locator("main button"))

    expect(page).to_have_title(re.compile("^Error: Sign in"))
    expect(page.locator(".error")).to_be_focused()
    assert page.get_by_role("alert").get_by_role("link").get_attribute("href") == "#code"
    assert page.input_value("#code") == "tl_wrong_code"
    described = page.get_attribute("#code", "aria-describedby") or ""
    assert "do not know this code" in page.inner_text(f"#{described.split()[-1]}")


def test_a_claim_code_works_once_and_the_key_after_it_for_good(visit: Visitor) -> None:
    worker = registered(visit, display_name="Mia")
    page = visit.open("/sign-in")
    page.fill("#code", worker["claim_code"])
    follow(page.locator("main button"))
    key = page.inner_text(".key")
    expect(page.get_by_role("link", name="Español")).to_have_count(0)  # it would lose the key
    follow(page.get_by_role("link", name="Open my record"))
    expect(page.get_by_role("link", name="Español")).to_be_visible()
    expect(page.get_by_role("heading", name="My story")).to_be_visible()
    follow(page.get_by_role("button", name="Sign out"))

    page.fill("#code", worker["claim_code"])
    follow(page.locator("main button"))
    expect(page).to_have_title(re.compile("^Error:"))
    page.fill("#code", key)
    follow(page.locator("main button"))
    expect(page.get_by_role("heading", name="My story")).to_be_visible()


def test_an_answer_lost_on_its_way_shuts_nobody_out(visit: Visitor, cast: Cast) -> None:
    """The button was pressed twice, or the phone lost the network: the code is sent once more."""
    code = registered(visit)["claim_code"]
    page = visit.open("/sign-in")
    form = {"code": code, "form_token": page.input_value("[name=form_token]")}
    cookies = {c["name"]: c["value"] for c in visit.context.cookies()}
    lost = httpx.post(f"{cast.site.url}/sign-in", data=form, cookies=cookies)
    assert lost.status_code == 200

    page.fill("#code", code)
    follow(page.locator("main button"))
    key = page.inner_text(".key")
    assert key not in lost.text
    follow(page.get_by_role("link", name="Open my record"))
    expect(page.get_by_role("heading", name="My story")).to_be_visible()


@pytest.mark.parametrize("was_here", [False, True], ids=["new", "with an old log-in"])
def test_a_page_with_a_key_that_is_loaded_once_more_has_another_key(
    visit: Visitor, cast: Cast, was_here: bool
) -> None:
    """A phone throws pages away while somebody writes down what they say."""
    if was_here:
        old = {"name": LOGIN_COOKIE, "value": "ended", "url": cast.site.url}
        visit.context.add_cookies([old])
    code = registered(visit)["claim_code"]
    page = visit.open("/sign-in")
    page.fill("#code", code)
    follow(page.locator("main button"))
    first = page.inner_text(".key")
    for _ in range(2):
        page.reload()
    key = page.inner_text(".key")
    assert key != first
    follow(page.get_by_role("link", name="Open my record"))

    for good in (first, key):  # either may have been written down
        follow(page.get_by_role("button", name="Sign out"))
        page.fill("#code", good)
        follow(page.locator("main button"))
        expect(page.get_by_role("heading", name="My story")).to_be_visible()
    follow(page.get_by_role("button", name="Sign out"))
    page.fill("#code", code)
    follow(page.locator("main button"))
    expect(page).to_have_title(re.compile("^Error:"))


def test_a_page_from_before_the_log_in_takes_no_record_up(visit: Visitor, cast: Cast) -> None:
    one, other = registered(visit), registered(visit)
    page = visit.open("/sign-in")
    form = {"code": other["claim_code"], "form_token": page.input_value("[name=form_token]")}
    page.fill("#code", one["claim_code"])
    follow(page.locator("main button"))
    key = page.inner_text(".key")

    assert visit.context.request.post(f"{cast.site.url}/sign-in", form=form).status == 403
    follow(page.get_by_role("link", name="Open my record"))
    follow(page.get_by_role("button", name="Sign out"))
    for typed in (key, other["claim_code"]):  # both are good as ever
        page = visit.open("/sign-in")
        page.fill("#code", typed)
        follow(page.locator("main button"))
        expect(page).not_to_have_title(re.compile("^Error:"))
        visit.context.clear_cookies()


def test_a_key_is_not_said_again_to_somebody_else(visit: Visitor, cast: Cast) -> None:
    """Who signed in after them at the same browser, and they are still in its history."""
    page = visit.open("/sign-in")
    form = {"code": registered(visit)["claim_code"]}
    form["form_token"] = page.input_value("[name=form_token]")
    page.fill("#code", form["code"])
    follow(page.locator("main button"))
    again = visit.context.request.post(f"{cast.site.url}/sign-in", form=form)
    assert again.status == 200
    assert "tl_" in again.text()
    visit.open("/demo")
    follow(page.get_by_role("button", name="Rosa Marín"))

    again = visit.context.request.post(f"{cast.site.url}/sign-in", form=form)
    assert again.status == 403
    assert "tl_" not in again.text()


def test_the_demo_signs_in_with_one_click(visit: Visitor) -> None:
    page = visit.open("/demo")
    people_shown = page.locator(".people button")
    assert people_shown.first.inner_text() == "Rosa Marín", "she is asked to share"
    follow(people_shown.first)

    assert page.url.endswith("/me")
    expect(page.get_by_role("heading", name="My story")).to_be_visible()


def test_the_public_page_has_the_numbers_and_their_source(visit: Visitor) -> None:
    page = visit.open("/cohorts")
    rows = [re.sub(r"\s+", " ", text) for text in page.locator("tbody tr").all_inner_texts()]

    # As counted in studentInfo.csv; the one who failed and also left counts as failed.
    assert rows == [
        "Module AAA, from October 2013 200 139 70 % 11 6 % 21 10 % 29 14 %",
        "Module BBB, from October 2013 1,130 457 40 % 95 8 % 266 24 % 312 28 %",
    ]
    text = page.inner_text("body")
    assert "GGG" not in text
    assert "1 course run is hidden." in text
    assert page.locator("thead th").nth(1).inner_text() == "Signed up", "some left before it began"
    assert "These are real people, half of them: those with an even number." in text
    source = "Open University Learning Analytics Dataset (Kuzilek, Hlosta, Zdrahal 2017), CC BY 4.0"
    assert source in text
    assert source in visit.open("/").inner_text("footer")


def months_of_leaving(module: str) -> list[int]:
    """The month after they signed up, the first being 1, of who withdrew: as the files say it."""
    folder, found = open_university()[0].file.parent, []
    with (folder / "studentInfo.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["code_module"] == module]
    withdrew = {row["id_student"] for row in rows if row["final_result"] == "Withdrawn"}
    with (folder / "studentRegistration.csv").open() as file:
        for row in csv.DictReader(file):
            if row["code_module"] == module and row["id_student"] in withdrew:
                signed_up = int(row["date_registration"] or 0)  # no day: the first of the run
                days = int(row["date_unregistration"]) - signed_up
                found.append(max(0, days) // 30 + 1)
    return found


@pytest.mark.parametrize(("module", "left"), [("AAA", 29), ("BBB", 312)])
def test_the_months_in_which_people_left_are_those_of_the_files(
    visit: Visitor, module: str, left: int
) -> None:
    card = visit.open("/cohorts").get_by_role("region", name=f"Module {module}")
    months = months_of_leaving(module)
    assert len(months) == left

    shown = card.locator("dl > div").all_inner_texts()
    counted, after = 0, 0
    for line in shown:
        first, last, people = re.fullmatch(  # type: ignore[union-attr]
            r"Months? (\d+)(?: to (\d+))?\s+(\d+) people", line
        ).groups()
        assert int(first) == after + 1
        after = int(last or first)
        assert int(people) == sum(int(first) <= month <= after for month in months) >= 10
        counted += int(people)
    assert counted == left
    assert len(shown) >= 2


def test_no_link_of_the_pages_is_dead(rosa: Visitor) -> None:
    found = set()
    for path in ("/", "/me", "/me/promises", "/me/sharing", "/help", "/demo", "/cohorts"):
        page = rosa.open(path)
        found |= set(page.eval_on_selector_all("a", "all => all.map(e => e.href)"))
    assert len(found) > 10
    for address in sorted(found):
        # The front page leads operators to the flow; Rosa is told that it is not for her.
        expected = 403 if address.endswith("/flow") else 200
        assert rosa.context.request.get(address).status == expected, address


def test_screenshots(pictured: Visitor) -> None:
    picture(pictured, "front", "/", whole=True)
    picture(pictured, "cohorts", "/cohorts", whole=True)
    pictured.sign_in(pictured.cast.rosa)
    picture(pictured, "my-story", "/me", whole=False)
    picture(pictured, "my-story-es", "/me?lang=es", whole=False)
    picture(pictured, "promises-es", "/me/promises?lang=es", whole=True)
    picture(pictured, "promises", "/me/promises?lang=en", whole=True)
    picture(pictured, "promise-not-kept", "/me/promises/p-pay/not-kept", whole=True)
    picture(pictured, "share-request", "/me/requests/r-1", whole=True)
    picture(pictured, "join", "/me/join", whole=False)
    picture(pictured, "who-sees-it", "/me/sharing", whole=False)
    picture(pictured, "stop-sharing", f"/me/sharing/{pictured.cast.rosa_grant}/stop", whole=False)
