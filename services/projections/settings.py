"""Settings of the projections worker."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

# More than two batches are made of: each record is a tuple with a list of six headers.
OBJECTS_OF_BATCHES = 500_000


class ProjectionsSettings(BaseSettings):
    """Read once at start from PROJECTIONS_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="PROJECTIONS_", frozen=True)

    # The PostgreSQL schema that holds the read model.
    read_schema: str = Field(default="read", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    # The most events that are folded and committed together.
    batch_events: PositiveInt = 20_000
    # How long the broker may hold a fetch that finds nothing. It also bounds how long a record
    # waits when its partition was not part of the fetch under way.
    fetch_wait: timedelta = timedelta(milliseconds=20)
    # How long a partition rests that holds an event nobody here knows yet.
    unknown_schema_wait: timedelta = timedelta(seconds=5)
    # Waits after a failure double from the first to the longest.
    first_wait: timedelta = timedelta(milliseconds=100)
    longest_wait: timedelta = timedelta(seconds=10)
    # A rebuild waits while the workers of the tables in use are further behind than so many
    # records, and for no longer than this at a time.
    rebuild_gives_way_at: PositiveInt = 1_000
    rebuild_gives_way_for: timedelta = timedelta(seconds=5)
    # A process that its group has not heard of for so long loses its partitions.
    session_timeout: timedelta = timedelta(seconds=10)
    # So does one that is heard of, and has not fetched for so long: its database may be cut off.
    longest_write: timedelta = timedelta(seconds=60)
    # Names this process in its consumer group, so that a quick restart keeps its partitions.
    # Two running processes must not share it.
    instance_id: str | None = None
