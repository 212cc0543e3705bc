"""The SDK as other systems install it: one name, two dependencies, nothing of the hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

PROJECT = Path(__file__).resolve().parents[2] / "deploy" / "sdk"
TRIED = """
import sys
sys.path.insert(0, sys.argv[1])
import throughline_sdk, throughline_sdk.relay, throughline_sdk.relay.sqlite
from throughline_sdk.events import TrainingCompleted
from throughline_sdk.relay.__main__ import main
assert throughline_sdk.__file__.startswith(sys.argv[1]), throughline_sdk.__file__
print(*sorted({name.partition(".")[0] for name in sys.modules}))
main(["ddl", "--dialect", "sqlite"])
"""


def test_the_package_needs_httpx_and_pydantic_and_nothing_of_the_hub(tmp_path: Path) -> None:
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("throughline_sdk-*.whl")

    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {
        "throughline_sdk"
    }
    assert "throughline_sdk/py.typed" in names
    metadata = next(name for name in names if name.endswith("METADATA"))
    said = ZipFile(wheel).read(metadata).decode().splitlines()
    needed = [line for line in said if line.startswith("Requires-Dist") and "extra" not in line]
    assert [line.split()[1].partition(">")[0] for line in needed] == ["httpx", "pydantic"]

    tried = subprocess.run(
        (sys.executable, "-I", "-c", TRIED, str(wheel)), check=True, capture_output=True, text=True
    )
    modules, _, tables = tried.stdout.partition("\n")
    assert {"httpx", "pydantic"} <= set(modules.split())
    assert not {"services", "connectors", "schemas", "asyncpg", "aiokafka"} & set(modules.split())
    assert tables.startswith("CREATE TABLE throughline_outbox (")
