"""A person who is signed in adds a record with its code, and opens no second one."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Page, expect

from services.common.access import Role
from tests.browser import people
from tests.browser.checks import assert_axe_finds_nothing
from tests.browser.conftest import Cast, Visitor, follow, registered

pytestmark = pytest.mark.browser


def owner(cast: Cast, worker_id: str) -> UUID:
    """Whose the record is that this id was made for."""
    statement = "SELECT coalesce(merged_into, worker_id) FROM vault.worker WHERE worker_id = $1"
    found: UUID = cast.site.do(cast.site.pool.fetchval(statement, UUID(worker_id)))
    return found


@pytest.fixture
def person(cast: Cast) -> UUID:
    async def made() -> UUID:
        worker_id = await cast.site.log.register("Nora", at=people.ago(100))
        await cast.site.read()
        return worker_id

    return cast.site.do(made())


def type_code(page: Page, code: str) -> None:
    page.fill("#code", code)
    follow(page.locator("main button"))


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_code_at_sign_in_adds_the_record_to_who_is_signed_in(
    visit: Visitor, person: UUID, language: str
) -> None:
    record = registered(visit)
    visit.sign_in(person)
    page = visit.open(f"/me?lang={language}")
    said = {"en": "Add to your record", "es": "Añadir a su historial"}[language]
    follow(page.get_by_role("link", name=said))
    assert page.url.endswith("/me/join")
    page = visit.open("/sign-in")
    expect(page.get_by_role("heading", level=1)).to_have_text(said)
    type_code(page, "wrong")
    expect(page.locator(".error")).to_be_focused()
    assert_axe_finds_nothing(page, "a wrong code")
    type_code(page, record["claim_code"])

    done = {"en": "We added it.", "es": "Ya está añadido."}[language]
    assert page.get_by_role("status").inner_text().startswith(done)
    assert owner(visit.cast, record["worker_id"]) == person
    follow(page.locator("main a.button"))
    assert page.url.endswith("/me")


def test_who_would_see_it_is_told_before_a_record_is_added(visit: Visitor, person: UUID) -> None:
    site = visit.cast.site

    async def shares() -> None:
        await site.log.add(people.grant(person, uuid4(), at=people.ago(30)))
        await site.read()

    site.do(shares())
    record = registered(visit)
    visit.sign_in(person)
    page = visit.open("/me/join")
    type_code(page, record["claim_code"])
    assert page.locator("main .card h2").inner_text() == "Acme Foods"
    assert "Your training" in page.inner_text("main .card")
    assert_axe_finds_nothing(page, "who would see it")
    assert owner(visit.cast, record["worker_id"]) == UUID(record["worker_id"])

    follow(page.get_by_role("button", name="Yes, add it"))
    assert page.get_by_role("status").inner_text().startswith("We added it.")
    assert owner(visit.cast, record["worker_id"]) == person


def test_a_record_that_somebody_signs_in_with_is_not_added(visit: Visitor, person: UUID) -> None:
    record = registered(visit)
    visit.cast.site.do(visit.cast.site.key(Role.WORKER, record["worker_id"]))
    visit.sign_in(person)
    page = visit.open("/me/join")
    type_code(page, record["claim_code"])

    assert "Someone signs in with this record already." in page.inner_text("#code-error")
    assert owner(visit.cast, record["worker_id"]) == UUID(record["worker_id"])
