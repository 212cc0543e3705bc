"""Settings of the registry."""

from __future__ import annotations

from pydantic import PositiveFloat
from pydantic_settings import BaseSettings, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """Read once at start from REGISTRY_* variables; a bad one stops it."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_", frozen=True)

    # Per address. A client asks once per schema id and keeps the answer.
    requests_per_second: PositiveFloat = 200
    burst_requests: PositiveFloat = 2_000
