"""Checks that each page passes. A page is opened once and looked at in all its forms."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCHEMES: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},
}
WIDTHS = (360, 320)
TEXT_SIZES = ("", "225%")  # 112.5 % is ours; 225 % is twice that

WIDE = """
() => [...document.querySelectorAll('main, main *:not(.scroll *, pre *), header *, footer')]
  .filter(e => !e.closest('.hidden, .skip') && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 80))
"""

# Colours fade into those of another scheme.
SETTLED = "() => Promise.all(document.getAnimations().map(fading => fading.finished))"


def assert_axe_finds_nothing(page: Page, where: object) -> None:
    """By all its rules, and once more in the other scheme by those that look at colours."""
    for scheme, rules in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        page.evaluate(SETTLED)
        found = Axe().run(page, options=rules)
        assert found.violations_count == 0, f"{where}, {scheme}: {found.generate_report()}"


def assert_nothing_scrolls_sideways(page: Page, where: object) -> None:
    """On a small phone and a smaller one, with texts as they come and twice as large."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        for size in TEXT_SIZES:
            page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
            assert page.evaluate(WIDE) == [], (where, width, size)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                where,
                width,
                size,
            )


# Of what can be pressed: the size of it, or of the label around it.
_TARGETS = """
selector => [...document.querySelectorAll(selector)].map(e => {
  const box = (e.closest('label') || e).getBoundingClientRect();
  return {what: e.outerHTML.slice(0, 90), width: box.width, height: box.height};
})
"""
_PRESSED = "a, button, summary, textarea, input:not([type=hidden]), [tabindex='0']"


def smaller_than(page: Page, pixels: int, *, least: int = 4) -> list[dict[str, Any]]:
    """What can be pressed and is smaller than `pixels` by `pixels`, of `least` controls or more."""
    page.focus(".skip")
    found: list[dict[str, Any]] = page.evaluate(_TARGETS, _PRESSED)
    assert len(found) >= least, page.url
    return [one for one in found if one["width"] < pixels or one["height"] < pixels]
