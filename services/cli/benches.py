"""Runs what comes with the source tree: benchmarks (`tests/bench/bench_<name>.py`) and fault runs
(`tests/faults/<name>.py`). A module has DESCRIPTION and `run`.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli.exits import NotFound, Refused
from services.common import log

if TYPE_CHECKING:
    from tests.bench.figure import Figure
    from tests.faults.report import ProjectionsReport, Report


def _folder(kind: str) -> Path:
    """`tests/bench` or `tests/faults`. Raises NotFound outside a source tree: not installed."""
    root = Path(__file__).resolve().parents[2]
    folder = root / "tests" / kind
    if not folder.is_dir():
        raise NotFound(f"these come with the source tree; {folder} is not there")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return folder


def listed() -> dict[str, str]:
    """Name -> description, read without importing the benchmarks."""
    files = sorted(_folder("bench").glob("bench_*.py"))
    return {_name(file): _description(file) for file in files}


def _name(file: Path) -> str:
    """`projection-scale` for `bench_projection_scale.py`."""
    return file.stem.removeprefix("bench_").replace("_", "-")


def listed_faults() -> dict[str, str]:
    """Name -> description of every fault run."""
    found = {file.stem: _description(file) for file in sorted(_folder("faults").glob("*.py"))}
    return {name: text for name, text in found.items() if text}


def _description(file: Path) -> str:
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="DESCRIPTION")], value=ast.Constant(value=str(d))):
                return d
            case ast.AnnAssign(target=ast.Name(id="DESCRIPTION"), value=ast.Constant(value=str(d))):
                return d
    return ""


def run(name: str, scale: float) -> list[Figure]:
    """Run one benchmark. Raises NotFound, and whatever it raises when its work was not done."""
    known = listed()
    if name not in known:
        raise NotFound(f"there is no benchmark {name!r}; there are {', '.join(known) or 'none'}")
    log.configure()  # to stderr, away from what is printed
    module = importlib.import_module(f"tests.bench.bench_{name.replace('-', '_')}")
    figures: list[Figure] = asyncio.run(module.run(scale))
    return figures


def run_faults(
    name: str, seed: int, seconds: float, events: int | None
) -> Report | ProjectionsReport:
    """Run one fault run and answer what it found. Raises NotFound, Refused."""
    known = listed_faults()
    if name not in known:
        raise NotFound(f"there is no fault run {name!r}; there are {', '.join(known) or 'none'}")
    log.configure()
    module = importlib.import_module(f"tests.faults.{name}")
    if events is not None and "events" not in inspect.signature(module.run).parameters:
        raise Refused(f"{name} goes by --seconds, not by --events")
    asked = {} if events is None else {"events": events}
    report: Report | ProjectionsReport = asyncio.run(module.run(seed, seconds, **asked))
    return report
