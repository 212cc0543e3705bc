"""Knows whether `init` has already run for this code on these very servers: 3 s of every start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

_CODE = ("services", "connectors", "schemas")
_COUNTS = {".py", ".sql", ".avsc", ".json"}
_SETTINGS = ("TOPIC_PREFIX", "PARTITIONS", "VAULT_DIR", "PROJECTIONS_READ_SCHEMA")


def fingerprint(data: Path, env: Mapping[str, str]) -> str | None:
    """Changes with any file of ours, any setting that `init` uses, and the servers' data.

    None when a server is not embedded in `data`: what somebody did to it can't be known.
    """
    servers = [data / "kafka" / "topics" / "meta.properties", data / "postgres" / "password"]
    key = data / "vault" / "master.key"
    if not all(file.exists() for file in (*servers, key)):
        return None
    digest = hashlib.sha256()
    for file in servers:
        digest.update(file.read_bytes())
    for name in _SETTINGS:
        digest.update(f"{name}={env.get(name)}\n".encode())
    for line in _files():
        digest.update(line.encode())
    return digest.hexdigest()


def _files() -> Iterator[str]:
    root = Path(__file__).resolve().parents[2]
    for package in _CODE:
        for file in sorted((root / package).rglob("*")):
            if file.suffix in _COUNTS:
                status = file.stat()
                yield f"{file} {status.st_size} {status.st_mtime_ns}\n"


def is_done(data: Path, env: Mapping[str, str]) -> bool:
    mark = data / "initialised"
    return mark.exists() and mark.read_text() == fingerprint(data, env)


def mark_done(data: Path, env: Mapping[str, str]) -> None:
    if (found := fingerprint(data, env)) is not None:
        (data / "initialised").write_text(found)
