"""`throughline import run` against a real hub process: a file goes in, what is wrong comes back,
is corrected, and goes in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import sys
from pathlib import Path

import httpx

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from services.common.settings import Settings
from tests.bench.bench_import import MAPPING, ingest_process, write_rows
from tests.integration.imports_kit import on_the_log

ROWS = 400


async def throughline(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "import", *arguments,
        env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_file_is_sent_corrected_and_sent_again(
    environment: dict[str, str], settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(await issue_key(pool, Role.PROVIDER, "river-college") + "\n")
    mapping, rows = tmp_path / "m.yaml", tmp_path / "rows.csv"
    mapping.write_text(MAPPING)
    write_rows(rows, ROWS, 20, bad_every=100)
    rejected = tmp_path / "rows.rejected.csv"
    async with ingest_process(environment, tmp_path) as (_process, url):
        env = environment | {"THROUGHLINE_URL": url}
        common = ("--mapping", str(mapping), "--key-file", str(key))

        told = await throughline("run", str(rows), "--dry-run", *common, env=env)
        assert (told[0], await on_the_log(settings, "stories")) == (6, []), told[2]
        assert f"{ROWS - 4:>9,} would be accepted" in told[1]
        assert "day is not an ISO 8601 date (lines 2, 102, 202, 302)" in told[1]

        first = await throughline("run", str(rows), "--json", *common, env=env)
        assert first[0] == 6, first[2]
        assert json.loads(first[1])["rows"]["accepted"] == ROWS - 4
        assert stat.S_IMODE(rejected.stat().st_mode) == 0o600

        corrected = tmp_path / "corrected.csv"
        text = rejected.read_text(encoding="utf-8-sig")
        corrected.write_text(text.replace("soon", "2025-01-01"), encoding="utf-8-sig")
        second = await throughline("run", str(corrected), "--json", *common, env=env)
        assert (second[0], json.loads(second[1])["rows"]["accepted"]) == (0, 4), second[2]

        listed = await throughline("list", "--key-file", str(key), "--json", env=env)
        jobs = json.loads(listed[1])
        assert [job["file"] for job in jobs] == ["corrected.csv", "rows.csv", "rows.csv"]
        ended = await throughline("cancel", jobs[1]["id"], "--key-file", str(key), env=env)
        assert ended[0] == 0, ended[2]
        refused = await throughline("run", str(rows), "--mapping", "no-such", "--key-file",
                                    str(key), env=env)  # fmt: skip
        assert (refused[0], "oulad-results" in refused[2]) == (5, True)

        await _cut_upload_leaves_nothing(url, key.read_text().strip(), tmp_path)
    events = await on_the_log(settings, "stories")
    steps = [event.event_id for event in events if event.name == "TrainingProgressed"]
    assert (len(steps), len(set(steps))) == (ROWS, ROWS)


async def _cut_upload_leaves_nothing(url: str, key: str, folder: Path) -> None:
    """A connection that breaks in the middle of the file: no import, no file left behind."""

    async def half() -> object:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        yield b"step,person\n" * 10_000
        raise httpx.WriteError("the cable is pulled")

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "multipart/form-data; boundary=x"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as http:
        before = len((await http.get("/v1/imports")).json()["imports"])
        with contextlib.suppress(httpx.WriteError):
            await http.post("/v1/imports", content=half())  # type: ignore[arg-type]
        assert len((await http.get("/v1/imports")).json()["imports"]) == before
    assert list((folder / "imports").glob("*")) == []
