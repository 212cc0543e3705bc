"""Keeps children running: shows one that died, starts it again after a pause, ends all in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from services.common.tasks import end
from services.launcher.errors import LaunchError
from services.launcher.process import Identity, last_lines, limit
from services.launcher.program import Child

Say = Callable[[str], None]
Changed = Callable[[str, Identity | None], None]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_PROVEN_S = 60.0  # ran this long: the next pause is short again
_LIMIT_EVERY_S = 5.0


def pause_after(deaths: int) -> float:
    """Seconds to wait before start number `deaths` + 1; doubles from 0.5 to 30."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(deaths - 1, 10), _LONGEST_PAUSE_S)


class Keeper:
    """Owns the children of one run. Use from the main thread."""

    def __init__(self, say: Say, changed: Changed) -> None:
        """changed: told a child's name and identity after each start, None when it ended."""
        self._say = say
        self._changed = changed
        self._children: list[Child] = []
        self._watching: list[asyncio.Task[None]] = []
        self._stopping = False
        self.deaths: dict[str, int] = {}

    def keep(self, child: Child) -> None:
        """Start it if it does not run, and start it again whenever it ends. Raises LaunchError."""
        self._children.append(child)
        self._launch(child)
        self._watching.append(asyncio.create_task(self._watch(child)))

    def own(self, child: Child) -> None:
        """Start it and end it with the others, but do not start it again."""
        self._children.append(child)
        self._launch(child)

    def _launch(self, child: Child) -> None:
        child.launch()
        if child.pid is not None:
            self._changed(child.name, Identity.of(child.pid))

    async def _watch(self, child: Child) -> None:
        in_a_row = 0
        while not self._stopping:
            began = time.monotonic()
            code = await asyncio.to_thread(child.wait)
            if self._stopping:
                return
            in_a_row = 1 if time.monotonic() - began > _PROVEN_S else in_a_row + 1
            self.deaths[child.name] = self.deaths.get(child.name, 0) + 1
            self._show(child, code, pause_after(in_a_row))
            await asyncio.sleep(pause_after(in_a_row))
            if not self._stopping:
                self._relaunch(child)

    def _relaunch(self, child: Child) -> None:
        try:
            self._launch(child)
        except (LaunchError, OSError) as error:
            self._say(f"{child.name} could not be started: {error}")

    def _show(self, child: Child, code: int | None, pause_s: float) -> None:
        lines = "\n".join(f"    {line}" for line in last_lines(child.log).splitlines())
        ended = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        self._changed(child.name, None)
        self._say(
            f"{child.name} {ended}; starting it again in {pause_s:g} s. "
            f"Last lines of {child.log}:\n{lines}"
        )

    async def limit_logs(self) -> None:
        """Run for ever: no child fills the disk with what it says."""
        while True:
            for child in self._children:
                limit(child.log)
            await asyncio.sleep(_LIMIT_EVERY_S)

    async def stop(self, order: Sequence[tuple[frozenset[str], float]]) -> None:
        """End all children: each group of names is asked, then killed after so many seconds.

        Children in no group are ended first, with the first group.
        """
        self._stopping = True
        later = frozenset().union(*(names for names, _ in order[1:]))
        for index, (names, timeout_s) in enumerate(order):
            group = [c for c in self._children if c.name in names]
            if index == 0:
                group = [c for c in self._children if c.name not in later]
            for name in await _end(group, timeout_s):
                self._say(f"{name} did not end within {timeout_s:g} s and was killed.")
        await end(*self._watching)


async def _end(children: Iterable[Child], timeout_s: float) -> list[str]:
    """Names of those that had to be killed."""
    alive = [child for child in children if child.pid is not None]
    for child in alive:
        child.ask_to_stop()
    if alive:
        waits = [asyncio.create_task(asyncio.to_thread(child.wait)) for child in alive]
        await asyncio.wait(waits, timeout=timeout_s)
    late = [child for child in alive if child.pid is not None]
    for child in late:
        child.kill()
    return [child.name for child in late]
