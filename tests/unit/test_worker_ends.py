"""A stream worker's process ends, even if what it cleans up with does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from services.common.running import EndsInTime

_WORKER = """
import asyncio, sys
from services.common.errors import DependencyDown
from services.common.running import EndsInTime, run_worker

class Worker:
    def __init__(self):
        self.ending = asyncio.Event()

    def stop(self):
        self.ending.set()

    async def run(self):
        try:
            raise ConnectionRefusedError("gone")
        finally:
            self.ending.set()
            if sys.argv[1] == "hangs":
                await asyncio.Event().wait()

try:
    run_worker("worker", lambda settings: EndsInTime(Worker(), within_s=0.2))
except DependencyDown as error:
    sys.exit(f"in a line: {error}")
"""


class Plain:
    def __init__(self, error: BaseException | None = None) -> None:
        self.ending = asyncio.Event()
        self._error = error

    def stop(self) -> None:
        self.ending.set()

    async def run(self) -> None:
        if self._error is not None:
            raise self._error
        await self.ending.wait()


def _run(how: str) -> tuple[int, str]:
    command = [sys.executable, "-c", _WORKER, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_worker_that_hangs_while_it_ends_takes_its_process_with_it() -> None:
    code, told = _run("hangs")
    assert code == 1
    assert "did not end by itself" in told
    assert "Worker.run" in told, "where it hangs"


def test_what_went_away_is_told_in_a_line() -> None:
    code, told = _run("ends")
    assert code == 1
    assert "in a line: worker ends, for what it needs went away: ConnectionRefusedError" in told
    assert "Traceback" not in told


async def test_one_that_ends_is_left_alone() -> None:
    worker = EndsInTime(Plain(), within_s=0.01)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    worker.stop()
    await running
    with pytest.raises(ValueError, match="a part failed"):
        await EndsInTime(Plain(ValueError("a part failed"))).run()
