"""The page of outcomes: what was released, and words where a number is hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from csv import DictReader
from io import StringIO
from typing import Any

import httpx
import pytest

from services.common.access import Role
from services.common.csv_cells import plain_cell
from tests.conftest import Hub
from tests.feeds_kit import Read, people, positions, read

__all__ = ["positions", "read"]  # fixtures of the kit
SERVICES = ("feeds", "portal")
RELEASES = "/v1/feeds/employment-q2/releases"
# programme: exiters, employed
GROUPS = {
    "welding": (40, 30),
    "roofing": (9, 5),
    "care": (30, 25),  # 5 without a job: too few
    "driving": (60, 55),  # the same in a large group
    "baking": (60, 4),
    "sewing": (60, 2),
}
# Others of whom an employer told something, but no job in the second quarter.
BEFORE = {"baking": 20, "sewing": 6}


@pytest.fixture
async def page(hub: Hub, read: Read) -> httpx.Response:
    groups = [
        people(name, exiters=n, employed=m, before=BEFORE.get(name, 0))
        for name, (n, m) in GROUPS.items()
    ]
    await read(event for group in groups for event in group)
    operator = await hub.key(Role.OPERATOR, "hub")
    answer = await hub.http.post(RELEASES, json={"window": "PY2023"}, headers=operator)
    assert answer.status_code == 201
    return await hub.http.get("/outcomes")


def rows(page: httpx.Response) -> dict[str, tuple[str, str]]:
    """The table: words and class of the last cell, by course."""
    cell = r'<th scope="row">(\w+)</th><td>[^<]*</td><td([^>]*)><span>([^<]*)</span>'
    return {
        name.lower(): (words, attributes) for name, attributes, words in re.findall(cell, page.text)
    }


async def test_hidden_numbers_are_words_on_hatching(page: httpx.Response) -> None:
    hatched = ' class="hatched"'
    assert rows(page) == {
        "driving": ("almost all", hatched),
        "welding": ("75 %", ""),
        "baking": ("very few", hatched),
        "sewing": ("not reported", hatched),
        "care": ("hidden: too few people", hatched),
        "roofing": ("hidden: too few people", hatched),
    }
    assert list(rows(page)) == ["driving", "welding", "baking", "sewing", "care", "roofing"]


async def test_no_count_and_no_hidden_share_is_on_the_page(page: httpx.Response) -> None:
    timeless = re.sub(r"<time .*?</time>", "", page.text)  # a date may hold any number
    text = re.sub(r"<[^>]+>", " ", timeless).replace("30 June 2024", "")
    for exiters, employed in GROUPS.values():
        assert not re.search(rf"\b{exiters}\b", text)
        share = round(100 * employed / exiters)
        assert (f"{share} %" in text) == (share == 75)
    drawn = re.findall(r'class="passed" width="(\d+)"', page.text)
    assert drawn == ["75"]
    assert "2 of 6 numbers are hidden" in text


async def test_the_files_agree_with_the_page(hub: Hub, page: httpx.Response) -> None:
    links = re.findall(r'href="(/v1/feeds/[^"]+)"', page.text)
    csv, json = [await hub.http.get(link) for link in links]

    percents = {row["programme_id"]: row["percent"] for row in json.json()["rows"]}
    assert {name: f"{value} %" for name, value in percents.items() if value is not None} == {
        name: words for name, (words, attributes) in rows(page).items() if not attributes
    }
    assert csv.headers["content-type"].startswith("text/csv")
    assert [as_told(line) for line in DictReader(StringIO(csv.text))] == told_of_each(json.json())


def as_told(line: Mapping[str, str]) -> dict[str, str]:
    """A line of the file as it was before it was made safe for spreadsheets."""
    return {name: plain_cell(value) for name, value in line.items()}


def told_of_each(body: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of the JSON, each with all that the JSON says of the whole, as text."""
    rows, window = body.pop("rows"), body.pop("window")
    assert len(rows) == len(GROUPS)
    assert window == {"id": "PY2023", "exits_from": "2023-07-01", "exits_before": "2024-07-01"}
    assert body["definition"]
    assert body["as_of"]
    body |= {"reflects": " ".join(body["reflects"]), "window": window.pop("id")} | window
    return [
        {name: "" if value is None else str(value) for name, value in (body | row).items()}
        for row in rows
    ]


async def test_the_page_says_what_when_and_how(page: httpx.Response) -> None:
    assert "1 July 2023 to 30 June 2024" in page.text
    assert "10 people" in page.text
    assert "How we hide numbers" in page.text


async def test_the_newest_year_comes_first_and_others_can_be_chosen(
    hub: Hub, page: httpx.Response
) -> None:
    operator = await hub.key(Role.OPERATOR, "hub")
    await hub.http.post(RELEASES, json={"window": "PY2022"}, headers=operator)

    newest = await hub.http.get("/outcomes")
    older = await hub.http.get("/outcomes?year=PY2022")

    assert "1 July 2023 to" in newest.text
    assert "1 July 2022 to" in older.text
    assert (await hub.http.get("/outcomes?year=PY1999")).status_code == 404


async def test_in_spanish(hub: Hub, page: httpx.Response) -> None:
    text = (await hub.http.get("/outcomes?lang=es")).text
    assert "oculto: muy pocas personas" in text
    assert "1 de julio de 2023 a 30 de junio de 2024" in text


async def test_before_the_first_release_the_page_says_so(hub: Hub) -> None:
    answer = await hub.http.get("/outcomes")

    assert answer.status_code == 200
    assert "No numbers yet. The first release comes when a year is complete." in answer.text
