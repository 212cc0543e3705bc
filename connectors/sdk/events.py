"""The events there are, one class each: `from connectors.sdk.events import TrainingCompleted`."""

from __future__ import annotations

from schemas.edge import DirectoryEvent, EdgeEvent, StoryEvent
from schemas.models import *  # noqa: F403

__all__ = [  # noqa: F405
    "MODELS",
    "DirectoryEvent",
    "EdgeEvent",
    "StoryEvent",
    *MODELS,  # noqa: F405
]
