"""The mail that carries a code, and the server that takes it."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Final, Literal, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.errors import FieldError, Problem, unavailable
from services.common.log import get_logger

log = get_logger("identity")
Language = Literal["en", "es"]
_MINUTE_S = 60
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "en": (
        "Your code",
        "Your code: {code}\n\n"
        "Type it in on the page where you asked for it, within {minutes} minutes.\n"
        "Do not give it to anybody. If you did not ask for it, do nothing.\n",
    ),
    "es": (
        "Su código",
        "Su código: {code}\n\n"
        "Escríbalo en la página donde lo pidió, antes de {minutes} minutos.\n"
        "No se lo dé a nadie. Si usted no lo pidió, no haga nada.\n",
    ),
}


class MailSettings(BaseSettings):
    """Read once at start from SMTP_URL and SMTP_FROM; a bad one stops it. Unset, no mail is sent.

    `smtp://` uses STARTTLS when the server offers it, and needs it when there is a password;
    `smtps://` begins with TLS.
    """

    model_config = SettingsConfigDict(env_prefix="SMTP_", frozen=True, populate_by_name=True)

    url: SecretStr | None = None
    sender: str = Field(default="", validation_alias="SMTP_FROM")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.url is None:
            return self
        parts = urlsplit(self.url.get_secret_value())
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must be smtp://[user:password@]host[:port], or smtps://…")
        _ = parts.port  # ValueError for what is no port
        if "@" not in self.sender or not self.sender.isprintable():
            raise ValueError("SMTP_FROM must be the address that mails come from")
        return self


class Mailer:
    def __init__(self, settings: MailSettings, *, patience_s: float) -> None:
        self._settings = settings
        self._patience_s = patience_s

    def check(self) -> None:
        """Raises Problem 501 when no mail server is set."""
        if self._settings.url is None:
            detail = "This hub sends no mail. Its operator must set SMTP_URL and SMTP_FROM."
            raise Problem(501, "no-mail-server", detail)

    async def send_code(self, to: str, code: str, language: Language, valid_s: float) -> None:
        """Answer when the server has taken the mail.

        Raises Problem 422 when it does not take this address, 503 when it takes no mail now.
        Neither the address nor the server's words, which may repeat it, are logged.
        """
        subject, words = _WORDS[language]
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._settings.sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="throughline")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        message.set_content(words.format(code=code, minutes=int(valid_s // _MINUTE_S)))
        try:
            await aiosmtplib.send(message, timeout=self._patience_s, **self._server())
        except aiosmtplib.SMTPRecipientsRefused as error:
            if any(refused.code >= 500 for refused in error.recipients):
                raise _refused() from None
            raise self._away(error) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._away(error) from None

    def _server(self) -> dict[str, Any]:
        assert self._settings.url is not None
        parts = urlsplit(self._settings.url.get_secret_value())
        return {
            "hostname": parts.hostname,
            "port": parts.port,
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": parts.scheme == "smtps",
            # None: if offered. A password never goes in clear.
            "start_tls": True if parts.password and parts.scheme == "smtp" else None,
        }

    def _away(self, error: Exception) -> Problem:
        log.warning("mail was not taken", error=type(error).__name__)
        return unavailable("The mail server takes no mail now. Try again later.", retry_after_s=60)


def _refused() -> Problem:
    fix = FieldError("email", "is refused by the mail server", "Look for a slip, or use another.")
    return Problem(422, "invalid", "No mail can be sent to this address.", errors=[fix])
