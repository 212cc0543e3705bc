"""HTTP of delivery: an organisation's connections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors import load, names
from connectors.webhook import new_secret, show_secret
from services.common.access import Principal, caller
from services.common.agreements_on_file import check_receiving
from services.common.clock import utc_now
from services.common.consent import Category, Purpose
from services.common.emit import Actor
from services.common.errors import FieldError, Problem
from services.common.ids import new_id
from services.common.vault import Vault
from services.delivery.connections import Connections, Sealed

router = APIRouter(prefix="/v1/connections", tags=["connections"])
Caller = Annotated[Principal, Depends(caller)]


class ConnectionOrder(BaseModel):
    """A system of an organisation that wants to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    categories: Annotated[frozenset[Category], Field(min_length=1)]
    purpose: Purpose
    # What lets us into the system, where its connector needs that. Sealed, and never shown again.
    token: SecretStr | None = None

    @property
    def config(self) -> dict[str, object]:
        return {"url": self.url} | ({} if self.token is None else {"token": self.token})


def connections(request: Request) -> Connections:
    state = request.app.state
    return Connections(state.pool, state.producer, state.settings)


Store = Annotated[Connections, Depends(connections)]


def check_config(order: ConnectionOrder) -> None:
    """Raises Problem 422 when there is no such connector, or it can't use this address."""
    kind = load(order.connector)
    if kind is None:
        raise _invalid("connector", "there is no such connector", f"Use {' or '.join(names())}.")
    try:
        kind.config.model_validate(order.config)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = str(first["loc"][0])
        raise _invalid(field, first["msg"], _FIXES.get(field, "")) from None


_FIXES = {
    "url": "Give your system's https address; http only on a network of your own.",
    "token": "Give the bearer token with which your system lets us in, if the connector takes one.",
}


def _invalid(field: str, problem: str, fix: str) -> Problem:
    errors = [FieldError(field, problem, fix)]
    return Problem(422, "invalid", f"{field}: {problem}. {fix}", errors=errors)


@router.post("", status_code=201)
async def connect(
    order: ConnectionOrder, request: Request, who: Caller, store: Store
) -> dict[str, Any]:
    """Connect a system. The signing secret is shown this once."""
    organization_id = who.organization_id
    check_config(order)
    app = request.app.state
    await check_receiving(
        app.pool, who, order.categories, [order.purpose], required=app.settings.require_agreement
    )
    secret, now = new_secret(), utc_now()
    connection = {
        "connection_id": str(new_id()),
        "organization_id": organization_id,
        "version": 1,
        "connector": order.connector,
        "url": order.url,
        "state": "ACTIVE",
        "categories": sorted(order.categories),
        "purpose": order.purpose,
        "configured_at": now,
    }
    vault: Vault = request.app.state.vault
    token = order.token.get_secret_value() if order.token is not None else None
    sealed = Sealed.of(vault, str(connection["connection_id"]), secret, token)
    position = await store.connect(connection, sealed, Actor.of(who), at=now)
    return {**_shown(connection), "secret": show_secret(secret), "position": str(position)}


def _shown(connection: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in connection.items() if name != "organization_id"}


@router.get("")
async def listed(who: Caller, store: Store) -> dict[str, Any]:
    """The organisation's connections, the oldest first."""
    return {"connections": await store.of(who.organization_id)}


@router.post("/{connection_id}/pause")
async def pause(connection_id: str, who: Caller, store: Store) -> dict[str, Any]:
    """Send nothing for now. What falls due waits, in order."""
    return await _change(connection_id, "PAUSED", who, store)


@router.post("/{connection_id}/resume")
async def resume(connection_id: str, who: Caller, store: Store) -> dict[str, Any]:
    """Send again, from where it stopped; what was parked is tried again, too."""
    return await _change(connection_id, "ACTIVE", who, store)


@router.delete("/{connection_id}")
async def end(connection_id: str, who: Caller, store: Store) -> dict[str, Any]:
    """End the connection for good. What still waits is not sent."""
    return await _change(connection_id, "ENDED", who, store)


async def _change(
    connection_id: str, state: str, who: Principal, store: Connections
) -> dict[str, Any]:
    changed, position = await store.change(
        connection_id, who.organization_id, state, Actor.of(who), at=utc_now()
    )
    return {**_shown(changed), "position": str(position) if position else None}


@router.get("/{connection_id}/deliveries")
async def deliveries(
    connection_id: str,
    request: Request,
    who: Caller,
    store: Store,
    state: Literal["pending", "delivered"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """What was sent through a connection or waits for it, newest first."""
    organization_id, vault = who.organization_id, request.app.state.vault
    rows = await store.deliveries(connection_id, organization_id, state, limit)
    return {"deliveries": [_delivery(row, connection_id, organization_id, vault) for row in rows]}


def _delivery(
    row: dict[str, Any], connection_id: str, organization_id: str, vault: Vault
) -> dict[str, Any]:
    """A row under the names that the receiver knows; ids of the hub stay inside."""
    event_id, worker_id = row.pop("event_id"), row.pop("worker_id")
    return {
        "message_id": vault.message_id(connection_id, event_id),
        "subject": vault.pseudonym(worker_id, organization_id),
        **row,
    }
