"""What the README says to a newcomer works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Hub

SERVICES = ("ingest",)
README = Path(__file__).parents[2] / "README.md"
_POST = re.compile(r"curl -s \$HUB(/v1/\S+) -H [^']*? -d '\n(.*?)'", re.DOTALL)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


async def test_the_first_event_of_the_readme_is_taken(
    hub: Hub, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "services.cli", "operator-key"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    operator = bearer(made.stdout.strip())

    register, sign, send = _POST.findall(README.read_text())
    registered = await hub.http.post(register[0], content=register[1], headers=operator)
    signed = await hub.http.post(sign[0], content=sign[1], headers=operator)
    key = bearer(registered.json()["key"])
    sent = await hub.http.post(send[0], content=send[1], headers=key)

    assert [a.status_code for a in (registered, signed, sent)] == [201, 201, 202], sent.text
    assert sent.json()["status"] == "accepted"
