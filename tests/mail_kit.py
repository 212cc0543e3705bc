"""A mail server in this process, and what it was given."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """Takes every mail, but for addresses that begin with `nobody`."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[tuple[str, Message]] = []

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: list[Any]
    ) -> str:
        if to.startswith("nobody"):
            return f"550 {to} is not known"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        (to,) = envelope.rcpt_tos
        self.mails.append((to, message_from_bytes(envelope.content)))
        return "250 taken"

    def text(self) -> str:
        """Of the newest mail."""
        body = self.mails[-1][1].get_payload(decode=True)
        assert isinstance(body, bytes)
        return body.decode()

    def code(self) -> str:
        """In the newest mail."""
        found = re.search(r"\b[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\b", self.text())
        assert found is not None
        return found.group()


@asynccontextmanager
async def mail_server() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(box, hostname="mail.test", loop=loop), "127.0.0.1", 0
    )
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box
