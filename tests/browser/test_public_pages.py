"""Pages for agencies, operators and developers, by the same check-list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from schemas.catalog import event_types
from tests.browser.conftest import Visitor

pytestmark = pytest.mark.browser
CATALOGUE = ["/events", "/events/PromiseMade", "/events/WorkerRegistered"]
PAGES = [*CATALOGUE]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_nothing(visit: Visitor, language: str, scheme: Any) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    for path in PAGES:
        page = visit.open(f"{path}?lang={language}")
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"


WIDE = """
() => [...document.querySelectorAll('main, main *:not(.scroll *, pre *), header *, footer')]
  .filter(e => !e.closest('.hidden, .skip') && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("width", [360, 320])
@pytest.mark.parametrize("text_size", ["", "225%"])
def test_nothing_scrolls_sideways(visit: Visitor, width: int, text_size: str) -> None:
    visit.page.set_viewport_size({"width": width, "height": 740})
    for path in PAGES:
        for language in ("en", "es", "qps"):
            page = visit.open(f"{path}?lang={language}")
            page.evaluate("size => { document.documentElement.style.fontSize = size }", text_size)
            assert page.evaluate(WIDE) == [], (path, language)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


TARGETS = """
() => [...document.querySelectorAll('a, button, summary, input:not([type=hidden])')].map(e => {
  const box = (e.closest('label') || e).getBoundingClientRect();
  return {what: e.outerHTML.slice(0, 90), width: box.width, height: box.height};
})
"""


def test_targets_are_large_enough(visit: Visitor) -> None:
    for path in PAGES:
        page = visit.open(path)
        page.focus(".skip")
        found = page.evaluate(TARGETS)
        assert len(found) >= 4, path
        assert [t for t in found if t["width"] < 24 or t["height"] < 24] == [], path


def test_pages_are_light_and_small_trees(visit: Visitor) -> None:
    wire = visit.context.new_cdp_session(visit.page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    for path in PAGES:
        visit.page.goto("about:blank")
        sizes: list[float] = []
        wire.on(
            "Network.loadingFinished",
            lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]),
        )
        page = visit.open(path)
        page.wait_for_load_state("load")
        assert 1 <= len(sizes) <= 8, (path, sizes)
        assert 3_000 < sum(sizes) <= 100_000, (path, sizes)
        assert page.evaluate("document.querySelectorAll('*').length") <= 2_500, path


def test_no_other_host_is_asked_and_nothing_complains(visit: Visitor) -> None:
    for path in PAGES:
        visit.open(path).wait_for_load_state("load")

    assert [url for url in visit.requests if not url.startswith(visit.cast.site.url + "/")] == []
    assert visit.complaints == []


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

    text = visit.open("/events/Promoted").inner_text("main")
    assert "employers, operators" in text
    assert "httpx.post" in text


@pytest.mark.parametrize("width", [360, 1100])
def test_screenshots(visit: Visitor, shots: Path | None, width: int) -> None:
    """Makes docs/screenshots when SCREENSHOTS is set; else looks that each page has a picture."""
    kind = "phone" if width == 360 else "desktop"
    addresses = {"catalogue": "/events", "catalogue-event": "/events/PromiseMade"}
    visit.page.set_viewport_size({"width": width, "height": 1400 if width == 360 else 900})
    for name, path in addresses.items():
        picture = Path("docs/screenshots") / f"{name}-{kind}.png"
        if shots is not None:
            visit.open(path).wait_for_load_state("networkidle")
            visit.page.screenshot(path=picture)
        assert 5_000 < picture.stat().st_size < 400_000, picture
