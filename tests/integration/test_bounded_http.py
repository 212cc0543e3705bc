"""The server against requests whose head never ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from typing import Any

import pytest
import uvicorn

from services.cli.bounded_http import HEAD_BYTES, BoundedHttp
from tests.processes import free_port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that answers 200 to whatever it gets, once it has read all of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    chosen = free_port()
    config = uvicorn.Config(app, port=chosen, http=BoundedHttp, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield chosen
    server.should_exit = True
    await task


async def answer(port: int, parts: Iterator[bytes]) -> tuple[bytes, int]:
    """The status line, and how many bytes the server took before it hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            sent += len(part)
            if reader._buffer or sent > 100 * HEAD_BYTES:  # type: ignore[attr-defined]
                break
        line = await asyncio.wait_for(reader.readline(), 5)
    except ConnectionError:
        line = b""
    finally:
        writer.close()
    return line, sent


START = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"a" * 4096),
        (START + b"X-Long: ", b"a" * 4096),
        (START, b"X-Many: " + b"a" * 4000 + b"\r\n"),
        (CHUNKED, b"X-Trailer: " + b"a" * 4000 + b"\r\n"),
    ],
    ids=["path", "value", "headers", "trailers"],
)
async def test_a_head_that_never_ends_is_cut_off(port: int, start: bytes, more: bytes) -> None:
    def parts() -> Iterator[bytes]:
        yield start
        yield from repeat(more)

    line, sent = await answer(port, parts())
    assert not line or line.split()[1] in (b"431", b"400")
    assert sent < 50 * HEAD_BYTES, "it reads for ever"


async def test_large_bodies_and_many_requests_on_one_connection_pass(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for size in (0, 10 * HEAD_BYTES, 5):
        head = START + b"X-Fine: " + b"a" * 9_000 + b"\r\nContent-Length: %d\r\n\r\n" % size
        writer.write(head + b"x" * size)
        assert (await reader.readuntil(b"ok\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
