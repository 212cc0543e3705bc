"""What is wrong with a variable of the environment, said in one line."""

from __future__ import annotations

import os
import re


def wrong_variable(error: ValueError) -> str | None:
    """Which variable can't be taken and why; None when the error is about something else."""
    from pydantic import ValidationError
    from pydantic_settings import BaseSettings, SettingsError

    settings = {one.__name__: one for one in BaseSettings.__subclasses__()}
    prefixes = {name: str(one.model_config.get("env_prefix", "")) for name, one in settings.items()}
    if isinstance(error, ValidationError) and error.title in settings:
        prefix = prefixes[error.title]
        wrong = [(f"{prefix}{one['loc'][0]}".upper(), one["msg"]) for one in error.errors()]
        return "; ".join(f"{name}: {problem}" for name, problem in wrong)
    if isinstance(error, SettingsError) and (found := re.search(r'field "(\w+)"', str(error))):
        names = {f"{prefix}{found[1]}".upper() for prefix in prefixes.values()} & {*os.environ}
        return f'{", ".join(sorted(names)) or found[1]}: it is not JSON, such as ["one", "two"]'
    return None
