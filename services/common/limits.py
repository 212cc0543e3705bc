"""How much one caller may send: a token bucket per key, in this process."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from services.common.errors import Problem

_MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimit:
    """`per_second` tokens flow in, up to `burst`; the callers unseen for longest are forgotten."""

    def __init__(self, per_second: float, burst: float, *, what: str = "events") -> None:
        self._per_second = per_second
        self._burst = burst
        self._what = what
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, tokens: float, now_s: float) -> None:
        """Raises Problem 429 that says when to come again. `now_s` is of a monotonic clock.

        A request larger than the burst passes once the bucket is full, and leaves it in debt.
        """
        bucket = self._buckets.pop(caller, None) or _Bucket(self._burst, now_s)
        self._buckets[caller] = bucket
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        earned = (now_s - bucket.at_s) * self._per_second
        bucket.tokens, bucket.at_s = min(self._burst, bucket.tokens + earned), now_s
        needed = min(tokens, self._burst)
        if bucket.tokens < needed:
            wait_s = math.ceil((needed - bucket.tokens) / self._per_second)
            detail = f"You may send {self._per_second:g} {self._what} a second. Wait {wait_s} s."
            raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait_s)})
        bucket.tokens -= tokens
