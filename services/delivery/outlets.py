"""The connectors of connections, made once and kept."""

from __future__ import annotations

from aiohttp import ClientSession

from connectors import load
from connectors.base import Connector, DestinationDown, UpdateRejected
from services.common.vault import Vault
from services.delivery.connections import Sealed
from services.delivery.lane_store import Lane, LaneStore


class Outlets:
    def __init__(self, store: LaneStore, vault: Vault, http: ClientSession) -> None:
        self._store = store
        self._vault = vault
        self._http = http
        self._known: dict[tuple[str, str, str], Connector] = {}

    async def connector(self, lane: Lane) -> Connector:
        """The connector that sends for a lane.

        Raises UpdateRejected when there is none of that name, DestinationDown without its secret.
        """
        key = (lane.connection_id, lane.connector, lane.url)
        if key not in self._known:
            kind = load(lane.connector)
            if kind is None:
                raise UpdateRejected("unknown_connector")
            found = await self._store.sealed_secrets(lane.connection_id)
            if found is None:
                raise DestinationDown("no_secret")
            secret, token = Sealed(*found).opened(self._vault, lane.connection_id)
            config = {"url": lane.url} | ({} if token is None else {"token": token})
            self._known[key] = kind(kind.config.model_validate(config), secret, self._http)
        return self._known[key]
