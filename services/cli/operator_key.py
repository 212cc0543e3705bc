"""`throughline operator-key`: how the first operator of a new hub comes in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from services.common.settings import Settings

Data = Annotated[
    Path, typer.Option("--data", envvar="THROUGHLINE_DATA", help="Where everything is kept.")
]
DEFAULT_DATA: Final = Path(".throughline")


def operator_key(data: Data = DEFAULT_DATA) -> None:
    """Make a key of the hub's operator and print it, this once. Needs the hub's database.

    With it organisations are registered and agreements signed.
    """
    import asyncio

    from services.cli.hub import hub_settings

    print(asyncio.run(_made(hub_settings(data))))


async def _made(settings: Settings) -> str:
    from services.common.postgres import open_pool
    from services.ingest.__main__ import bootstrap_operator

    async with open_pool(settings, most=1) as pool:
        return await bootstrap_operator(pool)
