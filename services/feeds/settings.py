"""Settings of the feeds."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FeedsSettings(BaseSettings):
    """Read once at start from FEEDS_* variables."""

    model_config = SettingsConfigDict(env_prefix="FEEDS_", frozen=True)

    # A state may ask for more, never for less.
    minimum: Annotated[int, Field(ge=10)] = 10
    # How long after the outcome quarter employers' reports may still come in.
    reporting_lag: timedelta = timedelta(days=0)
