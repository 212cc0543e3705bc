"""One measured figure, and how figures are printed for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from rich.table import Table


def this_machine() -> dict[str, Any]:
    """What a figure depends on and can be told without saying whose machine it is."""
    return {
        "cpus": os.cpu_count(),
        "system": platform.system(),
        "processor": platform.machine(),
        "python": platform.python_version(),
    }


class Figure(BaseModel):
    """A median, what it is compared with, and the aim. `met` is None where there is no aim."""

    model_config = ConfigDict(frozen=True)

    name: str  # such as projection.steady
    value: float
    unit: str  # such as events/s
    against: str | None = None  # the name of the figure it is compared with
    ratio: float | None = None  # value divided by the other's value
    aim: str | None = None  # such as ">= 4 x"
    met: bool | None = None
    scale: dict[str, Any] = Field(default_factory=dict)
    machine: dict[str, Any] = Field(default_factory=this_machine)


def table(figures: Sequence[Figure]) -> Table:
    """Figures for people, one a row."""
    from rich.table import Table

    made = Table("figure", box=None, pad_edge=False)
    for column in ("value", "unit", "against", "ratio", "aim", "met"):
        made.add_column(column, justify="right" if column in ("value", "ratio") else "left")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} x"
        met = "" if figure.met is None else ("yes" if figure.met else "NO")
        made.add_row(
            figure.name,
            _rounded(figure.value),
            figure.unit,
            figure.against or "",
            ratio,
            figure.aim or "",
            met,
        )
    return made


def _rounded(value: float) -> str:
    """Three or more significant digits, thousands grouped."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
