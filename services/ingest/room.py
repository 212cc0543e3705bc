"""How much of what is being posted this process holds in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.common.errors import Overloaded


class Room:
    """Bytes of request bodies, counted before they are read. What is over is sent away at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Raises Overloaded. A body over the whole room is let in alone."""
        if self._taken and self._taken + size > self._most:
            raise Overloaded("too much is being posted", retry_after_s=1)
        self._taken += size
        try:
            yield
        finally:
            self._taken -= size
