"""The SDK as other systems install it: one name, two dependencies, nothing of the hub."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from schemas.catalog import event_types
from services.portal import examples
from tests.sdk_kit import MemoryHub

PROJECT = Path(__file__).resolve().parents[2] / "deploy" / "sdk"
TRIED = """
import sys
sys.path.insert(0, sys.argv[1])
import throughline_sdk, throughline_sdk.relay, throughline_sdk.relay.sqlite
from throughline_sdk.events import TrainingCompleted
from throughline_sdk.relay.__main__ import main
assert throughline_sdk.__file__.startswith(sys.argv[1]), throughline_sdk.__file__
print(*sorted({name.partition(".")[0] for name in sys.modules}))
main(["ddl", "--dialect", "sqlite"])
"""


COPIED = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[2])
assert not {"services", "connectors", "schemas"} & set(sys.modules), "it needs the hub's own code"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (made,) = folder.glob("throughline_sdk-*.whl")
    return made


def test_the_package_needs_httpx_and_pydantic_and_nothing_of_the_hub(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {
        "throughline_sdk"
    }
    assert "throughline_sdk/py.typed" in names
    metadata = next(name for name in names if name.endswith("METADATA"))
    said = ZipFile(wheel).read(metadata).decode().splitlines()
    needed = [line for line in said if line.startswith("Requires-Dist") and "extra" not in line]
    assert [line.split()[1].partition(">")[0] for line in needed] == ["httpx", "pydantic"]

    tried = subprocess.run(
        (sys.executable, "-I", "-c", TRIED, str(wheel)), check=True, capture_output=True, text=True
    )
    modules, _, tables = tried.stdout.partition("\n")
    assert {"httpx", "pydantic"} <= set(modules.split())
    assert not {"services", "connectors", "schemas", "asyncpg", "aiokafka"} & set(modules.split())
    assert tables.startswith("CREATE TABLE throughline_outbox (")


@contextmanager
def listening(hub: MemoryHub) -> Iterator[str]:
    """The hub in memory at an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = httpx.Request("POST", f"http://hub{self.path}", content=body)
            asked.headers.update(dict(self.headers))
            answer = hub.answer(asked)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """What is asked is seen in `hub.log`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_the_program_on_an_events_page_runs_where_the_package_is_installed(
    wheel: Path, tmp_path: Path
) -> None:
    """Copied as it stands, by somebody who has the package and nothing of the hub's source."""
    site, program, hub = tmp_path / "site", tmp_path / "copied.py", MemoryHub()
    ZipFile(wheel).extractall(site)
    event_type = event_types()["TrainingCompleted"]

    with listening(hub) as url:
        program.write_text(examples.python_to_send(event_type, url))
        done = subprocess.run(
            (sys.executable, "-I", "-c", COPIED, str(site), str(program)),
            env={**os.environ, "HUB_KEY": hub.key},
            capture_output=True,
            text=True,
        )

    assert done.returncode == 0, done.stderr
    assert "accepted" in done.stdout
    (sent,) = hub.log
    assert sent.items() >= examples.example(event_type).items()
