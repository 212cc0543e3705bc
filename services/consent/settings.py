"""Settings of the consent service."""

from __future__ import annotations

from datetime import timedelta

from pydantic import PositiveFloat, PositiveInt
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
    # Claim codes are tried without a key, so these count per address.
    claims_per_second: PositiveFloat = 50
    claim_tries: PositiveInt = 5
    # How often joined and parted records are looked after when nothing is known to be due.
    identity_every: timedelta = timedelta(seconds=1)
    # How long a call waits for the joining that it began.
    move_patience: timedelta = timedelta(seconds=3)
    # How long a code that was mailed is good, how many an hour go to one address or for one person,
    # and how long an address counts as the person's without being asked again.
    contact_code_valid: timedelta = timedelta(minutes=30)
    contact_codes_per_hour: PositiveInt = 5
    contact_code_tries: PositiveInt = 5
    contact_valid: timedelta = timedelta(days=365)
    # How long a mail server may take to accept a mail.
    mail_patience: timedelta = timedelta(seconds=10)
    # How long after a split the old id is watched for what ingest wrote late.
    watch_split: timedelta = timedelta(days=30)
