"""Sends what an outbox holds: `python -m connectors.sdk.relay`, or `Relay` in a program."""

from __future__ import annotations

from connectors.sdk.relay.relay import ONE_TRY, Relay, RelaySettings
from connectors.sdk.relay.store import Backlog, OutboxAway, Standing, Store, open_store

__all__ = [
    "ONE_TRY",
    "Backlog",
    "OutboxAway",
    "Relay",
    "RelaySettings",
    "Standing",
    "Store",
    "open_store",
]
