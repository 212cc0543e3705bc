"""What a connector is: one class with one method, for one kind of system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import ClientSession
from pydantic import BaseModel, ConfigDict

from services.common.consent import Disclosure
from services.common.errors import RetryableError, TerminalError


class ConnectorConfig(BaseModel):
    """What an organisation says about its system. Frozen; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receiver took it."""

    http_status: int | None = None


class DestinationDown(RetryableError):
    """Not taken now: no connection, no answer in time, or an error of the receiver's own."""

    def __init__(
        self,
        reason: str,
        *,
        http_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason, retry_after_s=retry_after_s)
        self.reason = reason  # a code: http_503, timeout, no_connection …
        self.http_status = http_status


class UpdateRejected(TerminalError):
    """The receiver understood and will never take this message: its lane waits, in order."""

    def __init__(self, reason: str, *, http_status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.http_status = http_status


class DestinationGone(UpdateRejected):
    """The receiver says that it is there no more: the connection is switched off."""


class NotPermitted(Exception):
    """The lease has ended or consent was withdrawn: nothing was written. Not a connector's error.

    Not a ThroughlineError, so that no connector takes it for a failure of the receiver.
    """


class Connector(ABC):
    """Sends disclosures to one system.

    `http` is the session of `connectors.outbound`: it checks the permission to send right before
    each write and refuses private addresses. Use nothing else to reach out.
    """

    name: ClassVar[str]
    config: ClassVar[type[ConnectorConfig]]
    #: The event types it acts on; None: whatever is shared. The catalogue's pages show it.
    reads: ClassVar[frozenset[str] | None] = None

    @abstractmethod
    def __init__(self, config: ConnectorConfig, secret: bytes, http: ClientSession) -> None:
        """`secret` is this connection's own, 32 random bytes."""

    @abstractmethod
    async def deliver(self, update: Disclosure) -> Receipt:
        """Send one update. The same `message_id` may come again and is then the same message.

        Raises DestinationDown to be called again later, UpdateRejected when that is of no use,
        DestinationGone when the receiver has left.
        """
