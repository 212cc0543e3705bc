"""Builds the package `throughline_sdk` from `connectors/sdk` and the event models.

In other people's programs `connectors` and `schemas` may be names of their own, so the package has
one name: `connectors.sdk` becomes `throughline_sdk`, `schemas` becomes `throughline_sdk.schemas`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODELS = ("__init__.py", "edge.py", "models.py")
RENAMED = (
    ("connectors.sdk", "throughline_sdk"),
    ("from schemas.", "from throughline_sdk.schemas."),
)


class Naming(BuildHookInterface):
    """Hatchling calls it before and after it makes a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        repository = Path(self.root).parents[1]
        self._made = Path(tempfile.mkdtemp(prefix="throughline-sdk-"))
        sdk = repository / "connectors" / "sdk"
        for source in sorted(sdk.rglob("*.py")):
            self._write(source, source.relative_to(sdk))
        for name in MODELS:
            self._write(repository / "schemas" / name, Path("schemas") / name)
        (self._made / "py.typed").touch()
        shutil.copy(repository / "LICENSE", self._made / "LICENSE")
        build_data["force_include"][str(self._made)] = "throughline_sdk"

    def _write(self, source: Path, target: Path) -> None:
        text = source.read_text()
        for old, new in RENAMED:
            text = text.replace(old, new)
        made = self._made / target
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._made, ignore_errors=True)
