"""Pages for agencies, operators and developers, by the same check-list."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser

from schemas.catalog import event_types
from services.common.postgres import Pool
from tests.browser.checks import (
    assert_axe_finds_nothing,
    assert_nothing_scrolls_sideways,
    smaller_than,
)
from tests.browser.conftest import Cast, Visitor, follow, picture
from tests.browser.test_checks import DATA, untranslated

pytestmark = pytest.mark.browser
CATALOGUE = ["/events", "/events/PromiseMade", "/events/WorkerRegistered"]
PUBLIC = [*CATALOGUE, "/outcomes", "/outcomes?year=PY2023", "/cohorts"]
REBUILD = ["/rebuild?still=1", "/rebuild/start", "/rebuild/switch"]
PAGES = [*PUBLIC, "/flow?paused=1", "/flow/count", *REBUILD]
NEWEST = [
    ("welding", "Welding", "river-college", "ok", 77),
    ("care", "Care of older people at home", "river-college", "ok", 61),
    ("driving", "Truck driving", "river-college", "top_coded", None),
    ("roofing", "Roofing", "river-college", "suppressed", None),
    ("baking", "Baking", "river-college", "not_reported", None),
    ("sewing", "Sewing", "river-college", "bottom_coded", None),
]


async def release(pool: Pool) -> None:
    """Two years as `feeds` stores them."""
    head = "INSERT INTO feeds.release VALUES ('employment-q2', $1, $2, 1, 10, now(), '{}', now(), 'hub') ON CONFLICT DO NOTHING"
    cell = "INSERT INTO feeds.cell VALUES ('employment-q2', $1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
    for number, window in ((1, "PY2023"), (2, "PY2024")):
        await pool.execute(head, number, window)
        for place, row in enumerate(NEWEST[: 3 * number]):
            await pool.execute(cell, number, place, *row)


async def connect(pool: Pool) -> None:
    """Receivers in several states."""
    made = "INSERT INTO delivery.connection VALUES ($1, $2, 1, $3, 'https://x.test', $4, '{}', 'hiring', now()) ON CONFLICT DO NOTHING"
    lane = "INSERT INTO delivery_work.lane (connection_id, worker_id, recipient_id, pending, failures, next_at) VALUES ($1, gen_random_uuid(), 'acme-foods', $2, $3, now() + interval '1 minute')"
    for name, organization, connector, state, pending, failures in (
        ("c-1", "acme-foods", "webhook", "ACTIVE", 12, 3),
        ("c-2", "harbor-logistics", "scim", "ACTIVE", 0, 0),
        ("c-3", "harbor-logistics", "webhook", "PAUSED", 0, 0),
    ):
        await pool.execute(made, name, organization, connector, state)
        await pool.execute(lane, name, pending, failures)
    waits = "INSERT INTO delivery_work.outbox (connection_id, event_id, worker_id, recipient_id, log_offset, event_type, category, state, matched_at) VALUES ('c-1', gen_random_uuid(), gen_random_uuid(), 'acme-foods', 1, 'SkillAttested', 'skill', 'pending', now() - interval '4 minutes')"
    await pool.execute(waits)


async def all_read(pool: Pool) -> None:
    """As if the workers that do not run here had read all that the read model has."""
    for table in ("delivery.position", "promises.position"):
        await pool.execute(
            f"INSERT INTO {table} SELECT topic, partition, next_offset FROM read.stream_position"
            " WHERE topic = 'stories' OR topic = 'directory' ON CONFLICT (topic, partition)"
            " DO UPDATE SET next_offset = excluded.next_offset"
        )


async def rebuild(pool: Pool) -> None:
    """Under way, compared, and something differs."""
    key = {"worker_id": "0198c1f0-0000-7000-8000-000000000001", "enrolment_id": "e-1042"}
    rows = [{"table": "training", "key": key, "how": "different", "columns": ["sessions"]}]
    tables = [{"table": "training", "differences": rows}, {"table": "story", "differences": []}]
    found = {"equal": False, "rows": 4_812_007, "unsettled": 2, "tables": tables}
    await pool.execute(
        "INSERT INTO projections_work.rebuild (is_changed, rate, asked_by, log_records, read_records,"
        " records_per_s, told_at, comparison, compared_at) VALUES (true, 25000, 'hub (page)', 5000000,"
        " 3161000, 18420, now() + interval '1 hour', $1, now()) ON CONFLICT DO NOTHING",
        json.dumps(found),
    )
    await pool.execute(
        "INSERT INTO projections_work.rebuild_step (step, rate, asked_by, begun_at, ended_at, outcome)"
        " VALUES ('start', 25000, 'hub (page)', now(), now(), 'done')"
    )
    await pool.execute(
        "INSERT INTO projections_work.rebuild_step (step, asked_by, begun_at, ended_at, outcome, code,"
        " told) VALUES ('switch', 'hub (page)', now(), now(), 'refused', 'differs', 'the comparison"
        " found differences; look at them first')"
    )


@pytest.fixture(scope="package")
def filled(cast: Cast) -> Cast:
    cast.site.do(release(cast.site.pool))
    cast.site.do(connect(cast.site.pool))
    cast.site.do(rebuild(cast.site.pool))
    return cast


@pytest.fixture
def operator(visit: Visitor, filled: Cast) -> Visitor:
    """Signed in by the demo's button."""
    visit.open("/demo")
    follow(visit.page.locator("button[name=role]"))
    visit.page.wait_for_url("**/flow")
    visit.open("/flow?paused=1")
    visit.complaints.clear()  # of a question for numbers that was cut off
    return visit


