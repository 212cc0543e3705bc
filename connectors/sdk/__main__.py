"""`python -m connectors.sdk send FILE`: sends a file of JSON lines, one event a line."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from connectors.sdk.answers import Result
from connectors.sdk.client import Client, key_from_file
from connectors.sdk.errors import SdkError
from connectors.sdk.protocol import Key

_MOST_LINE_BYTES = 1_000_000
_PROGRESS_EVERY_S = 1.0


class Rejects:
    """Lines that are not on the log, with the reason; a rejected line can be mended and sent."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.count = 0

    def add(self, line: int, event: Any, problem: str) -> None:
        self.count += 1
        said = {"line": line, "problem": problem, "event": event}
        self._file.write(json.dumps(said, ensure_ascii=False, default=str) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every line is on the log. 1: some are not, or it broke off; stderr says. 2: usage."""
    options = _parser().parse_args(arguments)
    try:
        return _send(options)
    except (SdkError, OSError, ValueError) as error:
        sys.stderr.write(f"throughline-sdk: {error}\nRun it again: what is there is not doubled.\n")
        return 1


def _send(options: argparse.Namespace) -> int:
    if options.rejects.resolve() == options.file.resolve():
        raise ValueError("--rejects names the file that is to be sent")
    counts: Counter[str] = Counter()
    said_at_s = time.monotonic()
    with ExitStack() as stack:
        source = stack.enter_context(options.file.open("rb"))
        client = stack.enter_context(_client(options))
        rejects = Rejects(stack.enter_context(options.rejects.open("w", encoding="utf-8")))
        lines: list[int] = []  # of events on their way: results come in the same order
        for result in client.stream(_events(source, lines, rejects)):
            counts[result.status.value] += 1
            line = lines.pop(0)
            if not result.taken:
                rejects.add(line, result.event, _words(result))
            if time.monotonic() - said_at_s > _PROGRESS_EVERY_S:
                said_at_s = time.monotonic()
                sys.stderr.write(f"line {line}: {_total(counts)}\n")
    sys.stdout.write(f"{_total(counts)} rejected={rejects.count}\n")
    if rejects.count:
        sys.stderr.write(f"{options.rejects} has what was rejected, with the reasons\n")
    return 1 if rejects.count else 0


def _events(source: IO[bytes], lines: list[int], rejects: Rejects) -> Iterator[dict[str, Any]]:
    """The events of a file, blank lines left out. What is none goes to the rejects."""
    number = 0
    while text := source.readline(_MOST_LINE_BYTES + 1):
        number += 1
        if len(text) > _MOST_LINE_BYTES:
            raise ValueError(f"line {number} is over {_MOST_LINE_BYTES:,} bytes: one event a line")
        if not text.strip():
            continue
        try:
            event = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
        except ValueError as error:
            rejects.add(number, text.decode(errors="replace").rstrip(), f"is not JSON: {error}")
            continue
        if problem := _problem(event):
            rejects.add(number, event, problem)
            continue
        lines.append(number)
        yield event


def _problem(event: object) -> str:
    if not isinstance(event, dict):
        return "is not a JSON object"
    if not event.get("source_event_id") and not event.get("event_id"):
        return "has no source_event_id: without one, sending the file twice would double it"
    return ""


def _words(result: Result) -> str:
    return f"{result.status}: " + "; ".join(str(problem) for problem in result.problems)


def _total(counts: Counter[str]) -> str:
    return f"accepted={counts['accepted']} duplicate={counts['duplicate']}"


def _client(options: argparse.Namespace) -> Client:
    if not options.url:
        raise ValueError("name the hub: --url or THROUGHLINE_URL")
    key: Key | None = os.environ.get("THROUGHLINE_KEY")
    if options.key_file:
        key = key_from_file(options.key_file)
    if not key:
        raise ValueError("give the key: --key-file, THROUGHLINE_KEY_FILE or THROUGHLINE_KEY")
    return Client(options.url, key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="throughline-sdk", description="Send a file of JSON lines to a Throughline hub."
    )
    env = os.environ.get
    parser.add_argument("command", choices=["send"])
    parser.add_argument("file", type=Path, help="one JSON event a line, with source_event_id")
    parser.add_argument("--rejects", type=Path, default=Path("rejects.jsonl"))
    parser.add_argument("--url", default=env("THROUGHLINE_URL"), help="or THROUGHLINE_URL")
    parser.add_argument("--key-file", type=Path, default=env("THROUGHLINE_KEY_FILE"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
