"""What a seeded hub is remembered by: keys, tokens and until when its lives are told.

Kept as `demo.json` in the data directory, readable by its owner alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

FILE: Final = "demo.json"


@dataclass(slots=True)
class Person:
    """One seeded worker. Without a token the record is not claimed, or its token is lost."""

    worker_id: str
    token: str | None = None
    name: str | None = None  # of the named cast alone


@dataclass(slots=True)
class SeededRegion:
    """One region by its seed. Its end is fixed when it is first seeded, so that a second run
    sends the same events.
    """

    until: str
    workers: int = 0
    done: bool = False
    people: dict[str, Person] = field(default_factory=dict)  # by number of the life

    @property
    def ends_at(self) -> datetime:
        return datetime.fromisoformat(self.until)


@dataclass(slots=True)
class DemoState:
    """Read and written whole; `save` replaces the file in one step."""

    path: Path
    operator: str = ""
    keys: dict[str, str] = field(default_factory=dict)  # by organisation
    secrets: dict[str, str] = field(default_factory=dict)  # of webhooks, by organisation
    receiver_port: int = 0
    regions: dict[str, SeededRegion] = field(default_factory=dict)  # by seed

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What is remembered in a data directory; nothing yet when there is no file."""
        state = cls(folder / FILE)
        try:
            kept = json.loads(state.path.read_text())
        except FileNotFoundError:
            return state
        for name in ("operator", "keys", "secrets", "receiver_port"):
            setattr(state, name, kept[name])
        state.regions = {seed: _region(entry) for seed, entry in kept["regions"].items()}
        return state

    def save(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = asdict(self)
        del kept["path"]
        beside = self.path.with_suffix(f".{os.getpid()}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(kept, file)
        beside.replace(self.path)

    def region(self, seed: int, until: datetime) -> SeededRegion:
        """The region of a seed; `until` counts only when it is new."""
        return self.regions.setdefault(str(seed), SeededRegion(until.isoformat()))


def _region(entry: dict[str, Any]) -> SeededRegion:
    people = {index: Person(**person) for index, person in entry.pop("people").items()}
    return SeededRegion(**entry, people=people)
