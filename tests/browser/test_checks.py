"""The check-list for pages, in a real Chromium: each page, light and dark, English and Spanish."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.checks import (
    assert_axe_finds_nothing,
    assert_nothing_scrolls_sideways,
    smaller_than,
)
from tests.browser.conftest import Visitor, follow

pytestmark = pytest.mark.browser
ASK = "/me/requests/r-1"
SAY = "/me/promises/p-pay/not-kept"
JOIN = "/me/join"
WORKER_PAGES = ["/me", "/me/promises", SAY, "/me/sharing", "stop", ASK, JOIN, "/help", "/demo"]
PAGES = [*WORKER_PAGES, "/", "/cohorts"]
BANNED = re.compile(r"\b(credential|event|payload|schema|wallet)s?\b", re.I)


def path_of(visitor: Visitor, page: str) -> str:
    return f"/me/sharing/{visitor.cast.rosa_grant}/stop" if page == "stop" else page


def open_page(visitor: Visitor, page: str, **query: str) -> Page:
    extra = "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
    return visitor.open(path_of(visitor, page) + extra)


@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_nothing(rosa: Visitor, language: str) -> None:
    for path in PAGES:
        page = open_page(rosa, path, lang=language)
        assert page.get_attribute("html", "lang") == language
        assert_axe_finds_nothing(page, path)


def test_axe_finds_nothing_before_signing_in_and_in_errors(visit: Visitor) -> None:
    for path in ("/sign-in", "/sign-in?out=1"):
        assert_axe_finds_nothing(visit.open(path), path)
    visit.page.fill("#code", "wrong")
    follow(visit.page.locator("main button"))
    expect(visit.page).to_have_title(re.compile("^Error:"))
    assert_axe_finds_nothing(visit.page, "a wrong code")


def test_axe_can_fail(rosa: Visitor) -> None:
    page = open_page(rosa, "/me")
    page.evaluate("document.querySelector('h1').remove()")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=x>')")

    assert Axe().run(page).violations_count >= 2


def test_each_form_of_a_page_is_looked_at(rosa: Visitor) -> None:
    """What is wrong in the dark alone, or on the smallest phone with large texts alone."""
    style = "rule => { const made = new CSSStyleSheet(); made.replaceSync(rule);"
    style += " document.adoptedStyleSheets = [made] }"
    page = open_page(rosa, "/me")
    page.evaluate(
        style, "@media (prefers-color-scheme: dark) { main * { color: #222 !important } }"
    )
    with pytest.raises(AssertionError, match="/me, dark"):
        assert_axe_finds_nothing(page, "/me")
    page.evaluate(style, "@media (max-width: 340px) { main h1 { width: 9.5rem !important } }")
    with pytest.raises(AssertionError, match="'/me', 320, '225%'"):
        assert_nothing_scrolls_sideways(page, "/me")


@pytest.mark.parametrize("language", ["en", "es", "qps"])
def test_nothing_scrolls_sideways(rosa: Visitor, language: str) -> None:
    for path in PAGES:
        assert_nothing_scrolls_sideways(open_page(rosa, path, lang=language), path)


def test_wide_tables_scroll_in_a_named_region_that_takes_the_focus(rosa: Visitor) -> None:
    page = open_page(rosa, "/cohorts")
    region = page.get_by_role("region", name=re.compile("how many signed up"))

    assert region.get_attribute("tabindex") == "0"
    assert region.evaluate("e => e.scrollWidth > e.clientWidth")


def test_targets_are_44_by_44(rosa: Visitor) -> None:
    for path in PAGES:
        assert smaller_than(open_page(rosa, path), 44, least=5) == [], path


def test_targets_are_44_by_44_at_sign_in(visit: Visitor) -> None:
    visit.open("/sign-in")
    follow(visit.page.locator("main button"))

    assert smaller_than(visit.page, 44) == []


FOCUS = """
() => {
  const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
  return {index: [...document.querySelectorAll('*')].indexOf(e), tag: e.tagName,
    ring: s.outlineStyle === 'none' ? 0 : parseFloat(s.outlineWidth), x: box.x, y: box.y + scrollY,
    skip: e.classList.contains('skip')};
}
"""


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_every_control_in_order_with_a_ring(rosa: Visitor, path: str) -> None:
    page = open_page(rosa, path)
    wanted = page.evaluate(
        # Of a group of radio buttons Tab reaches the chosen one, and arrow keys the others.
        "[...document.querySelectorAll("
        "'a, button, textarea, input:not([type=hidden]), [tabindex=\"0\"]')]"
        ".filter(e => e.type !== 'radio' || e.checked).length"
    )
    seen = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUS))
    page.keyboard.press("Tab")

    assert seen[0]["skip"]
    order = [step["index"] for step in seen]
    assert order == sorted(set(order)), "each control once, in reading order"
    assert all(step["ring"] >= 2 for step in seen), [s for s in seen if s["ring"] < 2]
    assert page.evaluate("document.activeElement.tagName") in ("BODY", "A"), "no trap"


def test_the_skip_link_goes_to_the_page(rosa: Visitor) -> None:
    page = open_page(rosa, "/me")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("path", WORKER_PAGES)
def test_a_worker_page_is_light(rosa: Visitor, path: str) -> None:
    rosa.page.wait_for_load_state("networkidle")
    sizes: list[float] = []
    wire = rosa.context.new_cdp_session(rosa.page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page = open_page(rosa, path)
    page.wait_for_load_state("networkidle")

    assert 1 <= len(sizes) <= 3, sizes
    assert 4_000 < sum(sizes) <= 30_000, sizes
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('*').length") <= 800


def test_5000_events_make_short_pages(visit: Visitor) -> None:
    page = visit.sign_in(visit.cast.many)
    facts = 0
    for _ in range(3):
        assert page.evaluate("document.querySelectorAll('*').length") <= 800
        assert len(page.content().encode()) <= 40_000
        assert page.locator(".fact").count() == 30
        facts += 30
        follow(page.locator("text=Show older"))
    follow(page.locator("text=Back to the newest"))
    assert page.url.endswith("/me")


def test_older_pages_go_on_where_the_last_one_ended(visit: Visitor) -> None:
    page = visit.sign_in(visit.cast.many)
    days = page.locator("time").evaluate_all("all => all.map(e => e.dateTime)")
    follow(page.locator("text=Show older"))
    days += page.locator("time").evaluate_all("all => all.map(e => e.dateTime)")

    assert len(days) == 60
    assert days == sorted(days, reverse=True)


def test_no_other_host_is_asked_and_nothing_complains(rosa: Visitor) -> None:
    for path in PAGES:
        for language in ("en", "es"):
            open_page(rosa, path, lang=language)

    assert len(rosa.requests) > 20
    assert [url for url in rosa.requests if not url.startswith(rosa.cast.site.url + "/")] == []
    assert rosa.complaints == []


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_banned_word_is_seen(rosa: Visitor, language: str) -> None:
    for path in WORKER_PAGES:
        text = open_page(rosa, path, lang=language).inner_text("body")
        assert len(text) > 100
        assert not BANNED.search(text), path


TEXTS = """
() => {
  const PLAIN = '[lang]:not(html), [translate=no], code, pre';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent.trim();
    if (text && !node.parentElement.closest(PLAIN)) found.push(text);
  }
  for (const e of document.querySelectorAll('[aria-label]'))
    if (!e.closest(PLAIN)) found.push(e.getAttribute('aria-label'));
  return found;
}
"""
DATA = re.compile(
    r"Acme Foods|Harbor Logistics|Spring Kitchen|River College|Forklift safety|Food safety, level 2|Food 1|Throughline"
    r"|Forklift driving|Rosa Marín|Ben Tran|Nina|Omar|\d{1,2} \w+ \d{4}|\(|\)|First-Line .*|Laborers .*|555-0100"
)


def untranslated(page: Page, data: re.Pattern[str] = DATA) -> list[str]:
    """Texts of a page in the pseudo-language that were never marked, but for names and titles."""
    texts = page.evaluate(TEXTS)
    assert len(texts) > 10
    plain = [t for t in texts if "[" not in t and re.search("[a-z]{2}", t)]
    return [t for t in plain if not data.fullmatch(t)]


def test_every_text_is_marked_for_translation(rosa: Visitor) -> None:
    names = map(re.escape, rosa.cast.site.log.names)  # the demo lists whomever tests have made
    data = re.compile("|".join([DATA.pattern, *names]))
    for path in WORKER_PAGES:
        assert untranslated(open_page(rosa, path, lang="qps"), data) == [], path


def test_nothing_is_cut_off_when_texts_are_longer(rosa: Visitor) -> None:
    for path in WORKER_PAGES:
        page = open_page(rosa, path, lang="qps")
        cut = page.evaluate(
            "[...document.querySelectorAll('a, button, p, h1, h2, h3, dd, dt, li')]"
            ".filter(e => !e.closest('.skip, .hidden') && (e.scrollWidth > e.clientWidth + 1"
            " || e.scrollHeight > e.clientHeight + 1) && getComputedStyle(e).display !== 'inline')"
            ".map(e => e.outerHTML.slice(0, 90))"
        )
        assert cut == [], path


def test_the_page_holds_still_while_it_loads(rosa: Visitor) -> None:
    page = open_page(rosa, "/me")
    shift = page.evaluate(
        "new Promise(done => new PerformanceObserver(list =>"
        " done(list.getEntries().reduce((sum, e) => sum + e.value, 0)))"
        ".observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 300))"
    )

    assert shift <= 0.02


def test_pages_print_without_their_controls(rosa: Visitor) -> None:
    page = open_page(rosa, "/me")
    page.emulate_media(media="print")

    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".fact").first).to_be_visible()
    expect(page.locator(".second")).not_to_be_visible()
    expect(page.locator(".tools")).not_to_be_visible()


LCP = """
new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
  .observe({type: 'largest-contentful-paint', buffered: true}))
"""


_SOON_MS, _LOADS = 4_000, 5


def painted(visitor: Visitor, path: str) -> list[float]:
    """When a page had painted, in ms, of its loads until one was soon enough: what slows down one
    load may be the machine, what slows down each is the page.
    """
    found: list[float] = []
    while len(found) < _LOADS and not any(ms <= _SOON_MS for ms in found):
        found.append(open_page(visitor, path).evaluate(LCP))
    return found


def test_a_slow_phone_shows_the_page_soon(rosa: Visitor) -> None:
    """400 kbit/s, 400 ms, a quarter of the processor, nothing in the cache."""
    wire = rosa.context.new_cdp_session(rosa.page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    slow = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    wire.send("Network.emulateNetworkConditions", {"offline": False, **slow})
    wire.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    loads = {path: painted(rosa, path) for path in ("/me", "/me/sharing")}
    print("LCP in ms on a slow phone:", loads)

    # Two round trips are 800 ms; the aim of 2.0 s has room for a busy machine, this for more.
    assert min(min(found) for found in loads.values()) >= 800
    assert max(min(found) for found in loads.values()) <= _SOON_MS
