"""What an employer sees of its team today, and of whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from services.common.access import Role
from services.common.emit import Actor
from services.common.vault import Vault
from tests.browser import people
from tests.browser.checks import (
    assert_axe_finds_nothing,
    assert_nothing_scrolls_sideways,
    smaller_than,
)
from tests.browser.conftest import Cast, Visitor, follow, picture
from tests.browser.test_checks import DATA, untranslated

pytestmark = pytest.mark.browser
SYSTEM = Actor("SYSTEM", "throughline")


@dataclass
class Team:
    """People of one employer: who shares what, and who does not."""

    cast: Cast
    named: dict[str, UUID] = field(default_factory=dict)
    grants: dict[str, UUID] = field(default_factory=dict)

    async def fill(self) -> None:
        await self._add("Lena Park", 12, "training", "identity")
        await self._add("Tom Early", 199, "training", "identity")
        await self._add("Marc Diaz", 30, "training")
        await self._add("Nora Silent", 90)
        await self._add("Otis Stopped", 80, "training", "identity")
        await self._promised("Pia Lund", 9, 21, "promise", "identity")
        await self._promised("Quin Abbott", 70, -40, "promise", "identity")
        await self._promised("Sven Moss", 9, 20, "promise", "identity")
        back = {"promise_id": "q-Sve", "employer_id": "acme-foods", "reason": "POSITION_CLOSED"}
        taken = people.about(
            "PromiseWithdrawn", self.named["Sven Moss"], people.ACME, people.ago(1), **back
        )
        await self.cast.site.log.add(taken)
        await self._promised("Rhea Quiet", 60, -30, "training", "identity")
        says = self.cast.site.log.says
        await says(self.named["Quin Abbott"], "q-Qui", "NOT_KEPT", "No one has called me.")
        await says(self.named["Pia Lund"], "q-Pia", "QUESTION", "When does it start?")
        await says(self.named["Rhea Quiet"], "q-Rhe", "NOT_KEPT", "This is not for Acme.")
        await says(self.named["Sven Moss"], "q-Sve", "QUESTION", "Why was it taken back?")
        await self.cast.site.read()

    async def _person(self, name: str, *categories: str) -> UUID:
        log = self.cast.site.log
        worker_id = self.named[name] = await log.register(name, at=people.ago(200))
        job = people.job(occupation="53-7062.00", job_level=1, **people.pay("17.20"))
        await log.add(
            people.about("EmploymentStarted", worker_id, people.ACME, people.ago(190), **job)
        )
        if categories:
            grant_id = self.grants[name] = uuid4()
            days = people.ago(100)
            await log.add(people.grant(worker_id, grant_id, "acme-foods", *categories, at=days))
        return worker_id

    async def _add(self, name: str, days: float, *categories: str) -> None:
        worker_id = await self._person(name, *categories)
        own = {**people.course(f"t-{name[:3]}"), "result": "PASSED", "score": None}
        at = people.ago(days)
        await self.cast.site.log.add(
            people.about("TrainingCompleted", worker_id, people.COLLEGE, at, **own)
        )

    async def _promised(self, name: str, since: float, left: float, *categories: str) -> None:
        worker_id = await self._person(name, *categories)
        own = {"promise_id": f"q-{name[:3]}"}
        made = {"employer_id": "acme-foods", "pathway_id": "shift-lead", "pathway_version": 1}
        made |= {"outcome": "ROLE", "due_in_days": 30, "criteria": ["training:forklift"]}
        due = {"due_at": people.ago(-left)}
        await self.cast.site.log.add(
            people.about("PromiseMade", worker_id, people.ACME, people.ago(95), **own, **made),
            people.about("PromiseAccepted", worker_id, people.WORKER, people.ago(94), **own),
            people.about("PromiseDue", worker_id, SYSTEM, people.ago(since), **own, **due),
        )

    def stop(self, name: str) -> None:
        """The person stops sharing, with a key of their own."""
        site = self.cast.site
        key = site.do(site.key(Role.WORKER, str(self.named[name])))
        answer = httpx.delete(
            f"{site.url}/v1/grants/{self.grants[name]}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        assert answer.is_success, answer.text

    def code(self, worker_id: UUID) -> str:
        """How the page calls a person who does not share the name."""
        site = self.cast.site
        vault = site.do(Vault.open(site.settings))
        return "Person " + vault.pseudonym(worker_id, "acme-foods")[:6]


@pytest.fixture(scope="package")
def team(cast: Cast) -> Team:
    made = Team(cast)
    cast.site.do(made.fill())
    made.stop("Otis Stopped")
    return made


@pytest.fixture
def acme(visit: Visitor, team: Team) -> Visitor:
    """Signed in by the demo's button."""
    visit.open("/demo")
    follow(visit.page.get_by_role("button", name="Acme Foods"))
    visit.page.wait_for_url("**/team")
    return visit


