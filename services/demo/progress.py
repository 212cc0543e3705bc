"""How far it is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

_LINE_EVERY_S: Final = 1.0


class Progress:
    """`say(stage, done, total)` as often as you like."""

    def __init__(self, console: Console, bar: Bar | None, *, quiet: bool) -> None:
        self._console = console
        self._bar = bar
        self._quiet = quiet
        self._task: tuple[str, TaskID] | None = None
        self._told_at = 0.0

    def say(self, stage: str, done: int, total: int) -> None:
        if self._bar is not None:
            self._move(self._bar, stage, done, total)
        elif not self._quiet and time.monotonic() - self._told_at > _LINE_EVERY_S:
            self._told_at = time.monotonic()
            self.line(f"{stage}: {done:,} of {total:,}")

    def line(self, text: str) -> None:
        self._console.print(text)

    def _move(self, bar: Bar, stage: str, done: int, total: int) -> None:
        kind = stage.partition(",")[0]  # what follows a comma changes all the time
        if self._task is None or self._task[0] != kind:
            self._task = (kind, bar.add_task(stage, total=total))
        bar.update(self._task[1], description=stage, completed=done, total=total)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Shows until the block ends. quiet: nothing at all."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if quiet or not console.is_terminal:
        yield Progress(console, None, quiet=quiet)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeElapsedColumn(), console=console) as bar:
        yield Progress(console, bar, quiet=False)
