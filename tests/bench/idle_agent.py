"""A Faust agent that does nothing but count: `python -m tests.bench.idle_agent BROKER TOPIC N`.

Prints the events per second from the first to the Nth event, and exits.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from typing import Any

import faust
import uvloop


def idle_app(broker: str, folder: str) -> Any:
    """Raw values, no web server, no tables: nothing that would slow it down."""
    return faust.App(
        f"idle-{os.getpid()}",
        broker=f"kafka://{broker}",
        datadir=folder,
        store="memory://",
        autodiscover=False,
        origin=None,
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


async def main(broker: str, topic: str, wanted: int, folder: str) -> None:
    app = idle_app(broker, folder)
    rate = asyncio.get_running_loop().create_future()

    async def idle(stream: Any) -> None:
        seen, began = 0, 0.0
        async for _ in stream:
            began = began or time.perf_counter()
            seen += 1
            if seen == wanted:
                rate.set_result((seen - 1) / (time.perf_counter() - began))

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"))(idle)
    await app.start()
    print(await rate, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # a clean stop takes seconds that nobody measures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), made))
