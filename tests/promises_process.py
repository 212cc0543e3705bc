"""The promises worker as a process of its own, with the time that a file says it is."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import datetime
from pathlib import Path

from services.common import log
from services.common.settings import Settings
from services.promises.settings import PromisesSettings
from services.promises.worker import PromisesWorker


async def main(clock_file: Path) -> None:
    log.configure()
    worker = PromisesWorker(
        Settings(), PromisesSettings(), lambda: datetime.fromisoformat(clock_file.read_text())
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
