"""A real Chromium, a real server, and people with stories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from services.common.access import Role
from services.demo.data import open_university
from tests.browser import people
from tests.browser.site import Site
from tests.conftest import Hub
from tests.integration.imports_kit import imported
from tests.needs import absent
from tests.processes import until

ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Longer than the portal waits for what it wrote (10 s), on a machine with much else to do.
PATIENCE_MS = 60_000
LAUNCH_PATIENCE_MS = 180_000
expect.set_options(timeout=30_000)


# The one without windows first: each page costs it a third. deploy/scripts/chromium.sh has the same.
CHROMIUMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def chromium() -> str | None:
    """The Chromium that `CHROMIUM` names, or an installed one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a Chromium, one test stands for all of them, and says so with one loud line."""
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    if chromium() is None and mine:
        mine[0].add_marker(pytest.mark.no_browser(left_out=len(mine)))
        config.hook.pytest_deselected(items=mine[1:])
        items[:] = [item for item in items if item not in mine[1:]]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture, so that no server is started for nothing."""
    if marker := item.get_closest_marker("no_browser"):
        left_out = marker.kwargs["left_out"]
        absent(f"no chromium: {left_out} browser tests did not run. apt-get install chromium")


# For the package, not the session: Playwright has a loop running in this thread until it ends, and
# other packages' async tests need the thread without one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A real one; see `chromium`."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=chromium(), args=ARGS, timeout=LAUNCH_PATIENCE_MS
        )
        yield made
        made.close()


# Rows of studentInfo.csv: everyone has a result or has left.
COHORTS = 1330
FILLED_WITHIN_S = 280


@dataclass
class Cast:
    """Who is on the site."""

    site: Site
    rosa: UUID = field(default_factory=uuid4)
    ben: UUID = field(default_factory=uuid4)
    many: UUID = field(default_factory=uuid4)
    rosa_grant: UUID = field(default_factory=uuid4)

    async def fill(self) -> None:
        log = self.site.log
        await log.directory()
        await log.register("Rosa Marín", self.rosa, at=people.ago(1100))
        await log.register("Ben Tran", self.ben, at=people.ago(3))
        await log.add(*people.rosa(self.rosa), people.asked(self.rosa))
        await log.add(people.grant(self.rosa, self.rosa_grant, at=people.ago(60)))
        await log.add(*people.seen_on_two_days(self.rosa, self.rosa_grant))
        for number in range(5000):
            if number % 500 == 0:
                await log.add(*(self._support(n) for n in range(number, number + 500)))
        await log.add(*people.cohort("GGG-2013J", PASSED=26, DISTINCTION=11, FAILED=9, LEFT=14))
        await self.site.read()
        await self._import_open_university()

    async def _import_open_university(self) -> None:
        """The real cohorts, in through the same door as in use."""
        key = {"Authorization": f"Bearer {await self.site.key(Role.PROVIDER, 'open-university')}"}
        async with httpx.AsyncClient(base_url=self.site.url, timeout=60) as http:
            for shipment in open_university()[:2]:  # the tests' marks are not on the page
                await imported(Hub(http, self.site.pool), key, shipment)

        async def all_read() -> bool:
            ended = "SELECT count(*) FROM read.training WHERE course_id <> 'GGG-2013J' AND provider_id = 'open-university' AND enrolled_at IS NOT NULL AND (result IS NOT NULL OR exited_at IS NOT NULL)"
            return bool(await self.site.pool.fetchval(ended) == COHORTS)

        await until(all_read, within_s=FILLED_WITHIN_S)

    def _support(self, number: int) -> people.Event:
        own = {"support_id": f"s-{number}", "kind": "MENTORING", "started_by": "WORKER"}
        at = people.ago(1000 - number * 0.19)
        return people.about("SupportGiven", self.many, people.ACME, at, **own, minutes=30)


@pytest.fixture(scope="package")
def cast(
    kafka_bootstrap: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cast]:
    """The site with its people, once for all browser tests."""
    site = Site(kafka_bootstrap, postgres_url, tmp_path_factory.mktemp("site"))
    site.start()
    made = Cast(site)
    site.do(made.fill(), FILLED_WITHIN_S)
    yield made
    site.stop()


def registered(visit: Visitor, **said: str) -> dict[str, Any]:
    """A record of River College that nobody has taken up, with its code."""
    key = visit.cast.site.do(visit.cast.site.key(Role.PROVIDER, "river-college"))
    answer = visit.context.request.post(
        f"{visit.cast.site.url}/v1/workers",
        headers={"Authorization": f"Bearer {key}"},
        data={"source_record_id": f"r-{uuid4()}", **said},
    )
    made: dict[str, Any] = answer.json()
    return made


def follow(what: Locator) -> None:
    """Press what leads to another page, and wait until that one is there whole: a click alone
    waits only until its first bytes came."""
    with what.page.expect_navigation():
        what.click()


class Visitor:
    """One browser profile, and everything that it asked for or complained about."""

    def __init__(self, context: BrowserContext, cast: Cast) -> None:
        self.context = context
        self.context.set_default_timeout(PATIENCE_MS)
        self.cast = cast
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: object) -> None:
        if getattr(message, "type", "") in ("error", "warning"):
            self.complaints.append(str(getattr(message, "text", message)))

    def open(self, path: str) -> Page:
        self.page.goto(self.cast.site.url + path)
        return self.page

    def sign_in(self, worker_id: UUID) -> Page:
        """Sign in as people do, with a key."""
        self.open("/sign-in")
        self.page.fill("#code", self.cast.site.do(self.cast.site.key(Role.WORKER, str(worker_id))))
        follow(self.page.locator("main button"))
        return self.page


@pytest.fixture
def visit(browser: Browser, cast: Cast) -> Iterator[Visitor]:
    """A phone, 360 px wide."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="en-US")
    yield Visitor(context, cast)
    context.close()


@pytest.fixture
def rosa(visit: Visitor) -> Visitor:
    """The same phone, with Rosa signed in."""
    visit.sign_in(visit.cast.rosa)
    return visit


SHOTS = Path("docs/screenshots")


def picture(visitor: Visitor, name: str, path: str, *, whole: bool) -> None:
    """Make docs/screenshots/NAME-phone.png or -desktop.png when `SCREENSHOTS` is set; else look
    that it is there.

    whole: the page to its end, where what it is about would be cut.
    """
    size = visitor.page.viewport_size
    assert size is not None
    file = SHOTS / f"{name}-{'phone' if size['width'] == 360 else 'desktop'}.png"
    if os.environ.get("SCREENSHOTS"):
        SHOTS.mkdir(parents=True, exist_ok=True)
        visitor.open(path).wait_for_load_state("load")
        visitor.page.screenshot(path=file, full_page=whole)
    assert 5_000 < file.stat().st_size < 400_000, file


@pytest.fixture(params=[360, 1100])
def pictured(visit: Visitor, request: pytest.FixtureRequest) -> Visitor:
    """A phone, or a larger screen, for pictures."""
    width = request.param
    visit.page.set_viewport_size({"width": width, "height": 1400 if width == 360 else 900})
    return visit
