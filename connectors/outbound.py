"""The HTTP session that connectors send through: guarded, and never to private addresses."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from aiohttp import (
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)

# Raises NotPermitted when nothing may be sent any more. The dispatcher sets it around `deliver`.
permission: ContextVar[Callable[[], None] | None] = ContextVar("permission", default=None)

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class PrivateAddress(OSError):
    """The receiver's name leads to an address inside a private network."""


class PermittedRequest(ClientRequest):
    """Asks for permission once the connection stands, right before anything is written."""

    async def send(self, conn: Any) -> ClientResponse:
        check = permission.get()
        if check is None:
            raise RuntimeError("a request outside of a delivery: `permission` is not set")
        check()
        return await super().send(conn)


def is_public(address: str) -> bool:
    """Whether an address is reachable for everyone: not private, loopback, link-local, reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (inner is None or is_public(str(inner)))


def _public_socket(info: AddressInfo) -> socket.socket:
    """A socket for an address, checked here: between a look-up and the connect names can move."""
    family, kind, protocol, _name, address = info
    if not is_public(str(address[0])):
        raise PrivateAddress(f"{address[0]} is not a public address")
    return socket.socket(family=family, type=kind, proto=protocol)


def open_session(*, timeout: timedelta, allow_private: bool) -> ClientSession:
    """A session that keeps connections open, follows nothing and remembers nothing."""
    return ClientSession(
        connector=TCPConnector(
            limit=0,
            ttl_dns_cache=30,
            keepalive_timeout=30,
            socket_factory=None if allow_private else _public_socket,
        ),
        request_class=PermittedRequest,
        timeout=ClientTimeout(total=timeout.total_seconds()),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": "Throughline"},
    )
