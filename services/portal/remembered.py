"""An answer that is kept for a while, for pages that anyone may ask for at any rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Asks at most once in `lasts_s`, and once at a time. A failed question is not kept."""

    def __init__(self, ask: Callable[[], Awaitable[T]], *, lasts_s: float) -> None:
        self._ask = ask
        self._lasts_s = lasts_s
        self._lock = asyncio.Lock()
        self._kept: tuple[float, T] | None = None

    async def get(self) -> T:
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > self._lasts_s:
                self._kept = time.monotonic(), await self._ask()
            return self._kept[1]
