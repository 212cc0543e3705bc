"""From what a receiver's system answered, or did not, to what a connector raises."""

from __future__ import annotations

import email.utils
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import ClientError
from pydantic import AfterValidator, Field

from connectors.base import DestinationDown
from connectors.outbound import PrivateAddress


def _web_address(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    if scheme not in ("https", "http") or not host or "@" in host:
        raise ValueError("it must be an https or http address without a user name")
    return url


WebAddress = Annotated[str, Field(min_length=8, max_length=2000), AfterValidator(_web_address)]


@contextmanager
def reaching() -> Iterator[None]:
    """Around a request: what goes wrong underneath becomes DestinationDown with a code."""
    try:
        yield
    except PrivateAddress as error:
        raise DestinationDown("private_address") from error
    except TimeoutError as error:
        raise DestinationDown("timeout") from error
    except (ClientError, OSError) as error:
        raise DestinationDown(_why(error)) from error


def _why(error: BaseException) -> str:
    """A code for what went wrong underneath."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PrivateAddress):
            return "private_address"
        os_error = getattr(cause, "os_error", None)
        cause = os_error if isinstance(os_error, PrivateAddress) else cause.__cause__
    return "no_connection"


def down(status: int, headers: Mapping[str, str], now: datetime) -> DestinationDown:
    """The error for an answer that may be another one later."""
    wait = retry_after_s(headers.get("Retry-After"), now)
    return DestinationDown(f"http_{status}", http_status=status, retry_after_s=wait)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Read Retry-After: seconds or a date. What can't be read is no wish."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)