def in_language(path: str, language: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={language}"


@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_nothing(operator: Visitor, language: str) -> None:
    for path in PAGES:
        page = operator.open(in_language(path, language))
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        assert_axe_finds_nothing(page, path)


@pytest.mark.parametrize("language", ["en", "es", "qps"])
def test_nothing_scrolls_sideways(operator: Visitor, language: str) -> None:
    for path in PAGES:
        assert_nothing_scrolls_sideways(operator.open(in_language(path, language)), path)


# Names and titles that the pages tell as they were given.
TITLES = re.compile(
    rf"{DATA.pattern}|{'|'.join(row[1] for row in NEWEST)}|The Open University|Module .*"
    r"|hub \(page\)|UUID"
)


def test_every_text_is_marked_for_translation(operator: Visitor) -> None:
    for path in (*PAGES, "/", "/sign-in"):
        page = operator.open(in_language(path, "qps"))
        assert untranslated(page, TITLES) == [], path
    heads = operator.open("/events/PromiseMade?lang=qps").locator("main dt, main summary, main h2")
    assert len(found := heads.all_inner_texts()) > 15
    assert [text for text in found if "[" not in text] == []
    assert operator.page.locator("main [lang=en]").count() > 10, "what the Avro files say"


def test_targets_are_large_enough(operator: Visitor) -> None:
    for path in PAGES:
        assert smaller_than(operator.open(path), 24) == [], path


def test_pages_are_light_and_small_trees(operator: Visitor) -> None:
    wire = operator.context.new_cdp_session(operator.page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    for path in PAGES:
        operator.page.goto("about:blank")
        sizes: list[float] = []
        wire.on(
            "Network.loadingFinished",
            lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]),
        )
        page = operator.open(path)
        page.wait_for_load_state("load")
        assert 1 <= len(sizes) <= 8, (path, sizes)
        assert 3_000 < sum(sizes) <= 100_000, (path, sizes)
        assert page.evaluate("document.querySelectorAll('*').length") <= 2_500, path


def test_no_other_host_is_asked_and_nothing_complains(operator: Visitor) -> None:
    for path in PAGES:
        operator.open(path).wait_for_load_state("load")

    assert [
        url for url in operator.requests if not url.startswith(operator.cast.site.url + "/")
    ] == []
    assert operator.complaints == []


def test_every_kind_of_event_has_a_page_and_no_link_is_dead(visit: Visitor) -> None:
    page = visit.open("/events")
    links = page.eval_on_selector_all("main .types a", "all => all.map(e => e.pathname)")
    assert sorted(links) == sorted(f"/events/{name}" for name in event_types())
    for path in links:
        assert visit.context.request.get(visit.cast.site.url + path).status == 200, path

    assert visit.context.request.get(visit.cast.site.url + "/events/Made-Up").status == 404
    assert visit.context.request.get(visit.cast.site.url + "/events/trainingexited").status == 404


def test_an_event_page_says_who_sends_it_and_what_is_sealed(visit: Visitor) -> None:
    text = visit.open("/events/WorkerRegistered").inner_text("main")
    assert "No key may send it." in text
    assert re.search(r"display_name\s+text\s+What the person wants to be called\.", text)
    assert "sealed" in text
    assert "personal data" in text
    assert visit.page.get_by_role("heading", name="Send it").count() == 0

    page = visit.open("/events/Promoted")
    text = page.inner_text("main")
    assert "employers, operators" in text
    assert "from throughline_sdk import Client" in text
    assert "scim, webhook" in text
    assert "Counted in employment.promotions" in text
    assert re.search(r"occupation\s+text[^§]+Read into employment\.occupation", text)
    page.click("text=Send it with any HTTP client")
    assert "httpx.post" in page.inner_text("main")


def test_an_event_page_leads_to_its_schemas(visit: Visitor) -> None:
    page = visit.open("/events/PromiseMade")
    assert "Field criteria was added." in page.inner_text("main")
    addresses = page.eval_on_selector_all("#versions ~ .jump a", "all => all.map(e => e.href)")

    answers = {one: visit.context.request.get(one).json() for one in addresses}
    assert len(answers) == 3, addresses
    named = {
        answer.get("name") or answer.get("title") or answer["id"] for answer in answers.values()
    }
    assert named == {"PromiseMade", "urn:throughline:hub"}


