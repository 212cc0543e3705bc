"""Looks at everything a hub needs on this machine, and says how to put right what is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli.hub import existing_topics
from services.common.kafka import open_consumer
from services.common.settings import Settings

if TYPE_CHECKING:
    from asyncpg import Record

_LEAST_DISK_BYTES = 2_000_000_000
_LEAST_PYTHON = (3, 11)
_LAG_IS_MUCH = 100_000
_ASK_S = 15
_MOVE_IS_LONG_S = 600
_MOVES = """
SELECT count(*) AS open, coalesce(extract(epoch FROM now() - min(asked_at)), 0)::float8 AS oldest_s
FROM consent.identity_move WHERE ended_at IS NULL
"""
# What came in and was not taken: how much, since when, and why the first was not.
_OPENEDX = """
SELECT count(*) AS found, min(rejected_at) AS oldest, (
    SELECT reason FROM ingest_work.source_reject ORDER BY rejected_at LIMIT 1) AS first
FROM ingest_work.source_reject
"""
_SCIM = """
SELECT count(*) AS found, min(written_at) AS oldest, (
    SELECT refused FROM vault.scim_event WHERE refused IS NOT NULL
    ORDER BY written_at, number LIMIT 1) AS first
FROM vault.scim_event WHERE refused IS NOT NULL
"""
_REASON_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, whether it is well, and the fix when it is not."""

    name: str
    ok: bool
    found: str
    fix: str | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


async def examine(settings: Settings, data: Path, port: int) -> list[Finding]:
    """All findings, in the order in which they should be put right."""
    local = [python(), disk(data), await asyncio.to_thread(jars), ports(data, port)]
    remote = await asyncio.gather(
        _asked("PostgreSQL", lambda: postgresql(settings)),
        _asked("Kafka", lambda: kafka(settings)),
    )
    if not all(finding.ok for finding in remote):
        return [*local, *remote]
    return [
        *local,
        *remote,
        await _asked("topics", lambda: topics(settings)),
        await _asked("vault", lambda: vault(settings)),
        await _asked("projections", lambda: projections(settings)),
        await _asked("identity", lambda: identity(settings)),
        await _asked("Open edX", lambda: openedx(settings)),
        await _asked("SCIM in", lambda: scim_in(settings)),
        *await provider_topics(settings),
    ]


def python() -> Finding:
    version = sys.version.split()[0]
    ok = sys.version_info >= _LEAST_PYTHON
    return Finding("Python", ok, version, None if ok else "Install Python 3.11 or later.")


def disk(data: Path) -> Finding:
    place = data.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    ok = free >= _LEAST_DISK_BYTES
    fix = f"Free some space, or choose another place with --data (least {_LEAST_DISK_BYTES:,})."
    return Finding("disk", ok, f"{free / 1e9:.1f} GB free at {place}", None if ok else fix)


def jars() -> Finding:
    """The cache only: nothing is fetched here."""
    from services.launcher.errors import JarMismatch
    from services.launcher.jars import cache_dir, check_all, missing

    if absent := missing():
        fix = "`throughline up` fetches them; that needs the network once."
        return Finding("Kafka jars", False, f"{len(absent)} missing in {cache_dir()}", fix)
    try:
        count = check_all()
    except JarMismatch as error:
        return Finding("Kafka jars", False, str(error), f"Delete {cache_dir()}.")
    return Finding("Kafka jars", True, f"{count}, each as pinned")


def ports(data: Path, port: int) -> Finding:
    from services.launcher import run_file
    from services.launcher.process import is_free, next_free_port

    run = run_file.running(data)
    if run is not None:
        where = run.url or "still starting"
        return Finding("ports", True, f"Throughline runs at {where} (pid {run.supervisor.pid})")
    if is_free(port):
        return Finding("ports", True, f"{port} is free")
    other = next_free_port(port)
    return Finding("ports", True, f"{port} is in use; `throughline up` would take {other}")


async def _asked(name: str, question: Callable[[], Awaitable[Finding]]) -> Finding:
    """A finding also when the answer is an error or does not come."""
    from aiokafka.errors import KafkaError

    from services.common.errors import DependencyDown
    from services.common.postgres import AWAY

    fix = "Start the hub with `throughline up`, or check KAFKA_BOOTSTRAP and DATABASE_URL."
    try:
        async with asyncio.timeout(_ASK_S):
            return await question()
    except (KafkaError, DependencyDown, *AWAY) as error:
        why = str(error) or type(error).__name__
        return Finding(name, False, f"does not answer: {why}", fix)


async def postgresql(settings: Settings) -> Finding:
    import asyncpg

    connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=_ASK_S)
    try:
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return Finding("PostgreSQL", True, f"{version} answers")


async def kafka(settings: Settings) -> Finding:
    await existing_topics(settings)
    return Finding("Kafka", True, f"{settings.kafka_bootstrap} answers")


async def topics(settings: Settings) -> Finding:
    from services.common.kafka import TOPICS

    there = await existing_topics(settings)
    absent = [settings.topic(name) for name in TOPICS if settings.topic(name) not in there]
    if absent:
        return Finding("topics", False, f"missing: {', '.join(absent)}", "Run `throughline init`.")
    return Finding("topics", True, f"all {len(TOPICS)} are there")


