"""What must be done for a promise, in words: `training:c-101` becomes `Finish Forklift safety`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from services.portal.i18n import Language
from services.portal.words import readable, skill


def courses(criteria: Iterable[str]) -> set[str]:
    """The courses that are among the criteria, whose titles the directory has."""
    return {what for code in criteria for kind, what in [_split(code)[:2]] if kind == "training"}


def step(code: str, t: Language, titles: Mapping[str, str]) -> str:
    """One criterion as a thing to do. The codes are those of `PromiseMade.criteria`."""
    kind, what, more = _split(code)
    if kind == "training":
        return t.gettext("Finish: %(course)s", course=titles.get(what) or readable(what))
    if kind == "skill":
        return _checked(what, more, t)
    if kind == "assessment" and (share := _percent(more)):
        name = readable(what)
        return t.gettext("Get %(share)s in this test: %(name)s", share=share, name=name)
    if kind == "employed_days" and what.isdecimal():
        return t.ngettext("Work there for %(num)s day", "Work there for %(num)s days", int(what))
    return readable(what or kind)


def _split(code: str) -> tuple[str, str, Mapping[str, str]]:
    head, *rest = code.split(";")
    kind, _, what = head.partition(":")
    return kind, what, dict(part.partition("=")[::2] for part in rest)


def _checked(what: str, more: Mapping[str, str], t: Language) -> str:
    name, by = skill(what, t), more.get("attested_by", "")
    words = {
        "SUPERVISOR": t.gettext("Have your supervisor check this skill: %(name)s", name=name),
        "MENTOR": t.gettext("Have your mentor check this skill: %(name)s", name=name),
        "ASSESSOR": t.gettext("Have an assessor check this skill: %(name)s", name=name),
        "PEER": t.gettext("Have a co-worker check this skill: %(name)s", name=name),
    }.get(by, t.gettext("Have someone check this skill: %(name)s", name=name))
    times = more.get("times", "1")
    if not times.isdecimal() or int(times) < 2:
        return words
    often = t.ngettext("%(num)s time", "%(num)s times", int(times))
    return f"{words} ({often})"


def _percent(more: Mapping[str, str]) -> str:
    """`80 %`; empty when the criterion names no number."""
    try:
        return f"{Decimal(more.get('at_least', '')) * 100:.0f} %"
    except InvalidOperation:
        return ""