def test_hidden_numbers_are_words_for_readers_and_for_eyes(visit: Visitor, filled: Cast) -> None:
    page = visit.open("/outcomes")
    cells = page.locator("tbody td:last-child")

    assert cells.all_inner_texts() == [
        "almost all",
        "77 %",
        "61 %",
        "very few",
        "not reported",
        "hidden: too few people",
    ]
    hatched = "e => getComputedStyle(e).backgroundImage.includes('gradient')"
    assert [cell.evaluate(hatched) for cell in cells.all()] == [
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    drawn = page.locator(".outcome-bars rect.passed").evaluate_all(
        "all => all.map(e => e.getAttribute('width'))"
    )
    assert drawn == ["77", "61"]


def test_the_files_of_the_outcomes_are_there(visit: Visitor, filled: Cast) -> None:
    links = visit.open("/outcomes").eval_on_selector_all(
        "main a[href*='/v1/feeds/']", "all => all.map(e => e.href)"
    )
    assert len(links) == 2
    for address in links:
        assert visit.context.request.get(address).status == 200


def test_the_numbers_refresh_by_themselves_and_keep_the_focus(operator: Visitor) -> None:
    page = operator.open("/flow")
    region = page.locator("#readers-table")
    region.focus()
    page.evaluate("document.querySelector('#readers-table').dataset.old = 'yes'")
    page.wait_for_selector("#readers-table:not([data-old])")

    assert page.evaluate("document.activeElement.id") == "readers-table"
    assert page.locator("#numbers #numbers").count() == 0
    assert page.locator("h1").count() == 1
    assert operator.complaints == []  # to leave may cut off a question, which is told
    follow(page.get_by_role("link", name="Pause", exact=True))
    assert page.locator("[hx-trigger]").count() == 0
    operator.complaints.clear()
    follow(page.locator("text=Go on by itself"))
    assert page.locator("[hx-trigger]").count() == 1
    assert operator.complaints == []


def test_the_flow_is_read_without_scripts(browser: Browser, filled: Cast) -> None:
    context = browser.new_context(java_script_enabled=False)
    visit = Visitor(context, filled)
    visit.open("/demo")
    follow(visit.page.locator("button[name=role]"))
    follow(visit.page.locator("text=Refresh"))

    assert visit.page.locator("#readers-table tbody tr").count() == 6
    assert "Trying again" in visit.page.inner_text("#numbers")
    assert "Some do not match" not in visit.page.inner_text("main")
    follow(visit.page.locator("text=See each part"))
    assert visit.page.locator("#counted-table tbody tr").count() > 1
    context.close()


def test_the_rebuild_refreshes_by_itself_and_keeps_the_focus(operator: Visitor) -> None:
    page = operator.open("/rebuild")
    page.locator("#press-compare").focus()
    page.evaluate("document.querySelector('#steps').dataset.old = 'yes'")
    page.wait_for_selector("#steps:not([data-old])")

    assert page.evaluate("document.activeElement.id") == "press-compare"
    assert page.get_by_role("progressbar", name="How far the new tables are").count() == 1
    assert operator.complaints == []  # to leave may cut off a question, which is told
    follow(page.locator("text=Hold still"))
    assert page.locator("[hx-trigger]").count() == 0


def test_a_rebuild_is_ordered_without_scripts(browser: Browser, filled: Cast) -> None:
    context = browser.new_context(java_script_enabled=False)
    visit = Visitor(context, filled)
    visit.open("/demo")
    follow(visit.page.locator("button[name=role]"))
    visit.open("/rebuild")
    follow(visit.page.locator("#ask-rate"))
    visit.page.fill("#rate", "twelve")
    follow(visit.page.locator("text=Yes, do it"))
    assert visit.page.title().startswith("Error:")
    visit.page.fill("#rate", "12")
    follow(visit.page.locator("text=Yes, do it"))
    assert "Asked for: Change the speed." in visit.page.inner_text("main")
    query = "DELETE FROM projections_work.rebuild_step WHERE begun_at IS NULL RETURNING rate"
    assert filled.site.do(filled.site.pool.fetchval(query)) == 12
    context.close()


def test_no_link_of_these_pages_is_dead(operator: Visitor) -> None:
    found = set()
    for path in (*PAGES, "/flow", "/"):
        page = operator.open(path)
        found |= set(page.eval_on_selector_all("a", "all => all.map(e => e.href)"))
    for address in sorted(found):
        status = operator.context.request.get(address).status
        # The front page leads a worker to the record; an operator is told that it is not theirs.
        assert status == (403 if address.endswith("/me") else 200), address


def test_screenshots(pictured: Visitor, filled: Cast) -> None:
    picture(pictured, "catalogue", "/events", whole=False)
    picture(pictured, "catalogue-event", "/events/PromiseMade", whole=False)
    picture(pictured, "outcomes", "/outcomes", whole=True)
    filled.site.do(all_read(filled.site.pool))
    pictured.open("/demo")
    follow(pictured.page.locator("button[name=role]"))
    picture(pictured, "flow", "/flow", whole=True)
    picture(pictured, "flow-count", "/flow/count", whole=True)
    picture(pictured, "rebuild", "/rebuild?still=1", whole=True)
