"""The producer SDK: sends events to a Throughline hub from another system.

Needs httpx and pydantic, and nothing of the hub's services. See docs/sdk.md.
"""

from __future__ import annotations

from connectors.sdk.answers import EventsRefused, Result, Results, Status
from connectors.sdk.client import AsyncClient, Client, key_from_file
from connectors.sdk.ddl import ddl
from connectors.sdk.encoding import Event, Limits
from connectors.sdk.errors import (
    CallRefused,
    FieldProblem,
    HubUnavailable,
    InvalidEvent,
    NotAuthorised,
    NotInTransaction,
    OutboxProblem,
    SdkError,
    SendError,
    UnexpectedAnswer,
)
from connectors.sdk.outbox import Outbox
from connectors.sdk.retrying import RetryPolicy

__all__ = [
    "AsyncClient",
    "CallRefused",
    "Client",
    "Event",
    "EventsRefused",
    "FieldProblem",
    "HubUnavailable",
    "InvalidEvent",
    "Limits",
    "NotAuthorised",
    "NotInTransaction",
    "Outbox",
    "OutboxProblem",
    "Result",
    "Results",
    "RetryPolicy",
    "SdkError",
    "SendError",
    "Status",
    "UnexpectedAnswer",
    "ddl",
    "key_from_file",
]
