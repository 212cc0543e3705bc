"""Settings of the sources."""

from __future__ import annotations

from datetime import timedelta

from pydantic import PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class OpenEdxSettings(BaseSettings):
    """Read once at start from OPENEDX_* variables. Without `topics` nothing is read."""

    model_config = SettingsConfigDict(env_prefix="OPENEDX_", frozen=True)

    topics: tuple[str, ...] = ()  # as JSON: ["edx-learning-certificate-lifecycle", …]
    bootstrap: str | None = None  # ours, unless theirs is another cluster
    registry_url: str = "http://127.0.0.1:8081"  # of their producer: Confluent's read API
    provider_id: str = "open-edx"  # the organisation in our directory that they are
    group: str = "throughline-openedx"
    batch_events: PositiveInt = 500
    registry_timeout: timedelta = timedelta(seconds=5)
    longest_wait: timedelta = timedelta(seconds=30)  # between tries while something is away
