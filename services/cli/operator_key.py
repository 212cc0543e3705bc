"""`throughline operator-key`: how the first operator of a new hub comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.cli.options import DEFAULT_DATA, Data

if TYPE_CHECKING:
    from services.common.settings import Settings


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
