"""The SCIM connector."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from aiohttp import ClientSession
from pydantic import AfterValidator, SecretStr

from connectors.answers import WebAddress
from connectors.base import Connector, ConnectorConfig, DestinationDown, Receipt, UpdateRejected
from connectors.scim.changes import READS, Change, change_of, missing, new_user, patched, replaced
from connectors.scim.client import ScimClient
from services.common.consent import Disclosure

_ROUNDS = 4  # looks at a user that somebody else is changing, too


def _header_value(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not 1 <= len(text) <= 4000 or not all(0x21 <= ord(c) <= 0x7E for c in text):
        raise ValueError("give a token of up to 4,000 letters, digits and signs, without blanks")
    return token


class ScimConfig(ConnectorConfig):
    """`url` is the root of the endpoints, such as https://hr.example/scim/v2."""

    url: WebAddress
    token: Annotated[SecretStr, AfterValidator(_header_value)]


class ScimConnector(Connector):
    """Keeps the users of an employer's system in the state that consented updates describe.

    The state is looked up and set, so an update may come again. The system is the employer's own:
    `recipient_id` names the employer, and jobs elsewhere are accepted without a request.
    Source: RFC 7643 and RFC 7644 (SCIM 2.0).
    """

    name: ClassVar[str] = "scim"
    config: ClassVar[type[ConnectorConfig]] = ScimConfig
    reads: ClassVar[frozenset[str] | None] = READS

    def __init__(
        self,
        config: ConnectorConfig,
        secret: bytes,
        http: ClientSession,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`secret` signs nothing here: the receiver's own token lets us in."""
        assert isinstance(config, ScimConfig)
        self._client = ScimClient(config.url, config.token.get_secret_value(), http, clock)

    async def deliver(self, update: Disclosure) -> Receipt:
        """The receipt has no status when nothing needed to be sent."""
        change = change_of(update)
        if change is None:
            return Receipt()
        for _ in range(_ROUNDS):
            receipt = await self._set(update.subject, change)
            if receipt is not None:
                return receipt
        raise DestinationDown("changed_meanwhile")

    async def _set(self, subject: str, change: Change) -> Receipt | None:
        """One look and one write. None: look again."""
        user = await self._client.find(subject)
        if user is None:
            return await self._create(subject, change) if change.creates else Receipt()
        values = missing(change, user)
        if not values:
            return Receipt()
        if (await self._client.capabilities()).patch:
            status = await self._client.patch(user, patched(values))
        else:
            status = await self._client.put(user, replaced(user, values))
        return None if status is None else Receipt(status)

    async def _create(self, subject: str, change: Change) -> Receipt | None:
        status = await self._client.create(new_user(subject, change))
        if status != 409:
            return Receipt(status)
        # Somebody else made the user since we looked; or one is there that may not be seen.
        if await self._client.find(subject) is None:
            raise UpdateRejected("http_409", http_status=409)
        return None
