"""How much of what is being posted this process holds at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from services.common.errors import Overloaded


class Room:
    """Bytes of bodies, or uploads, counted before they are read. What is over is sent away at once.

    most: of everybody together; each: of one sender, so that a slow one leaves room for others.
    """

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, size: int, sender: str) -> Iterator[None]:
        """Raises Overloaded. What is over the whole room, or share, is let in alone."""
        if self._taken and self._taken.total() + size > self._most:
            raise Overloaded("too much is being posted", retry_after_s=1)
        if sender in self._taken and self._taken[sender] + size > self._each:
            raise Overloaded("too much of yours is being posted at once", retry_after_s=1)
        self._taken[sender] += size
        try:
            yield
        finally:
            self._taken[sender] -= size
            if not self._taken[sender]:
                del self._taken[sender]
