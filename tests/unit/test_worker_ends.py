"""A stream worker's process ends, even if what it cleans up with does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest

from services.common.running import Ending, EndsInTime

_WORKER = """
import asyncio, sys
from services.common.errors import DependencyDown
from services.common.running import Ending, EndsInTime, run_worker

async def fail(error):
    raise error

class Worker(Ending):
    async def work(self, stack):
        how = sys.argv[1:]
        if "hangs" in how:
            stack.push_async_callback(asyncio.Event().wait)
        if "group" not in how and "both" not in how:
            raise ConnectionRefusedError("gone")
        async with asyncio.TaskGroup() as parts:
            parts.create_task(fail(TimeoutError("gone")))
            parts.create_task(fail(KeyError("ours") if "both" in how else ConnectionResetError()))

try:
    run_worker("worker", lambda settings: EndsInTime(Worker(), within_s=0.2))
except DependencyDown as error:
    sys.exit(f"in a line: {error}")
"""


class Plain(Ending):
    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self._error = error

    async def work(self, _stack: AsyncExitStack) -> None:
        if self._error is not None:
            raise self._error
        await self.ending.wait()


def _run(*how: str) -> tuple[int, str]:
    command = [sys.executable, "-c", _WORKER, *how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_worker_that_hangs_while_it_ends_takes_its_process_with_it() -> None:
    code, told = _run("hangs")
    assert code == 1
    assert "did not end by itself" in told
    assert "Ending.run" in told, "where it hangs"
    assert "ConnectionRefusedError('gone')" in told, "what made it end"
    assert "Traceback" not in told


def test_one_that_hangs_after_a_fault_of_ours_tells_where_that_was() -> None:
    code, told = _run("hangs", "both")
    assert code == 1
    assert "did not end by itself" in told
    assert "KeyError: 'ours'" in told


def test_what_went_away_is_told_in_a_line() -> None:
    code, told = _run("ends")
    assert code == 1
    assert "in a line: worker ends, for what it needs went away: ConnectionRefusedError" in told
    assert "Traceback" not in told


def test_what_went_away_is_told_in_a_line_also_by_parts_that_do_several_things_at_once() -> None:
    code, told = _run("group")
    assert code == 1
    assert "in a line: worker ends, for what it needs went away: TimeoutError('gone')" in told
    assert "Traceback" not in told


def test_a_fault_of_ours_is_not_hidden_behind_what_went_away() -> None:
    code, told = _run("both")
    assert code == 1
    assert "in a line" not in told
    assert "KeyError: 'ours'" in told


async def test_one_that_ends_is_left_alone() -> None:
    worker = EndsInTime(Plain(), within_s=0.01)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    worker.stop()
    await running
    with pytest.raises(ValueError, match="a part failed"):
        await EndsInTime(Plain(ValueError("a part failed"))).run()
