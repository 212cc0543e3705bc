"""Background tasks end with what they serve, however their clean-up takes a cancellation."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from services.common import tasks


class Deaf:
    """Suppresses the first cancellations, as a library does that waits for tasks it cancelled."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.started = asyncio.Event()

    async def work(self) -> None:
        self.started.set()
        while self.left:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            self.left -= 1
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_S", 0.01)


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_task_ends_even_if_it_suppresses_a_cancellation(times: int) -> None:
    deaf, other = Deaf(times), Deaf(0)
    both = [asyncio.create_task(each.work()) for each in (deaf, other)]
    await asyncio.gather(deaf.started.wait(), other.started.wait())

    async with asyncio.timeout(10):
        await tasks.end(*both)

    assert all(task.cancelled() for task in both)
    assert deaf.left == 0


async def test_work_goes_on_while_it_is_open_and_no_longer() -> None:
    deaf = Deaf(1)
    async with tasks.running(deaf.work(), "deaf"):
        await deaf.started.wait()
        assert "deaf" in {task.get_name() for task in asyncio.all_tasks()}
    assert "deaf" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_what_work_ended_with_by_itself_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("so it ended")

    with pytest.raises(ValueError, match="so it ended"):
        async with tasks.running(fail(), "failing"):
            await asyncio.sleep(0)


async def test_what_fails_is_told_at_once_and_not_in_words_that_may_repeat_an_event() -> None:
    async def fail() -> None:
        raise ValueError("Maria")

    async def serve() -> None:
        async with tasks.running(fail(), "failing"):
            while not logs:
                await asyncio.sleep(0)
            assert [(log["task"], log["error"]) for log in logs] == [("failing", "ValueError")]
            assert "in fail" in str(logs[0]["where"])

    with capture_logs() as logs:
        async with asyncio.timeout(10):
            with pytest.raises(ValueError, match="Maria"):
                await serve()
    assert all("Maria" not in str({**log, "where": ""}) for log in logs)


async def test_each_error_of_a_group_is_named() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def work() -> None:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(fail(ValueError("Maria")))
            parts.create_task(fail(KeyError("Maria")))

    async def serve() -> None:
        async with tasks.running(work(), "failing"):
            while not logs:
                await asyncio.sleep(0)

    with capture_logs() as logs, pytest.raises(ExceptionGroup):
        async with asyncio.timeout(10):
            await serve()
    assert logs[0]["error"] == "ValueError, KeyError"
    assert str(logs[0]["where"]).count("in fail") == 2


async def test_ending_nothing_and_what_has_ended_is_fine() -> None:
    async def fail() -> None:
        raise ValueError

    ended = asyncio.create_task(fail())
    await asyncio.wait([ended])
    await tasks.end()
    await tasks.end(ended)
    assert isinstance(ended.exception(), ValueError)
