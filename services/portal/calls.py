"""Calls to the other services, with the key of who is signed in."""

from __future__ import annotations

from typing import Any

import httpx

from services.common.errors import Problem, unavailable
from services.common.positions import parse_after, wait_until_read
from services.portal.web import Visit


def consent_url(visit: Visit) -> str:
    return _base(visit, visit.portal.settings.consent_url)


def ingest_url(visit: Visit) -> str:
    return _base(visit, visit.portal.settings.ingest_url)


def promises_url(visit: Visit) -> str:
    return _base(visit, visit.portal.settings.promises_url)


def _base(visit: Visit, own: str | None) -> str:
    return str(own or visit.state.settings.public_url).rstrip("/")


async def send(visit: Visit, address: str, body: dict[str, Any] | None = None) -> httpx.Response:
    """Post for the person or organisation that is signed in.

    Raises Problem 503 when the other service can't do it now.
    """
    key = {"Authorization": f"Bearer {visit.signed_in.bearer}"}
    answer = await visit.portal.http.post(address, json=body, headers=key)
    if answer.status_code >= 500 or answer.status_code == 429:
        raise unavailable("The other service can't do this now.")
    return answer


async def is_read(visit: Visit, position: str | None) -> bool:
    """Wait until the pages show what was written at the position; False when it takes too long."""
    patience = visit.portal.settings.after_patience.total_seconds()
    try:
        await wait_until_read(visit.state.pool, parse_after(position), within_s=patience)
    except Problem:
        return False
    return True
