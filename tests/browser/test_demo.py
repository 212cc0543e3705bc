"""The demo's way in: one button for each kind of user, and a school that ends a course."""

from __future__ import annotations

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from services.common.access import Role
from tests.browser import people
from tests.browser.checks import assert_axe_finds_nothing
from tests.browser.conftest import Cast, Visitor, follow

ENDED = "SELECT event_id FROM read.story WHERE worker_id = $1 AND event_type = 'TrainingCompleted'"


@pytest.fixture(scope="package")
def learners(cast: Cast) -> dict[str, UUID]:
    """People on a course at River College; they came early, so the demo page lists them."""

    async def enrolled() -> dict[str, UUID]:
        found = {}
        for name in ("Olga Still", "Theo Twice"):
            found[name] = await cast.site.log.register(name, at=people.ago(1050))
            on = people.course(f"d-{name[:4]}", "food-2")
            at = people.ago(30)
            await cast.site.log.add(
                people.about("TrainingEnrolled", found[name], people.COLLEGE, at, **on)
            )
        await cast.site.read()
        return found

    return cast.site.do(enrolled())


def as_the_college(visit: Visitor) -> Page:
    page = visit.open("/demo?as=river-college")
    follow(page.get_by_role("button", name="Sign in as River College"))
    page.wait_for_url("**/demo/courses")
    return page


@pytest.mark.parametrize(
    ("wanted", "name", "lands"),
    [
        ("rosa", "Rosa Marín", "/me"),
        ("acme-foods", "Acme Foods", "/team"),
        ("river-college", "River College", "/demo/courses"),
        ("operator", "the operator", "/flow"),
    ],
)
def test_a_link_leads_to_one_button_that_signs_in(
    visit: Visitor, learners: dict[str, UUID], wanted: str, name: str, lands: str
) -> None:
    page = visit.open(f"/demo?as={wanted}")
    assert page.locator("main button").all_inner_texts() == [f"Sign in as {name}"]
    assert "tl_login" not in str(visit.context.cookies()), "to look signs nobody in"

    follow(page.locator("main button"))

    page.wait_for_url(f"**{lands}")
    assert visit.complaints == []


def test_who_is_not_listed_gets_the_whole_page(visit: Visitor, cast: Cast) -> None:
    page = visit.open("/demo?as=nobody")
    assert page.get_by_role("button", name="Rosa Marín").count() == 1


def test_the_college_ends_a_course_and_the_person_sees_it(
    visit: Visitor, learners: dict[str, UUID]
) -> None:
    page = as_the_college(visit)
    follow(page.get_by_role("button", name="Olga Still finishes: Food safety, level 2"))

    expect(page.get_by_role("status")).to_contain_text("Noted.")
    assert page.get_by_role("button", name="Olga Still").count() == 0
    follow(page.get_by_role("button", name="Sign out"))
    page = visit.sign_in(learners["Olga Still"])
    expect(page.locator("main")).to_contain_text("Food safety, level 2")
    expect(page.locator("main")).to_contain_text("River College")


def test_a_course_is_ended_once_whatever_is_pressed(
    visit: Visitor, learners: dict[str, UUID]
) -> None:
    page = as_the_college(visit)
    old = visit.context.new_page()
    old.goto(page.url)
    for one in (page, old):
        follow(one.get_by_role("button", name="Theo Twice finishes"))
        expect(one.get_by_role("button", name="Theo Twice")).to_have_count(0)

    site = visit.cast.site
    assert len(site.do(site.pool.fetch(ENDED, learners["Theo Twice"]))) == 1


def test_the_schools_page_is_for_schools(visit: Visitor, cast: Cast) -> None:
    def status(path: str) -> int:
        return visit.context.request.get(cast.site.url + path).status

    assert visit.open("/demo/courses").url.endswith("/demo")
    visit.sign_in(cast.rosa)
    assert status("/demo/courses") == 403
    as_the_college(visit)
    assert [status(path) for path in ("/me", "/team", "/flow")] == [403] * 3


def test_a_schools_key_opens_no_page(visit: Visitor, cast: Cast) -> None:
    page = visit.open("/sign-in")
    page.fill("#code", cast.site.do(cast.site.key(Role.PROVIDER, "river-college")))
    follow(page.locator("main button"))

    expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_nothing(visit: Visitor, learners: dict[str, UUID], language: str) -> None:
    as_the_college(visit)
    for path in ("/demo?as=rosa&", "/demo?", "/demo/courses?finished=1&"):
        assert_axe_finds_nothing(visit.open(f"{path}lang={language}"), path)
