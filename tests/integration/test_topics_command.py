"""`throughline topics` where it must refuse: nobody of that name, and a Kafka that lets all in."""

from __future__ import annotations

import subprocess
import sys

from services.cli.exits import Exit
from services.common.access import Role, issue_key
from services.common.postgres import Pool


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", "topics", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_nobody_gets_a_topic_who_takes_no_part(environment: dict[str, str]) -> None:
    done = _run(environment, "grant", "nobody-here")
    assert done.returncode == Exit.NOT_FOUND
    assert "POST /v1/organizations" in done.stderr


async def test_where_kafka_has_no_access_rules_nobody_gets_a_password(
    environment: dict[str, str], pool: Pool
) -> None:
    await issue_key(pool, Role.PROVIDER, "river-college")
    done = _run(environment, "grant", "river-college")
    assert done.returncode == Exit.FAILED, done.stdout
    assert "no access rules" in done.stderr
    assert "password" not in done.stdout
