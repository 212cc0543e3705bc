"""Runs HTTP services in one process, or one stream worker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from services.cli.exits import NotFound
from services.launcher.errors import LaunchError, PortTaken

if TYPE_CHECKING:
    from services.common.settings import Settings

_GRACE_S = 3


def serve(names: Sequence[str], host: str, port: int, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way get 3 s.

    Raises NotFound for a name that is no HTTP service, PortTaken, LaunchError.
    """
    import uvicorn

    from services.cli.bounded_http import BoundedHttp
    from services.common import log, tracing
    from services.common.http import build_app
    from services.common.running import collect_rarely

    log.configure(settings.log_level)
    tracing.configure(settings, "http")
    listening = _listen(host, port)
    app = build_app([_wiring(name, "service").service() for name in names], settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        http=BoundedHttp,
        loop="uvloop" if find_spec("uvloop") else "asyncio",
    )
    # uvicorn ends in order on these and then raises them once more: an order, not a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config)
    collect_rarely()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listening]))
    if not server.started:
        raise LaunchError("the services did not start; see the lines above")


def work(name: str) -> None:
    """Run a stream worker until SIGTERM or SIGINT. Raises NotFound."""
    _wiring(name, "run").run()


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else is made, so that a taken port is known at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise PortTaken(port) from error
    return listening


def _wiring(name: str, function: str) -> ModuleType:
    """The service's `__main__`, when it has that function. Raises NotFound."""
    module = f"services.{name}.__main__"
    if name.isidentifier() and find_spec(f"services.{name}") and find_spec(module):
        found = import_module(module)
        if hasattr(found, function):
            return found
    kind = "HTTP service" if function == "service" else "worker"
    raise NotFound(f"there is no {kind} {name!r}; there are {', '.join(_having(function))}")


def _having(function: str) -> list[str]:
    """Names of the services whose `__main__` defines the function, without importing them."""
    import services

    folder = os.path.dirname(os.path.abspath(services.__file__ or ""))
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        main = os.path.join(entry.path, "__main__.py")
        if os.path.exists(main):
            with open(main, encoding="utf-8") as file:
                if f"\ndef {function}(" in file.read():
                    found.append(entry.name)
    return found
