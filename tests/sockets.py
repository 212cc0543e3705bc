"""Ports that are ours from when they are known: nobody takes one before its server listens."""

from __future__ import annotations

import socket


def bound() -> socket.socket:
    """A socket on loopback, on a port that was free, for a server of this process."""
    # Named, because asyncio sends small answers at once only where it is.
    made = socket.socket(proto=socket.IPPROTO_TCP)
    made.bind(("127.0.0.1", 0))
    return made


def port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port
