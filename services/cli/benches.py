"""Runs the benchmarks of `tests/bench`: a module `bench_<name>.py` has DESCRIPTION and `run`."""

from __future__ import annotations

import ast
import asyncio
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli.exits import NotFound

if TYPE_CHECKING:
    from tests.bench.figure import Figure


def _folder() -> Path:
    """Raises NotFound outside a source tree: benchmarks are not installed."""
    root = Path(__file__).resolve().parents[2]
    folder = root / "tests" / "bench"
    if not folder.is_dir():
        raise NotFound(f"benchmarks come with the source tree; {folder} is not there")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return folder


def listed() -> dict[str, str]:
    """Name -> description, read without importing the benchmarks."""
    files = sorted(_folder().glob("bench_*.py"))
    return {file.stem.removeprefix("bench_"): _description(file) for file in files}


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
    module = importlib.import_module(f"tests.bench.bench_{name}")
    figures: list[Figure] = asyncio.run(module.run(scale))
    return figures
