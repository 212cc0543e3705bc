"""Finds the hub a command speaks to: the environment's, or the one that runs here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from services.launcher import run_file

if TYPE_CHECKING:
    from services.common.settings import Settings


def hub_settings(data: Path) -> Settings:
    """Settings from the environment; what is not set there comes from a run on `data`.

    The process's environment is completed, because each service reads its own part of it.
    """
    from services.common.settings import Settings

    run = run_file.running(data)
    if run is not None and not {"KAFKA_BOOTSTRAP", "DATABASE_URL"} & os.environ.keys():
        for name, value in run.environment.items():
            os.environ.setdefault(name, value)
    return Settings()
