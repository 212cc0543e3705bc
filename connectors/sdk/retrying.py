"""When to try again."""

from __future__ import annotations

import email.utils
from dataclasses import dataclass
from datetime import UTC, datetime

_LONGEST_ASKED_S = 3600.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits double from `first_s` to `longest_s`, each shortened at random by up to half, so that
    senders that failed together don't come again together.

    give_up_after_s: since the call began; 0 tries once.
    """

    first_s: float = 0.2
    longest_s: float = 30.0
    give_up_after_s: float = 120.0

    def wait_s(self, failed: int, asked_s: float | None, chance: float) -> float:
        """How long to wait after `failed` failures (1 or more); `chance` is from 0 to 1.

        A hub that names a wait gets at least that.
        """
        doubled: float = self.first_s * 2 ** min(failed - 1, 30)
        return max(min(doubled, self.longest_s) * (1 - chance / 2), asked_s or 0.0)


def asked_wait_s(header: str | None, now: datetime | None = None) -> float | None:
    """What `Retry-After` asks for: seconds or an HTTP date; at most an hour.

    Source: RFC 9110, 10.2.3. None when the header is missing or says neither.
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return min(float(header), _LONGEST_ASKED_S)
    try:
        until = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    wait_s = (until - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait_s, 0.0), _LONGEST_ASKED_S)
