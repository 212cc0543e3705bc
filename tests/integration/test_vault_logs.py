"""What a process logs, at its most talkative, shows no key and no word of what is sealed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.common.vault.hub import secret_name
from tests.processes import HubProcess, free_port, until

MARK = "Zebrafinch"
GOOD: dict[str, Any] = {
    "type": "SkillAttested",
    "source_record_id": f"{MARK}-1",
    "occurred_at": "2026-01-05T09:00:00Z",
    "attestation_id": "a-1",
    "skill_id": "onet:2.B.1",
    "level": "CAN_DO",
    "attested_by": "ASSESSOR",
    "words": f"{MARK} welds",
}
BAD = [
    GOOD | {"type": MARK},
    GOOD | {"words": {MARK: 1}},
    GOOD | {"words": f"{MARK}\ud83d", "source_event_id": MARK},  # half a character
    GOOD | {"attestation_id": f"{MARK} !"},
    {**GOOD, MARK: MARK},
    GOOD | {"worker_id": MARK},
]


def forms(secret: bytes) -> set[str]:
    return {secret.hex(), repr(secret)[2:-1], base64.b64encode(secret).decode().rstrip("=")}


async def keys_in_use(settings: Settings, pool: Pool) -> list[bytes]:
    """The master key, the hub's secrets and every data key."""
    vault = await Vault.open(settings, pool)
    pairs = await pool.fetch("SELECT worker_id FROM vault.worker_key WHERE key_group = 'learning'")
    assert pairs, "something was sealed"
    data = await Keyring(pool, vault).for_sealing([(r["worker_id"], "skill") for r in pairs])
    hub = [
        vault.keks.unwrap(row["kek_id"], secret_name(row["name"]), row["wrapped"])
        for row in await pool.fetch("SELECT * FROM vault.hub_secret")
    ]
    master = (settings.vault_dir / "master.key").read_bytes()
    return [master, *hub, *(key.key for key in data.values())]


async def test_no_key_and_no_sealed_word_is_logged(
    settings: Settings, pool: Pool, environment: dict[str, str], tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "ingest.log"
    token = await issue_key(pool, Role.PROVIDER, "river-college")
    process = HubProcess(
        *("serve", "ingest", "--port", str(port)),
        environment=environment | {"LOG_LEVEL": "debug"},
        log=log,
    )
    process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

            async def ready() -> bool:
                try:
                    return (await http.get("/health/ready")).status_code == 200
                except httpx.HTTPError:
                    return False

            await until(ready)
            http.headers["Authorization"] = f"Bearer {token}"
            http.headers["Content-Type"] = "application/json"
            assert (await http.post("/v1/events", json=GOOD)).is_success
            for bad in BAD:
                answer = await http.post("/v1/events", content=json.dumps(bad))
                assert 400 <= answer.status_code < 500, answer.text
            keys = await keys_in_use(settings, pool)
            # A damaged key and a damaged database make the process complain.
            await pool.execute("UPDATE vault.worker_key SET wrapped = 'x'")
            await pool.execute("ALTER TABLE vault.source_record RENAME TO gone")
            lost = await http.post("/v1/events", json=GOOD | {"source_event_id": "2"})
            assert lost.status_code == 500
    finally:
        process.stop()
    written = log.read_text()
    assert "gone" in written or "source_record" in written, "the complaint is there"
    assert MARK not in written
    assert not {form for key in keys for form in forms(key) if form in written}
