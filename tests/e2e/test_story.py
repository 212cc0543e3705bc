"""`throughline up`, and the story that it tells clicked from its first step to its last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from services.demo.state import DemoState
from services.launcher import run_file
from tests.browser.conftest import ARGS, LAUNCH_PATIENCE_MS, PATIENCE_MS, chromium, follow
from tests.needs import absent
from tests.processes import free_port

PEOPLE = 8  # the named cast, and a few in whom life goes on
COURSE = "Leading a shift"
WITHIN_S = 120.0  # seconds by itself; this is for a machine with much else to do


@dataclass(frozen=True, slots=True)
class Demo:
    """A hub that runs, as its one line of JSON says."""

    data: Path
    told: dict[str, Any]

    def link(self, kind: str) -> str:
        return str(self.told["links"][kind])

    def receiver_answers(self) -> bool:
        try:
            return httpx.get(self.link("receiver")).is_success
        except httpx.TransportError:
            return False

    def updates(self) -> list[dict[str, Any]]:
        """What Acme Foods' own system was told, newest first."""
        listed = httpx.get(f"{self.link('receiver')}/updates", timeout=60).json()["updates"]
        return [update for update in listed if update["organization_id"] == "acme-foods"]

    def finished(self) -> list[dict[str, Any]]:
        """Those of the updates that say that somebody ended the course of the story."""
        return [
            update
            for update in self.updates()
            if update["event_type"] == "TrainingCompleted"
            and update["fields"]["course_id"] == "rc-shift-lead"
        ]

    def enrol_rosa(self) -> str:
        """Have River College write something more about Rosa; its place on the log."""
        state = DemoState.load(self.data)
        event = {
            "type": "TrainingEnrolled",
            "worker_id": state.regions["1"].people["0"].worker_id,
            "source_event_id": "after the story",
            "occurred_at": datetime.now(UTC).isoformat(),
            "actor_id": "office",
            "enrolment_id": "after-the-story",
            "course_id": "rc-bookkeeping",
            "provider_id": "river-college",
        }
        headers = {"Authorization": f"Bearer {state.keys['river-college']}"}
        url = f"{self.told['url']}/v1/events"
        answer = httpx.post(url, json=event, headers=headers, timeout=60)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["position"])

    def delivery_is_past(self, position: str) -> bool:
        """Whether it was decided who is told of what stands there."""
        topic, partition, offset = position.rsplit(":", 2)
        run = run_file.running(self.data)
        assert run is not None
        with psycopg.connect(run.environment["DATABASE_URL"]) as connection:
            found = connection.execute(
                "SELECT next_offset FROM delivery.position WHERE topic = %s AND partition = %s",
                (topic, int(partition)),
            ).fetchone()
        return found is not None and found[0] > int(offset)


def wait_for(condition: Callable[[], Any]) -> Any:
    """The condition's first answer that is true."""
    deadline = time.monotonic() + WITHIN_S
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s; last answer: {answer!r}"
        time.sleep(0.1)
    return answer


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """`throughline up` with servers, ports and a small region of its own."""
    data, said = tmp_path / "hub", tmp_path / "up.err"
    state = DemoState.load(data)
    state.receiver_port = free_port()
    state.save()
    ours = ("KAFKA_BOOTSTRAP", "DATABASE_URL", "INGEST_REQUIRE_AGREEMENT")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    options = ("--data", str(data), "--port", str(free_port()), "--people", str(PEOPLE), "--json")
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up", *options],
            env=env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, said.read_text()
        made = Demo(data, json.loads(line))
        wait_for(made.receiver_answers)  # the stream, which has it, is a process that just began
        yield made
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()
        run_file.end_leftovers(data)


@pytest.fixture
def page() -> Iterator[Page]:
    if chromium() is None:
        absent("no chromium: the story of `throughline up` was not clicked")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=ARGS, timeout=LAUNCH_PATIENCE_MS
        )
        made = browser.new_page(locale="en-US")
        made.set_default_timeout(PATIENCE_MS)
        yield made
        browser.close()


def enter(page: Page, link: str) -> None:
    """Open a printed link and press its one button."""
    page.goto(link)
    follow(page.locator("main button"))
    page.wait_for_url(lambda url: "/demo?" not in url)


def is_listed(page: Page, line: Locator) -> bool:
    """Whether it is there when the page is asked for anew."""
    page.reload()
    return line.count() > 0


@pytest.mark.timeout(900)
def test_the_printed_story_can_be_clicked(demo: Demo, page: Page) -> None:
    assert len(demo.told["story"]) == 5
    open_rosa_and_say_yes(demo, page)
    finish_as_river_college(demo, page, "Rosa Martinez")
    rosa = watch_the_team_page(demo, page)
    stop_sharing(demo, page)
    known = {update["message_id"] for update in demo.updates()}

    place = demo.enrol_rosa()
    finish_as_river_college(demo, page, "Ben Tran")  # he still shares
    wait_for(lambda: demo.delivery_is_past(place))
    wait_for(lambda: [u for u in demo.finished() if u["subject"] != rosa])

    new = [update for update in demo.updates() if update["message_id"] not in known]
    assert [update for update in new if update["subject"] == rosa] == []
    enter(page, demo.link("employer"))
    wait_for(lambda: is_listed(page, page.locator(".team.is-unnoticed > li", has_text=COURSE)))
    expect(page.locator("main")).not_to_contain_text("Rosa")


def open_rosa_and_say_yes(demo: Demo, page: Page) -> None:
    enter(page, demo.link("worker"))
    follow(page.get_by_role("link", name="Acme Foods asks"))
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(4)
    for box in boxes.all():
        box.check()
    follow(page.get_by_role("button", name="Yes, share"))
    expect(page.get_by_role("status")).to_contain_text("You share 4 things with Acme Foods")


def finish_as_river_college(demo: Demo, page: Page, name: str) -> None:
    enter(page, demo.link("provider"))
    follow(page.get_by_role("button", name=f"{name} finishes: {COURSE}"))
    expect(page.get_by_role("status")).to_contain_text("Noted.")


def watch_the_team_page(demo: Demo, page: Page) -> str:
    """The course is there, and told to Acme's system, too: under which name."""
    finished_at = time.monotonic()
    enter(page, demo.link("employer"))
    line = page.locator(".team.is-unnoticed > li", has_text=COURSE).filter(has_text="Rosa Martinez")
    wait_for(lambda: is_listed(page, line))
    expect(line).to_have_count(1)
    print(f"on the team page {time.monotonic() - finished_at:.1f} s after it was finished")
    [update] = wait_for(demo.finished)
    assert update["fields"]["result"] == "PASSED"
    return str(update["subject"])


def stop_sharing(demo: Demo, page: Page) -> None:
    enter(page, demo.link("worker"))
    follow(page.get_by_role("link", name="Who sees it"))
    follow(page.get_by_role("link", name="Stop sharing Acme Foods"))
    follow(page.get_by_role("button", name="Yes, stop"))
    expect(page.get_by_role("status")).to_contain_text("You stopped sharing with Acme Foods.")
