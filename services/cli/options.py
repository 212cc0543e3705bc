"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_DATA: Final = Path(".throughline")
Data = Annotated[
    Path, typer.Option("--data", envvar="THROUGHLINE_DATA", help="Where everything is kept.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
