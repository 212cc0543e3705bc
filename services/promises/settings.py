"""Settings of the promises service and worker."""

from __future__ import annotations

from datetime import timedelta

from pydantic import PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class PromisesSettings(BaseSettings):
    """Read once at start from PROMISES_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="PROMISES_", frozen=True)

    batch: PositiveInt = 200  # events
    batch_within: timedelta = timedelta(milliseconds=20)
    # How often deadlines and unsent events are looked at when nothing else happens.
    look_every: timedelta = timedelta(milliseconds=500)
    session_timeout: timedelta = timedelta(seconds=10)
    # Names this process in its consumer group, so that a quick restart keeps its partitions.
    # Two running processes must not share it.
    instance_id: str | None = None
    # How long a worker can answer the request to share that comes with a promise.
    request_lasts: timedelta = timedelta(days=30)