def lines(page: Page, part: str) -> list[str]:
    found = page.locator(f"#{part} + .team > li").all_inner_texts()
    return [re.sub(r"\s+", " ", text) for text in found]


def day(days: float) -> str:
    at = people.ago(days)
    return f"{at.day} {at:%B %Y}"


def test_who_waits_longest_comes_first_and_only_who_shares_is_there(
    acme: Visitor, team: Team
) -> None:
    page = acme.page
    finished = lines(page, "unnoticed")
    assert "This page shows people who share with you." in page.inner_text("main")
    who = [re.match(r"(Person w-\w{4}|\w+ \w+)", line) for line in finished]
    assert [found[1] for found in who if found] == [
        "Tom Early",
        team.code(acme.cast.rosa),
        team.code(team.named["Marc Diaz"]),
        "Lena Park",
    ]
    assert re.search(
        rf"Forklift safety Finished on {day(12)} Waits 1[12] days Noticed", finished[3]
    )
    before = f"Finished on {day(199)}, before you hired them on {day(190)}"
    assert re.search(rf"Forklift safety {before} Waits (189|190) days", finished[0])
    ready, late = lines(page, "ready"), lines(page, "late")
    assert len(ready) == len(late) == 1
    assert ready[0].startswith(
        f"Pia Lund A better job Finish: Forklift safety Due by {day(-21)} Waits"
    )
    assert re.search(rf"Quin Abbott .*Was due by {day(40)} (39|40) days late", late[0])
    asks, disputes = sorted(lines(page, "said"))
    since = rf"Said on {day(1)} Waits [01] days?"
    says = "A better job Asks about it When does it start?"
    assert re.fullmatch(rf"Pia Lund {re.escape(says)} {since}", asks)
    says = "A better job Says it was not kept No one has called me."
    assert re.fullmatch(rf"Quin Abbott {re.escape(says)} {since}", disputes)
    text = page.content()
    for hidden in ("This is not for Acme.", "Why was it taken back?"):
        assert hidden not in text
    for hidden in ("Marc", "Nora", "Otis", "Rhea", *map(str, team.named.values())):
        assert not re.search(rf"\b{hidden}\b", text)  # a date may be in March


def test_the_count_is_of_all_who_wait_not_of_those_shown(visit: Visitor, cast: Cast) -> None:
    kitchen, log = Actor("EMPLOYER", "hr-1", "spring-kitchen"), cast.site.log

    async def fill(courses: int) -> str:
        own = {"entity_id": "spring-kitchen", "name": "Spring Kitchen", "kind": "EMPLOYER"}
        where = dict.fromkeys(("city", "region", "postal_code", "website")) | {"version": 1}
        new = people.organization("OrganizationRegistered", "spring-kitchen", **own, **where)
        worker_id = await log.register("Ada Ortiz", at=people.ago(200))
        job = people.job(employer_id="spring-kitchen", occupation=None, job_level=1)
        started = people.about(
            "EmploymentStarted", worker_id, kitchen, people.ago(190), **job, **people.pay("17.20")
        )
        grant = people.grant(worker_id, uuid4(), "spring-kitchen", "training", at=people.ago(100))
        await log.add(new, started, grant)
        for number in range(courses):
            done = {**people.course(f"k-{number}"), "result": "PASSED", "score": None}
            at = people.ago(50 + number)
            await log.add(people.about("TrainingCompleted", worker_id, people.COLLEGE, at, **done))
        await cast.site.read()
        return await cast.site.key(Role.EMPLOYER, "spring-kitchen")

    key = cast.site.do(fill(23))
    visit.open("/sign-in")
    visit.page.fill("#code", key)
    follow(visit.page.locator("main button"))
    visit.page.wait_for_url("**/team")

    assert len(lines(visit.page, "unnoticed")) == 20
    assert visit.page.inner_text("#unnoticed") == "Finished training no one noticed (23)"
    assert "When one is done, the next shows up." in visit.page.inner_text("main")


