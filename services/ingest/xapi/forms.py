"""The written forms inside a statement: identifiers, addresses, instants, durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MBOX_FORM = re.compile(r"mailto:[^\s@<>\"]+@[^\s@<>\"]+")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MINUS_ZERO = re.compile(r"-00(:?00)?$")
_NUMBER = r"\d+(?:[.,]\d+)?"
DURATION_FORM = re.compile(
    rf"P(?=.)(?:{_NUMBER}W|(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)",
    re.ASCII,
)


def instant(text: object, version: str) -> datetime:
    """A timestamp. 2.0 wants RFC 3339; 1.0.3 takes ISO 8601, in UTC when no zone is named.

    Raises ValueError saying what is wrong.
    """
    if not isinstance(text, str) or len(text) > 60:
        raise ValueError("is not a timestamp")
    if _MINUS_ZERO.search(text[10:]):
        raise ValueError("has the offset -00, which is not allowed")
    if version.startswith("2") and not _RFC_3339.fullmatch(text):
        raise ValueError("is not an RFC 3339 timestamp")
    if len(text) < 11:
        raise ValueError("is a day without a time")
    try:
        moment = datetime.fromisoformat(text.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not an ISO 8601 timestamp") from None
