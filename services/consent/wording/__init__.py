"""The words a person is shown when they are asked to share: one file per version and language.

A published file is never changed: grants name its SHA-256. New words are a new version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Wording:
    version: str
    language: str
    sha256: str  # of the file's bytes, as hex
    words: Mapping[str, Any]


@cache
def wordings() -> dict[tuple[str, str], Wording]:
    """Every version in every language."""
    found = {}
    for file in resources.files(__name__).iterdir():
        if file.name.endswith(".json"):
            content = file.read_bytes()
            words = json.loads(content)
            version, language = words.pop("version"), words.pop("language")
            found[version, language] = Wording(
                version, language, hashlib.sha256(content).hexdigest(), words
            )
    return dict(sorted(found.items()))
