"""Ways in and out: one folder per kind of system."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.base import Connector


def load(name: str) -> type[Connector] | None:
    """The connector of that name: `CONNECTOR` of the package `connectors.<name>`."""
    if not name.isidentifier() or find_spec(f"connectors.{name}") is None:
        return None
    found: type[Connector] | None = getattr(import_module(f"connectors.{name}"), "CONNECTOR", None)
    return found


def names() -> list[str]:
    """The connectors there are."""
    return [part.name for part in iter_modules(__path__) if part.ispkg and load(part.name)]
