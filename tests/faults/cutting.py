"""A wire that can be cut: a TCP proxy of its own for each client of a server.

Toxiproxy does as much, but is a Go program that no registry of this project's clients has; this is
what is needed of it. A cut is seen by both ends at once, a stall by neither, as on a real network.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from tests.sockets import bound, port_of

_CHUNK = 65_536
# With this on, closing a socket sends a reset instead of an orderly end.
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """Listens on loopback and passes bytes to a port there, both ways, while it is whole."""

    def __init__(self) -> None:
        self._socket = bound()
        self.port = port_of(self._socket)
        self.to_port = 0
        self.delay_s = 0.0  # of every chunk
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket)

    async def stop(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        self._socket.close()

    def reset(self) -> None:
        """Break every connection; new ones work."""
        for writer in self._open:
            opened = writer.get_extra_info("socket")
            with suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def cut(self) -> None:
        """Break every connection, and every new one, until `mend`."""
        self._is_cut = True
        self.reset()

    def stall(self) -> None:
        """Nothing arrives any more, and nobody is told, until `mend`."""
        self._flows.clear()

    def mend(self) -> None:
        self._is_cut, self.delay_s = False, 0.0
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            # Cancelled only by `stop`; a server of asyncio's would complain of it.
            with suppress(asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            return
        self._open.add(far[1])
        ways = [
            asyncio.create_task(self._pass(reader, far[1])),
            asyncio.create_task(self._pass(far[0], writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far[1].transport.abort()
            self._open.discard(far[1])

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
