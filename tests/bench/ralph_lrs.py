"""Ralph, a learning record store, as its makers run it (uvicorn), on its file backend.

It has an environment of its own, made on first use: its libraries are not ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import time
import venv
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import orjson
from aiohttp import BasicAuth, ClientError, ClientSession, TCPConnector

from tests.apicurio import CACHE
from tests.processes import free_port, until

VERSION = "5.1.0"
NAME = f"ralph {VERSION}"
_WANTED = f"ralph-malph[full]=={VERSION}"
_LOGIN = BasicAuth("hub", "pw")
# As it comes, the file backend refuses to add to a file that it has.
_APP = """
from ralph.backends.data.base import BaseOperationType
from ralph.backends.lrs.fs import FSLRSBackend

FSLRSBackend.default_operation_type = BaseOperationType.APPEND
from ralph.api import app  # noqa: E402, F401
"""


class Ralph:
    """A running store. Each measurement begins with an empty one. It looks through the whole file
    for each call, so the more it holds, the slower it is.
    """

    def __init__(self, http: ClientSession, store: Path) -> None:
        self._http = http
        self._store = store

    async def rate(self, statements: int, batch: int, at_once: int) -> float:
        """Statements taken per second. Raises AssertionError unless the store holds each."""
        for file in self._store.glob("*"):
            file.unlink()
        made = [_statement(number) for number in range(statements)]
        bodies = iter([orjson.dumps(made[n : n + batch]) for n in range(0, statements, batch)])
        began = time.perf_counter()
        await asyncio.gather(*(self._post_all(bodies) for _ in range(at_once)))
        taken_s = time.perf_counter() - began
        held = sum(len(file.read_bytes().splitlines()) for file in self._store.glob("*"))
        assert held == statements, f"{held} statements are in the store, {statements} were sent"
        return statements / taken_s

    async def _post_all(self, bodies: object) -> None:
        for body in bodies:  # type: ignore[attr-defined]
            async with self._http.post("/xAPI/statements/", data=body) as answer:
                assert answer.status == 200, await answer.text()

    async def ready(self) -> bool:
        """Up, and the password's hash is worked out once, which takes a second."""
        try:
            async with self._http.get("/xAPI/statements/?limit=1") as answer:
                return answer.status == 200
        except ClientError:
            return False


def _statement(number: int) -> dict[str, object]:
    """What the hub's own benchmark sends, as a statement."""
    return {
        "id": str(uuid4()),
        "timestamp": "2026-01-05T09:00:00Z",
        "actor": {"account": {"homePage": "https://lms.example.org", "name": f"r-{number % 500}"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
        "object": {"id": f"https://lms.example.org/forklift/step-{number}"},
        "result": {"score": {"scaled": 0.5}},
    }


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Ralph]:
    """Ralph with an empty store in `folder`. Raises CalledProcessError when it can't be had."""
    python = await asyncio.to_thread(_python)
    store, port = folder / "store", free_port()
    store.mkdir(parents=True)
    (folder / "appending.py").write_text(_APP)
    environment = os.environ | {
        "RALPH_APP_DIR": str(folder),
        "RALPH_AUTH_FILE": str(folder / "auth.json"),
        "RALPH_RUNSERVER_BACKEND": "fs",
        "RALPH_BACKENDS__LRS__FS__DEFAULT_DIRECTORY_PATH": str(store),
    }
    login = ["-u", _LOGIN.login, "-p", _LOGIN.password, "-s", "all", "-N", "hub"]
    login += ["-M", "mailto:hub@example.com", "-w"]
    await asyncio.to_thread(_run, [str(python.with_name("ralph")), "auth", *login], environment)
    command = [str(python), "-m", "uvicorn", "appending:app", "--port", str(port)]
    command += ["--log-level", "warning", "--no-access-log"]
    process = subprocess.Popen(command, env=environment, cwd=folder)
    headers = {"X-Experience-API-Version": "1.0.3", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}"
    try:
        # uvicorn closes what is idle for 5 s; do so first, or a request may meet the close.
        connector = TCPConnector(keepalive_timeout=2)
        async with ClientSession(url, headers=headers, auth=_LOGIN, connector=connector) as http:
            ralph = Ralph(http, store)
            await until(ralph.ready)
            yield ralph
    finally:
        process.terminate()
        process.wait(10)


def _python() -> Path:
    """Python of the environment with Ralph, made once and kept."""
    digest = hashlib.sha256((_WANTED + sys.version).encode()).hexdigest()[:16]
    folder = CACHE / f"ralph-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "-q", _WANTED], dict(os.environ))
        (folder / "complete").touch()
    return python


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, capture_output=True)
