"""Settings of the portal."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class PortalSettings(BaseSettings):
    """Read once at start from PORTAL_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_", frozen=True)

    # Where the others answer; the hub's own public address unless they run elsewhere.
    consent_url: str | None = None
    ingest_url: str | None = None
    promises_url: str | None = None
    # How long a call to them may take: a withdrawal waits for sendings under way to end.
    call_timeout: timedelta = timedelta(seconds=60)
    # How long a read with `after=` waits for the read model.
    after_patience: timedelta = timedelta(seconds=10)
    # A log-in ends after this long; the longer one is for "keep me signed in".
    session: timedelta = timedelta(hours=12)
    remembered_session: timedelta = timedelta(days=30)
    # Shown on the help page and at the foot of each worker page.
    help_phone: str = "555-0100"
    # How long the public page of cohorts may lag behind: it is open to any number of readers.
    cohorts_lag: timedelta = timedelta(seconds=10)
    # The provider whose cohorts may be shown to all: its data is published openly already.
    public_cohorts_of: str = Field(default="open-university", pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")
