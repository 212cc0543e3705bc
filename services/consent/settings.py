"""Settings of the consent service."""

from __future__ import annotations

from datetime import timedelta

from pydantic_settings import BaseSettings, SettingsConfigDict


class ConsentSettings(BaseSettings):
    """Read once at start from CONSENT_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="CONSENT_", frozen=True)

    # The longest a grant may last, and a request may wait for its answer.
    longest_grant: timedelta = timedelta(days=366)
    longest_request: timedelta = timedelta(days=90)
    # How often events of withdrawals are tried again that the log did not take.
    redrive_every: timedelta = timedelta(seconds=1)
    # How often a withdrawal looks whether deliveries under way have ended.
    drain_check: timedelta = timedelta(milliseconds=20)
