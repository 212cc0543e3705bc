"""`send FILE`: each line is on the log once, or among the rejects with the reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk import Client, RetryPolicy, __main__
from tests.sdk_kit import MemoryHub, no_answer, plain

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sdk.md"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> MemoryHub:
    made = MemoryHub()

    def client(url: str, key: str) -> Client:
        quick = RetryPolicy(first_s=0.001, give_up_after_s=0.01)
        return Client(url, key, retry=quick, http=made.client())

    monkeypatch.setattr(__main__, "Client", client)
    monkeypatch.setenv("THROUGHLINE_URL", "http://hub.test")
    monkeypatch.setenv("THROUGHLINE_KEY", made.key)
    monkeypatch.delenv("THROUGHLINE_KEY_FILE", raising=False)
    return made


def send(folder: Path, *lines: Any) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the rejects."""
    file, rejects = folder / "events.jsonl", folder / "rejects.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\ufeff" + "\n".join(texts) + "\n", encoding="utf-8")
    code = __main__.main(["send", str(file), "--rejects", str(rejects)])
    return code, [json.loads(line) for line in rejects.read_text().splitlines()]


def test_a_file_sent_twice_is_on_the_log_once(
    hub: MemoryHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [plain(number) for number in range(1_200)]
    assert send(tmp_path, *events) == (0, [])
    assert send(tmp_path, *events) == (0, [])
    assert hub.sent() == [str(number) for number in range(1_200)]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "accepted=1200 duplicate=0 rejected=0"
    assert second == "accepted=0 duplicate=1200 rejected=0"


def test_what_is_no_event_is_rejected_with_its_line_and_the_rest_is_sent(
    hub: MemoryHub, tmp_path: Path
) -> None:
    nameless = {**plain(9), "source_event_id": None}
    bad = {**plain(4), "course_id": "!"}
    code, rejects = send(tmp_path, plain(1), "{", "", "[]", nameless, bad, plain(2))
    assert code == 1
    assert hub.sent() == ["1", "2"]
    found = {reject["line"]: reject["problem"].partition(":")[0] for reject in rejects}
    assert found == {
        2: "is not JSON",
        4: "is not a JSON object",
        5: "has no source_event_id",
        6: "invalid",
    }
    assert next(r for r in rejects if r["line"] == 6)["event"] == bad


def test_a_hub_that_is_away_is_said_and_the_file_can_be_sent_again(
    hub: MemoryHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults = [no_answer] * 50
    assert send(tmp_path, plain(1))[0] == 1
    assert "does not answer" in (said := capsys.readouterr().err)
    assert "Run it again" in said
    hub.faults = []
    assert send(tmp_path, plain(1))[0] == 0


def test_the_file_is_not_overwritten_by_its_rejects(hub: MemoryHub, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(plain(1)))
    assert __main__.main(["send", str(file), "--rejects", str(file)]) == 1
    assert json.loads(file.read_text()) == plain(1)


def test_a_line_without_end_does_not_fill_the_memory(hub: MemoryHub, tmp_path: Path) -> None:
    assert send(tmp_path, "x" * 1_100_000)[0] == 1
    assert hub.log == []


def test_the_python_of_the_documentation_runs() -> None:
    """Up to what needs a hub or a database of the reader's: names and arguments are right."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        code = block.replace("throughline_sdk", "connectors.sdk").partition("\nwith Client(")[0]
        exec(compile(code, str(DOCS), "exec"), {})
