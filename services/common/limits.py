"""How much one caller may send: a token bucket per key, in this process.

What is left is told in `RateLimit` and `RateLimit-Policy`.
Source: draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
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

    def take(self, caller: str, tokens: float, now_s: float) -> Mapping[str, str]:
        """Answers headers that say how much is left. `now_s` is of a monotonic clock.

        Raises Problem 429 that says when to come again, with the same headers.
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
            headers = {"Retry-After": str(wait_s), **self._told(bucket)}
            raise Problem(429, "too-many-requests", detail, headers=headers)
        bucket.tokens -= tokens
        return self._told(bucket)

    def _told(self, bucket: _Bucket) -> Mapping[str, str]:
        """r: tokens left; t: seconds until the bucket is full; q: what it holds; w: how long it
        takes to fill.
        """
        left = max(0, int(bucket.tokens))
        full_in_s = math.ceil((self._burst - bucket.tokens) / self._per_second)
        fills_in_s = math.ceil(self._burst / self._per_second)
        return {
            "RateLimit": f'"{self._what}";r={left};t={full_in_s}',
            "RateLimit-Policy": f'"{self._what}";q={int(self._burst)};w={fills_in_s}',
        }
