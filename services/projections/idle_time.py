"""A fetch that fails or is broken off is over.

aiokafka 0.14 counts the fetches under way, and leaves out to count down when one ends with an error
or is cancelled. From then on it takes a consumer for a busy one, and `max_poll_interval_ms` takes
no partition from a process that can't write.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.consumer.subscription_state import SubscriptionState


@contextmanager
def _fetch_context(state: SubscriptionState) -> Iterator[None]:
    state._fetch_count += 1
    try:
        yield
    finally:
        state._fetch_count -= 1
        if state._fetch_count == 0:
            state._last_fetch_ended = time.monotonic()


def count_right() -> None:
    """For all consumers of this process."""
    SubscriptionState.fetch_context = _fetch_context
