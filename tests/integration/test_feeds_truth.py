"""From events to a release: what is published, against counts by hand and the region's own truth."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from services.common.access import Role
from services.common.clock import utc_now
from services.common.later_schemas import LaterSchemas
from services.common.settings import Settings
from services.demo.direct import produce
from services.demo.measures import employed_in, period_exits, quarter_of
from services.demo.model import Life, instant
from services.demo.region import Region
from services.demo.releases import complete_years
from services.feeds import windows
from services.feeds.gate import Programme
from services.feeds.handlers import _counts
from services.feeds.store import FeedsStore
from tests.conftest import Hub
from tests.feeds_kit import Person, Read, day, programme, read
from tests.integration.test_projections import Positions, ends, positions, running
from tests.projection_kit import Event

__all__ = ["positions", "read"]  # fixtures of the kit
SERVICES = ("feeds",)
RELEASES = "/v1/feeds/employment-q2/releases"
Key = tuple[str, str]  # provider, course
Shown = dict[Key, tuple[str, int | None]]


async def released(hub: Hub, window: str) -> Shown:
    operator = await hub.key(Role.OPERATOR, "hub")
    made = await hub.http.post(RELEASES, json={"window": window}, headers=operator)
    assert made.status_code == 201, made.text
    body = (await hub.http.get(f"{RELEASES}/{made.json()['release']}")).json()
    return {
        (row["provider_id"], row["programme_id"]): (row["status"], row["percent"])
        for row in body["rows"]
    }


def several(count: int, make: Any) -> Iterator[Event]:
    for number in range(count):
        yield from make(number).events


async def test_a_course_of_16_weeks_is_one_period(hub: Hub, read: Read) -> None:
    """25 people finish on 23 April 2024, 5 leave after 3 weeks; the second quarter after both is
    October to December. Of those who finish 12 have a job then, of those who leave 3: 15 of 30.
    Who began a job in January, or ended one in September, has none in it.
    """
    start = day("2024-01-02")

    def finisher(number: int) -> Person:
        person = Person().enrol("welding", start).attend("welding", start, weeks=16)
        if number < 12:
            return person.work(day("2024-12-30"))
        if number < 16:
            return person.work(day("2025-01-01"))
        return person.work(day("2024-03-01"), until=day("2024-09-30"))

    def leaver(number: int) -> Person:
        person = Person().enrol("welding", day("2024-04-01"))
        person.attend("welding", day("2024-04-01"), weeks=3)
        person.tell(
            "TrainingExited",
            day("2024-04-25"),
            enrolment_id="e-welding-river-college",
            course_id="welding",
            provider_id="river-college",
        )
        return person.work(day("2024-10-01")) if number < 3 else person

    await read([programme("welding"), *several(25, finisher), *several(5, leaver)])

    assert await released(hub, "PY2023") == {("river-college", "welding"): ("ok", 50)}


async def test_the_same_course_id_at_two_providers_is_two_programmes(hub: Hub, read: Read) -> None:
    def at(provider: str, employed: int) -> Any:
        def one(number: int) -> Person:
            person = Person().enrol("nursing", day("2024-02-01"), provider=provider)
            person.attend("nursing", day("2024-02-01"), weeks=4, provider=provider)
            return person.work(day("2024-08-15")) if number < employed else person

        return one

    schools = [programme("nursing", "a-college"), programme("nursing", "b-college")]
    await read([*schools, *several(40, at("a-college", 30)), *several(20, at("b-college", 10))])

    assert await released(hub, "PY2023") == {
        ("a-college", "nursing"): ("ok", 75),
        ("b-college", "nursing"): ("ok", 50),
    }


async def test_a_period_counts_for_the_courses_that_were_served_in_it(hub: Hub, read: Read) -> None:
    """Two courses one after the other are one period; with 90 days between them they are two,
    and the first of them is told by its own sessions, not by the day of the enrolment.
    """

    def one_period(number: int) -> Person:
        person = Person().enrol("roofing", day("2023-10-02"))
        person.attend("roofing", day("2023-10-02"), weeks=13)  # up to 1 January
        person.enrol("tiling", day("2024-03-30")).attend("tiling", day("2024-03-30"), weeks=2)
        return person.work(day("2024-12-01")) if number < 20 else person

    def two_periods(number: int) -> Person:
        person = Person().enrol("roofing", day("2023-10-02"))
        person.attend("roofing", day("2023-10-02"), weeks=13)
        person.enrol("baking", day("2024-03-31")).attend("baking", day("2024-03-31"), weeks=2)
        return person.work(day("2024-07-02"), until=day("2024-09-30")) if number < 12 else person

    listed = [programme(course) for course in ("roofing", "tiling", "baking")]
    await read([*listed, *several(40, one_period), *several(30, two_periods)])

    # Roofing: 20 of 40 by December, and 12 of 30 from July to September.
    assert await released(hub, "PY2023") == {
        ("river-college", "baking"): ("suppressed", None),
        ("river-college", "roofing"): ("ok", 46),
        ("river-college", "tiling"): ("ok", 50),
    }


@pytest.fixture
def region() -> Region:
    """The same on every day: how many numbers there are to compare is a matter of its lives."""
    return Region(seed=7, workers=1500)


@pytest.mark.timeout(900)
async def test_a_region_is_published_as_its_lives_were_lived(
    hub: Hub,
    settings: Settings,
    positions: Positions,
    region: Region,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In parts: what stands in two of them counts once."""
    monkeypatch.setattr("services.feeds.store.PART", 1000)
    sent = asyncio.to_thread(produce, settings, region, lambda count, seconds: None)
    async with running(settings):
        await sent
        await positions.reach(await ends(settings))

    numbers = 0
    for window in complete_years(instant(region.window.since), region.until):
        counted = lived(region, window)
        assert await counts(hub, settings, window) == {
            key: (len(exits), sum(how == "employed" for _, how in exits), len(people_of(exits)))
            for key, exits in counted.items()
        }
        shown = await released(hub, window)
        assert shown.items() >= {key: plainly(exits) for key, exits in counted.items()}.items()
        assert {shown[key] for key in shown.keys() - counted.keys()} <= {("suppressed", None)}
        numbers += sum(status == "ok" for status, _ in shown.values())
    assert numbers >= 5


