"""`python -m connectors.sdk.relay`: relay an outbox to a hub, and look after it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from connectors.sdk.client import AsyncClient, key_from_file
from connectors.sdk.ddl import DEFAULT_TABLE, DIALECTS, LATEST, ddl
from connectors.sdk.encoding import Limits
from connectors.sdk.errors import SdkError
from connectors.sdk.relay.relay import ONE_TRY, Relay, RelaySettings
from connectors.sdk.relay.store import Standing, Store, open_store

_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done. 1: it can't go on, and stderr says why. 2: wrong arguments."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        if options.command == "ddl":
            sys.stdout.write(ddl(options.dialect, options.table, since=options.since))
            return 0
        asyncio.run(_with_store(options, _COMMANDS[options.command]))
    except (SdkError, OSError, ValueError) as error:
        sys.stderr.write(f"throughline-relay: {error}\n")
        return 1
    return 0


async def _with_store(
    options: argparse.Namespace, command: Callable[[argparse.Namespace, Store], Awaitable[None]]
) -> None:
    if not options.database:
        raise ValueError("name the database: --database or THROUGHLINE_OUTBOX")
    store = open_store(options.database, options.table)
    try:
        await command(options, store)
    finally:
        await store.close()


async def _run(options: argparse.Namespace, store: Store) -> None:
    async with _client(options) as client:
        relay = Relay(store, client, _settings(options))
        if options.once:
            await store.check()
            done = await relay.drain()
            _say(" ".join(f"{name}={count}" for name, count in sorted(done.items())) or "nothing")
            return
        stop = asyncio.Event()
        for signal_ in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows: an interrupt ends the turn, undone
                asyncio.get_running_loop().add_signal_handler(signal_, stop.set)
        await relay.run(stop)


def _client(options: argparse.Namespace) -> AsyncClient:
    if not options.url:
        raise ValueError("name the hub: --url or THROUGHLINE_URL")
    if options.key_file:
        key_from_file(options.key_file)()  # a wrong path is an error now, not at the first event
        return AsyncClient(options.url, key_from_file(options.key_file), retry=ONE_TRY)
    if key := os.environ.get("THROUGHLINE_KEY"):
        return AsyncClient(options.url, key, retry=ONE_TRY)
    raise ValueError("give the key: --key-file, THROUGHLINE_KEY_FILE or THROUGHLINE_KEY")


def _settings(options: argparse.Namespace) -> RelaySettings:
    return RelaySettings(limits=Limits(events=options.batch), keep=options.keep)


async def _init(options: argparse.Namespace, store: Store) -> None:
    before = await store.init()
    _say(f"{options.table}: version {LATEST}, was {before or 'not there'}")


async def _check(options: argparse.Namespace, store: Store) -> None:
    await store.check()
    _say(f"outbox: {options.table} is there, of version {LATEST}")
    async with _client(options) as client:
        await client.check()
    _say(f"hub: {options.url} answers and takes the key")


async def _status(options: argparse.Namespace, store: Store) -> None:
    await store.check()
    standing = await store.standing()
    if options.json:
        _say(json.dumps(asdict(standing), default=lambda value: value.isoformat()))
        return
    for line in _lines(standing):
        _say(line)


def _lines(standing: Standing) -> list[str]:
    oldest = standing.backlog.oldest_put_at
    since = f", the oldest since {oldest:%Y-%m-%d %H:%M:%SZ}" if oldest else ""
    last = f", the last at {standing.last_sent_at:%Y-%m-%d %H:%M:%SZ}" if standing.sent else ""
    lines = [
        f"waiting    {standing.backlog.waiting}{since}",
        f"sent       {standing.sent}{last}",
        f"set aside  {standing.set_aside}",
    ]
    lines += [f"  {aside.id}: {aside.problem}" for aside in standing.examples]
    if standing.set_aside:
        lines.append("`retry [ID …]` sends them again, `discard ID …` deletes them")
    return lines


async def _retry(options: argparse.Namespace, store: Store) -> None:
    await store.check()
    _say(f"{await store.retry(options.ids or None)} wait again")


async def _discard(options: argparse.Namespace, store: Store) -> None:
    await store.check()
    if not options.ids:
        raise ValueError("name the events to delete, by the numbers that `status` shows")
    _say(f"{await store.discard(options.ids)} deleted")


async def _purge(options: argparse.Namespace, store: Store) -> None:
    await store.check()
    _say(f"{await store.purge(options.keep)} deleted")


_COMMANDS = {
    "run": _run,
    "init": _init,
    "check": _check,
    "status": _status,
    "retry": _retry,
    "discard": _discard,
    "purge": _purge,
}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="throughline-relay", description="Relay an outbox to a Throughline hub."
    )
    words = "run (default); init makes the table; ddl prints it; check asks outbox and hub;"
    words += " status, retry, discard: what was set aside; purge: what was sent"
    parser.add_argument(
        "command", nargs="?", default="run", choices=[*_COMMANDS, "ddl"], help=words
    )
    parser.add_argument("ids", nargs="*", type=int, help="for retry and discard")
    env = os.environ.get
    where = "postgresql://… or the path of an SQLite file; or THROUGHLINE_OUTBOX"
    parser.add_argument("--database", default=env("THROUGHLINE_OUTBOX"), help=where)
    parser.add_argument("--table", default=DEFAULT_TABLE, help="default: %(default)s")
    parser.add_argument(
        "--url", default=env("THROUGHLINE_URL"), help="the hub's; or THROUGHLINE_URL"
    )
    parser.add_argument(
        "--key-file", type=Path, default=env("THROUGHLINE_KEY_FILE"), help="read before each call"
    )
    parser.add_argument("--once", action="store_true", help="send what waits, then exit")
    parser.add_argument("--batch", type=_batch, default=500, help="events a call, 1 to 1000")
    parser.add_argument("--keep", type=_age, default="7d", help="of what was sent, such as 12h, 7d")
    parser.add_argument("--json", action="store_true", help="for status")
    parser.add_argument("--dialect", choices=DIALECTS, default="postgresql", help="for ddl")
    parser.add_argument("--since", type=int, default=0, help="for ddl: the version there is")
    parser.add_argument("--verbose", action="store_true", help="a line for each batch")
    return parser


def _batch(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("the hub takes 1 to 1000 events a call")
    return number


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("write an age as 90s, 15m, 12h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


if __name__ == "__main__":
    sys.exit(main())
