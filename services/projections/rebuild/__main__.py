"""A builder in a process of its own, as `throughline work projections` starts it.

It ends with its parent, whose end closes stdin, and leaves the processor to everybody else.
"""

from __future__ import annotations

import os
import threading

from services.common.running import run_worker
from services.common.settings import Settings
from services.projections.rebuild.builder import Builder
from services.projections.settings import OBJECTS_OF_BATCHES, ProjectionsSettings

_NICE = 5


def run() -> None:
    """Work until there is nothing to fill, SIGINT, SIGTERM, or the end of stdin."""
    os.nice(_NICE)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    run_worker("rebuild", _builder, objects=OBJECTS_OF_BATCHES)


def _builder(settings: Settings) -> Builder:
    return Builder(settings, ProjectionsSettings())


def _end_with_stdin() -> None:
    # Not through sys.stdin, whose lock this thread would hold while Python ends.
    while os.read(0, 1024):
        pass
    os._exit(0)  # what was not committed is done again


if __name__ == "__main__":
    run()