async def counts(hub: Hub, settings: Settings, window: str) -> dict[Programme, tuple[int, ...]]:
    """What the gate is given: periods, those employed, and people."""
    now = utc_now()
    async with FeedsStore(hub.pool, LaterSchemas(settings)).exported(now) as (folder, _):
        groups, _ = await asyncio.to_thread(_counts, folder, windows.parse(window), now)
    return {key: (one.exiters, one.employed, one.people) for key, one in groups.items()}


def lived(region: Region, window_id: str) -> dict[Key, list[tuple[str, str]]]:
    """Per programme: who exited in the year, and how it stood with work two quarters later."""
    window = windows.parse(window_id)
    found: dict[Key, list[tuple[str, str]]] = defaultdict(list)
    for life in region.lives():
        before = 0
        for exit_at in sorted(period_exits(life, region.window)):
            standing = employed_in(life, quarter_of(exit_at) + 2, region.window)
            if window.start <= instant(exit_at) < window.end:
                for key in served(life, before, exit_at):
                    found[key].append((life.code, standing))
            before = exit_at
    return found


def served(life: Life, after: int, until: int) -> set[Key]:
    return {
        (enrolment.course.provider.id, enrolment.course.id)
        for enrolment in life.enrolments
        if any(after < at <= until for at in enrolment.service_times())
    }


def plainly(exits: list[tuple[str, str]]) -> tuple[str, int | None]:
    """What may be said of them, told once more: ten people on each side, or fifty for a word."""
    working = {who for who, how in exits if how == "employed"}
    idle = {who for who, how in exits if how == "not"}
    if min(len(working), len(idle)) >= 10:
        return "ok", round(100 * sum(how == "employed" for _, how in exits) / len(exits))
    if len(people_of(exits)) < 50:
        return "suppressed", None
    return ("bottom_coded" if len(working) < 10 else "top_coded"), None


def people_of(exits: list[tuple[str, str]]) -> set[str]:
    return {who for who, _ in exits}
