"""Publishing the years of the demo region that are complete."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from services.demo.client import HubClient, Refused
from services.demo.model import Window, instant
from services.demo.places import ACME
from services.demo.state import DemoState

FEED: Final = "employment-q2"


async def publish_releases(
    hub: HubClient, state: DemoState, window: Window, *, now: datetime
) -> list[str]:
    """Publish every complete program year that the region's lives fall in; answer the new ones.

    A year that is out already stays as it is, and a hub without `feeds` has none. Raises Refused,
    and DependencyDown when the readers stay behind.
    """
    await hub.wait_until_read(state.keys[ACME.id])
    done = []
    for year in complete_years(instant(window.since), now):
        try:
            body = {"window": year}
            await hub.call("POST", f"/v1/feeds/{FEED}/releases", state.operator, body=body)
        except Refused as refused:
            if refused.status not in (404, 409):
                raise
        else:
            done.append(year)
    return done


def complete_years(since: datetime, now: datetime) -> Iterator[str]:
    """Program years (July to June) that end after `since` and whose outcomes can be known.

    The last exits are in June, so their second quarter after exit ends with December.
    """
    first = since.year if since.month >= 7 else since.year - 1
    for year in range(first, now.year):
        if now >= datetime(year + 2, 1, 1, tzinfo=UTC):
            yield f"PY{year}"
