"""Settings of the sources."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt
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


class ProviderTopicSettings(BaseSettings):
    """Read once at start from PROVIDER_TOPICS_* variables. Off, no provider's topic is read."""

    model_config = SettingsConfigDict(env_prefix="PROVIDER_TOPICS_", frozen=True)

    enabled: bool = False
    prefix: str = Field(default="providers.", pattern=r"^[a-z0-9._-]{1,100}$")
    # Where providers connect, and how: told to them by `throughline topics grant`.
    bootstrap: str | None = None  # the hub's own address when left out
    security_protocol: Literal["SASL_SSL", "SASL_PLAINTEXT"] = "SASL_SSL"
    group: str = "throughline-providers"
    # Names this process in its group, so that a quick restart keeps its partitions. Two running
    # processes must not share it.
    instance_id: str | None = None
    partitions: PositiveInt = 1  # of each topic; one keeps a provider's own order
    record_bytes: PositiveInt = 256 * 1024
    batch_records: PositiveInt = 500
    # Per provider. What comes faster waits in its own topic.
    records_per_second: PositiveFloat = 2_000
    # How soon a new provider's topic is read, and for how long a provider's role is remembered.
    discovery: timedelta = timedelta(seconds=10)
    # Topics hold what the provider wrote, sealed fields in the clear: not for long.
    kept: timedelta = timedelta(days=7)
    rejects_kept: timedelta = timedelta(days=30)
    # Of each topic, about: what is over goes, the oldest first, so that nobody fills the disk.
    kept_bytes: PositiveInt = 1_073_741_824
    longest_wait: timedelta = timedelta(seconds=30)  # between tries while something is away
    tell_lag_every: timedelta = timedelta(seconds=60)

    def topic_in(self, organization_id: str) -> str:
        return f"{self.prefix}{organization_id}.in"

    def topic_rejects(self, organization_id: str) -> str:
        return f"{self.prefix}{organization_id}.rejects"

    def owner_of(self, topic: str) -> str:
        """The organisation whose topic `….in` it is."""
        return topic.removeprefix(self.prefix).removesuffix(".in")

    @property
    def pattern(self) -> str:
        return rf"^{re.escape(self.prefix)}[a-z0-9][a-z0-9-]{{1,62}}\.in$"


def any_configured() -> bool:
    """Whether there is anything for `throughline work ingest` to read."""
    return bool(OpenEdxSettings().topics) or ProviderTopicSettings().enabled
