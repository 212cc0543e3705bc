"""A small hub for the launcher's tests: `up` supervises the other three, all in this file.

It joins a consumer group and answers health checks as the real services do, and starts at once.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path


def up(data: str, port: str) -> None:
    from services.cli.exits import exit_code_of
    from services.common.errors import ThroughlineError
    from services.launcher.supervisor import Plan, Supervisor, Up

    def healthy(found: Up) -> None:
        print(json.dumps(asdict(found)), flush=True)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    plan = Plan(
        Path(data),
        int(port),
        demo=False,
        command=(sys.executable, __file__),
        workers=("copier",),
        sources="OPENEDX_TOPICS" in os.environ,
    )
    try:
        Supervisor(plan, say, healthy).run()
    except ThroughlineError as error:
        say(str(error))
        sys.exit(exit_code_of(error))


def serve(*arguments: str) -> None:
    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    http.server.HTTPServer(("127.0.0.1", int(arguments[-1])), Healthy).serve_forever()


def init(*_: str) -> None:
    async def make() -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic

        admin = AIOKafkaAdminClient(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP"])
        await admin.start()
        await admin.create_topics([NewTopic("copied", 1, 1)])
        await admin.close()

    asyncio.run(make())


def work(group: str) -> None:
    async def consume() -> None:
        from aiokafka import AIOKafkaConsumer

        # A group of this hub's own: another test's killed member would hold up a shared one.
        own = f"{group}-{os.environ['PUBLIC_URL'].rsplit(':', 1)[1]}"
        consumer = AIOKafkaConsumer(
            "copied", bootstrap_servers=os.environ["KAFKA_BOOTSTRAP"], group_id=own
        )
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await consumer.start()
        print("copying", flush=True)
        await stop.wait()
        await consumer.stop()

    asyncio.run(consume())


if __name__ == "__main__":
    {"up": up, "serve": serve, "init": init, "work": work}[sys.argv[1]](*sys.argv[2:])
