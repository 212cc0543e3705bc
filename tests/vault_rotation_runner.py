"""`throughline`, whose rotation SIGKILL ends at the step that `VAULT_DIES_AT` names: for tests only.

Steps: begun, retired, wrapped, deleted (said, and nothing done since), switching and wrapping (in
the middle of it, not committed).
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

from services.cli.__main__ import main
from services.common.vault import rotation

DIES_AT = os.environ.get("VAULT_DIES_AT", "")


def reach(step: str) -> None:
    if step == DIES_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def mortal_rotation() -> None:
    plain = rotation.rotate

    async def rotate(*args: Any, **options: Any) -> AsyncIterator[rotation.Progress]:
        async for progress in plain(*args, **options):
            yield progress
            reach(progress.step)

    rotation.rotate = rotate


def mortal(step: str, name_of: Callable[..., bytes]) -> Callable[..., bytes]:
    """What is about to be wrapped is named, and its transaction has begun."""

    def named(*parts: Any) -> bytes:
        reach(step)
        return name_of(*parts)

    return named


if __name__ == "__main__":
    mortal_rotation()
    rotation.secret_name = mortal("switching", rotation.secret_name)
    rotation.data_key_name = mortal("wrapping", rotation.data_key_name)
    main()
