"""Limits of imports, and where uploaded files wait."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import Settings


class ImportSettings(BaseSettings):
    """Read once at start from IMPORTS_* variables."""

    model_config = SettingsConfigDict(env_prefix="IMPORTS_", frozen=True)

    # Files wait here until they are imported, then they are deleted. Default: `imports` beside
    # the vault's folder. Keep it on a disk that outlives the process.
    dir: Path | None = None
    max_file_bytes: PositiveInt = 200_000_000
    max_open: PositiveInt = 50  # imports that wait or run, for one organisation
    max_uploads: PositiveInt = (
        8  # that arrive or are looked at now, in one process; each kept on disk
    )
    max_rows: PositiveInt = 5_000_000  # of a file
    max_notes: PositiveInt = 100_000  # lines of one import's report; the counts go on
    max_refused_bytes: PositiveInt = 100_000_000  # of one import's refused rows; the report goes on
    keep_refused: timedelta = timedelta(days=7)  # after the import is over
    give_up_after: timedelta = timedelta(hours=72)  # since it was sent: Kafka away over a weekend

    def folder(self, settings: Settings) -> Path:
        return self.dir if self.dir is not None else settings.vault_dir.parent / "imports"