async def vault(settings: Settings) -> Finding:
    """Whether the keys can be opened, and are not too old."""
    from services.common.clock import utc_now
    from services.common.postgres import open_pool
    from services.common.vault import MasterKeyProblem, Vault
    from services.common.vault.rotation import is_due, key_ages

    try:
        async with open_pool(settings, most=1) as pool:
            ages = await key_ages(pool)
            await Vault.open(settings, pool)
    except MasterKeyProblem as error:
        return Finding("vault", False, str(error), "Put right what it says.")
    now = utc_now()
    days = max((now - age.created_at).days for age in ages)
    found = "a rotation was begun" if len(ages) > 1 else f"the keys are {days} days old"
    fix = "Run `throughline vault rotate`; it is due every 30 days."
    return Finding("vault", not is_due(ages, now), found, fix if is_due(ages, now) else None)


async def projections(settings: Settings) -> Finding:
    """How many records the read model has not passed yet."""
    import asyncpg

    connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=_ASK_S)
    try:
        rows = await connection.fetch(
            "SELECT topic, partition, next_offset FROM read.stream_position"
        )
    except asyncpg.UndefinedTableError:
        return Finding("projections", False, "there is no read model", "Run `throughline init`.")
    finally:
        await connection.close()
    passed = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    lag = 0
    for topic in sorted({topic for topic, _ in passed}):
        ends = await _end_offsets(settings, topic)
        lag += sum(end - passed.get((topic, partition), 0) for partition, end in ends.items())
    fix = "Is `throughline work projections` running? See its log."
    ok = lag < _LAG_IS_MUCH
    return Finding("projections", ok, f"{lag:,} records behind", None if ok else fix)


async def provider_topics(settings: Settings) -> list[Finding]:
    """How many records of providers' own topics were not read yet; nothing where none are read."""
    from services.ingest.sources.provider_access import ProviderAccess
    from services.ingest.sources.settings import ProviderTopicSettings

    own = ProviderTopicSettings()
    if not own.enabled:
        return []

    async def asked() -> Finding:
        found = await asyncio.to_thread(ProviderAccess(settings, own).standings)
        waiting, lost = sum(one.waiting for one in found), sum(one.lost for one in found)
        ok = waiting < _LAG_IS_MUCH and not lost
        fix = "Is `throughline work ingest` running? See its log."
        told = f"{len(found)} providers, {waiting:,} records wait"
        if lost:
            told += f", {lost:,} were removed unread: a topic was full or old"
            fix += " It tells the providers. Kafka keeps PROVIDER_TOPICS_KEPT and _KEPT_BYTES."
        return Finding("providers", ok, told, None if ok else fix)

    return [await _asked("providers", asked)]


async def identity(settings: Settings) -> Finding:
    """Records that are being joined or parted, and for how long."""
    row = await _row(settings, _MOVES)
    if row is None:
        return Finding("identity", False, "its tables are missing", "Run `throughline init`.")
    ok = row["oldest_s"] < _MOVE_IS_LONG_S
    found = f"{row['open']:,} joinings and partings under way"
    fix = "Does `throughline serve consent` run, and does the read model keep up?"
    return Finding("identity", ok, found, None if ok else fix)


async def openedx(settings: Settings) -> Finding:
    """Records of Open edX's topics that were not taken, and whether reading waits."""
    from services.ingest.sources.waits import WAITING

    fix = "Have them sent again once that is put right, then delete the rows of"
    fix += " ingest_work.source_reject."
    refused = await _not_taken(settings, "Open edX", _OPENEDX, fix)
    waiting = await _row(settings, WAITING)
    if waiting is None or waiting["why"] is None:
        return refused
    why = waiting["why"][:_REASON_LENGTH]
    found = f"waits since {waiting['since']:%Y-%m-%d %H:%M} UTC: {why}; {refused.found}"
    fix = "Nothing is lost: it goes on once that is back. Are OPENEDX_BOOTSTRAP and _REGISTRY_URL"
    fix = " ".join([f"{fix} right?", *([refused.fix] if refused.fix else [])])
    return Finding("Open edX", False, found, fix)


async def scim_in(settings: Settings) -> Finding:
    """Changes of employers' users whose events were refused."""
    fix = "Once that is put right, set `refused` to NULL in vault.scim_event: they are told again."
    return await _not_taken(settings, "SCIM in", _SCIM, fix)


async def _not_taken(settings: Settings, name: str, sql: str, fix: str) -> Finding:
    row = await _row(settings, sql)
    if row is None:
        return Finding(name, False, "its tables are missing", "Run `throughline init`.")
    if not row["found"]:
        return Finding(name, True, "nothing was refused")
    since, why = f"{row['oldest']:%Y-%m-%d %H:%M} UTC", row["first"][:_REASON_LENGTH]
    found = f"{row['found']:,} refused, the oldest on {since}: {why}"
    return Finding(name, False, found, fix)


async def _row(settings: Settings, sql: str) -> Record | None:
    """The one row that the statement answers; None when its table is missing."""
    import asyncpg

    connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=_ASK_S)
    try:
        return await connection.fetchrow(sql)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


async def _end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Partition -> the offset that the next record will get."""
    # Subscribed, for only then does the client learn of the partitions.
    name = settings.topic(topic)
    async with open_consumer(settings, name) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
    return {where.partition: end for where, end in ends.items()}
