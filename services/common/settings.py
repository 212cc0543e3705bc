"""Settings every service shares, read once at start from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where Kafka, PostgreSQL and the vault's master key are. A bad value stops the start."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    kafka_bootstrap: str = "127.0.0.1:9092"
    database_url: SecretStr = SecretStr("postgresql://postgres@127.0.0.1:5432/postgres")
    topic_prefix: str = Field(default="workforce.", pattern=r"^[a-z0-9._-]{1,100}$")
    partitions: PositiveInt = 24
    replication_factor: PositiveInt = 1
    vault_dir: Path = Path(".throughline/vault")
    # Who keeps the master key: `file` (in VAULT_DIR), or `aws-kms:alias/<name>`.
    vault_master_key: str = "file"
    public_url: str = "http://127.0.0.1:8080"
    # The marked demo log-in of the portal; off unless the launcher turns it on.
    demo: bool = False
    # Receivers on loopback or private addresses are refused unless this is on.
    allow_private_receivers: bool = False
    # Off, an organisation without any sharing agreement on file may send and receive; one that has
    # any is bound to them. For a young consortium, whose papers are not signed yet.
    require_agreement: bool = Field(default=True, validation_alias="INGEST_REQUIRE_AGREEMENT")
    # Where readers of the log ask for schemas of a release later than theirs: the address of a
    # registry of this hub. Unset, a record of such a schema stops its partition until an upgrade.
    registry_url: str | None = None
    log_level: str = Field(default="info", pattern="^(crit|error|warn|info|debug)$")
    otlp_endpoint: str | None = None

    def topic(self, name: str) -> str:
        """The topic's full name: `topic("stories")` is `workforce.stories` by default."""
        return f"{self.topic_prefix}{name}"
