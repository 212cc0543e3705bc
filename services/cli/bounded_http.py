"""uvicorn's HTTP protocol, with an end to how much of a request's head is kept."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Over what the app answers with 431 itself (`services.common.http`): this is for heads that never
# end, which the app would never see.
HEAD_BYTES: Final = 128 * 1024
_ANSWER: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line, headers or trailers are over 128 KiB."""

    _in_head = False
    _head_bytes = 0  # of what came while the head was not at its end
    _named_bytes = 0  # of headers and trailers of this request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._named_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._named_bytes += len(name) + len(value)
        if self._named_bytes > HEAD_BYTES:
            raise ValueError("too many headers")  # the parser makes it a 400 and closes
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_ANSWER)
            self.transport.close()
