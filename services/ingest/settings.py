"""Settings of the write edge."""

from __future__ import annotations

from datetime import timedelta

from pydantic import PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class IngestSettings(BaseSettings):
    """Read once at start from INGEST_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True)

    max_events: PositiveInt = 1_000  # in one request
    body_bytes: PositiveInt = 4_000_000  # of a request to /v1/events
    # Clocks differ; what lies further ahead than this is a mistake.
    ahead: timedelta = timedelta(hours=24)
    # A caller waits this long for log and database, then gets 503.
    patience: timedelta = timedelta(seconds=10)
    # An event reserved by a process that died is free again after this. Longer than `patience`.
    hold: timedelta = timedelta(seconds=15)
    # Requests that arrive together are written together, up to so many events.
    flush_events: PositiveInt = 2_000
    # So many such groups may wait for the log at once; more arrive together meanwhile.
    flights: PositiveInt = 2
    # Events under way or waiting, and bytes of requests being read, over which new ones are sent
    # away with 429.
    queue_events: PositiveInt = 20_000
    room_bytes: PositiveInt = 64_000_000
    body_time: timedelta = timedelta(seconds=60)  # for a body to arrive
    # Answers of calls with an Idempotency-Key, for each organisation.
    calls_kept: PositiveInt = 5_000
    call_kept_for: timedelta = timedelta(hours=24)
    # A call whose process died may be made again after this. Longer than any call takes.
    call_hold: timedelta = timedelta(seconds=60)
    calls_cleaned_every: timedelta = timedelta(minutes=5)
    # Per key. An event costs one, a request at least one.
    events_per_second: PositiveFloat = 20_000
    burst_events: PositiveInt = 60_000
    claim_valid: timedelta = timedelta(days=14)
    # What a process knows of an organisation's agreements is at most so old.
    agreement_age: timedelta = timedelta(milliseconds=500)
    longest_agreement: timedelta = timedelta(days=3_660)
