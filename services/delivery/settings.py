"""Settings of the delivery worker."""

from __future__ import annotations

from datetime import timedelta

from pydantic import PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.delivery.handlers import RetryPolicy


class DeliverySettings(BaseSettings):
    """Read once at start from DELIVERY_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="DELIVERY_", frozen=True)

    match_batch: PositiveInt = 200  # events
    match_within: timedelta = timedelta(milliseconds=10)

    # A write begins within `lease`, and ends within `request_timeout` after that. What a process
    # held that was killed is taken up by another one after both.
    lease: timedelta = timedelta(seconds=15)
    request_timeout: timedelta = timedelta(seconds=15)
    rows_per_lease: PositiveInt = 20
    lanes_under_way: PositiveInt = 256
    # Lanes of one connection that are sent at the same time, so that nobody takes all the room.
    lanes_per_connection: PositiveInt = 32

    first_retry: timedelta = timedelta(seconds=5)
    longest_retry: timedelta = timedelta(hours=6)
    # Outlasts a weekend: broken on Friday, repaired on Monday.
    give_up_after: timedelta = timedelta(hours=72)

    # A look without being woken, for what fell due while nobody was.
    idle_look: timedelta = timedelta(seconds=1)
    session_timeout: timedelta = timedelta(seconds=10)
    # Names this process in its consumer group, so that a quick restart keeps its partitions.
    # Two running processes must not share it.
    instance_id: str | None = None

    @property
    def retries(self) -> RetryPolicy:
        return RetryPolicy(self.first_retry, self.longest_retry, self.give_up_after)
