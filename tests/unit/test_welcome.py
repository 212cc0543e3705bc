"""What `throughline up` prints at the end: links that one can open, and the story."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from services.cli.welcome import STORY, as_dict, welcome
from services.demo.state import DemoState
from services.launcher.supervisor import Up

UP = Up("http://127.0.0.1:8080", "127.0.0.1:9092", "", 12.5, demo=True)
PAGES = {
    "worker": "/demo?as=rosa",
    "employer": "/demo?as=acme-foods",
    "provider": "/demo?as=river-college",
    "agency": "/outcomes",
    "operator": "/demo?as=operator",
    "developers": "/events",
}


def up(tmp_path: Path) -> Up:
    state = DemoState.load(tmp_path)
    state.receiver_port = 8090
    state.save()
    return replace(UP, data=str(tmp_path))


def test_each_kind_of_user_has_a_link_and_the_story_has_five_steps(tmp_path: Path) -> None:
    found = up(tmp_path)
    shown = io.StringIO()

    welcome(Console(file=shown, soft_wrap=True), found)

    lines = [line.split() for line in shown.getvalue().splitlines()]
    for kind, path in PAGES.items():
        assert [kind.capitalize(), f"{found.url}{path}"] in lines
    assert ["Receiver", "http://127.0.0.1:8090"] in lines
    assert [line[0] for line in lines if line][-5:] == ["1.", "2.", "3.", "4.", "5."]
    assert all(step in shown.getvalue() for step in STORY)


def test_the_json_has_the_links_and_the_story(tmp_path: Path) -> None:
    found = up(tmp_path)

    told = json.loads(json.dumps(as_dict(found)))

    receiver = {"receiver": "http://127.0.0.1:8090"}
    assert told["links"] == {kind: found.url + path for kind, path in PAGES.items()} | receiver
    assert told["story"] == list(STORY)
    assert told["url"] == found.url


def test_without_the_demo_there_is_neither() -> None:
    told = as_dict(replace(UP, demo=False))
    assert not {"links", "story"} & told.keys()