def test_each_fact_that_was_read_is_told_to_the_person(visit: Visitor, team: Team) -> None:
    """Twice on one day is one line; who was not shown has none."""
    site = visit.cast.site
    key = site.do(site.key(Role.EMPLOYER, "acme-foods"))
    for _ in range(2):
        visit.open("/sign-in")
        visit.page.fill("#code", key)
        follow(visit.page.locator("main button"))
        visit.page.wait_for_url("**/team")
        follow(visit.page.get_by_role("button", name="Sign out"))
    site.do(site.read_to_the_end("deliveries"))
    read = "SELECT (delivered_at AT TIME ZONE 'UTC')::date, subject_type FROM read.disclosure WHERE worker_id = $1 AND connection_id = 'read'"

    async def told(name: str) -> list[str]:
        lines = [tuple(row) for row in await site.pool.fetch(read, team.named[name])]
        assert len(set(lines)) == len(lines), "once a day"
        return sorted({subject_type for _, subject_type in lines})

    visit.sign_in(team.named["Pia Lund"])
    follow(visit.page.get_by_role("link", name="Who sees it"))
    # Under each day on which it was read; this may be the second.
    visit.page.get_by_text("A promise that is now due").first.wait_for()
    assert site.do(told("Pia Lund")) == ["PromiseDisputed", "PromiseDue", "WorkerRegistered"]
    assert site.do(told("Marc Diaz")) == ["TrainingCompleted"]
    assert site.do(told("Rhea Quiet")) == []
    assert site.do(told("Otis Stopped")) == []


def test_noticed_is_told_to_the_worker_without_javascript(
    browser: Browser, cast: Cast, team: Team
) -> None:
    async def another() -> UUID:
        await team._add("Ivo Hahn", 50, "training", "identity")
        await cast.site.read()
        return team.named["Ivo Hahn"]

    worker_id = cast.site.do(another())
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    visitor = Visitor(context, cast)
    visitor.open("/demo")
    page = visitor.page
    follow(page.get_by_role("button", name="Acme Foods"))
    before = len(lines(page, "unnoticed"))
    follow(page.get_by_role("button", name="Noticed Ivo Hahn, Forklift safety"))

    assert "Noted." in page.get_by_role("status").inner_text()
    assert len(lines(page, "unnoticed")) == before - 1
    assert "Ivo Hahn" not in page.inner_text("main")
    follow(page.get_by_role("button", name="Sign out"))
    visitor.sign_in(worker_id)
    assert "Your employer saw that you finished" in page.inner_text("main")
    context.close()


def test_who_stops_sharing_is_gone_at_once(acme: Visitor, team: Team) -> None:
    async def another() -> None:
        await team._add("Uma Gone", 20, "training", "identity")
        await acme.cast.site.read()

    acme.cast.site.do(another())
    assert "Uma Gone" in acme.open("/team").inner_text("main")
    team.stop("Uma Gone")

    page = acme.open("/team")
    assert "Uma Gone" not in page.inner_text("main")
    expect(page.get_by_role("heading", name="Team today")).to_be_visible()


def test_another_employers_page_is_not_there(acme: Visitor, team: Team) -> None:
    def status(path: str) -> int:
        return acme.context.request.get(acme.cast.site.url + path).status

    assert status("/team/acme-foods") == 200
    assert status("/team/harbor-logistics") == 404
    assert status("/team/made-up") == 404
    assert status("/me") == 403
    follow(acme.page.get_by_role("button", name="Sign out"))
    acme.sign_in(team.named["Lena Park"])
    assert status("/team") == 403


def test_where_nothing_waits_the_page_says_so(visit: Visitor, team: Team) -> None:
    visit.open("/demo")
    follow(visit.page.get_by_role("button", name="Harbor Logistics"))

    assert "Nothing waits." in visit.page.inner_text("main")
    assert visit.page.locator(".team").count() == 0


def test_every_text_is_marked_for_translation(acme: Visitor, team: Team) -> None:
    data = re.compile(rf"{DATA.pattern}|({'|'.join(team.named)})(, Forklift safety)?")

    assert untranslated(acme.open("/team?noticed=1&lang=qps"), data) == []


@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_nothing(acme: Visitor, language: str) -> None:
    assert_axe_finds_nothing(acme.open(f"/team?noticed=1&lang={language}"), language)


def test_nothing_scrolls_sideways(acme: Visitor) -> None:
    for language in ("en", "es", "qps"):
        assert_nothing_scrolls_sideways(acme.open(f"/team?lang={language}"), language)


def test_the_page_is_light_its_targets_large_and_nothing_complains(acme: Visitor) -> None:
    page = acme.open("/team")

    assert smaller_than(page, 44) == []
    assert page.evaluate("document.scripts.length") == 0
    assert len(page.content().encode()) <= 30_000
    assert [u for u in acme.requests if not u.startswith(acme.cast.site.url + "/")] == []
    assert acme.complaints == []


def test_screenshots(pictured: Visitor, acme: Visitor) -> None:
    picture(acme, "team", "/team", whole=True)
    picture(acme, "demo", "/demo", whole=False)
