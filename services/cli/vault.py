"""`throughline vault`: how old the keys are, and a new master key."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.hub import on_hub
from services.cli.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from services.common.settings import Settings
    from services.common.vault.rotation import KeyAge, Progress

app = typer.Typer(
    help="Look at the vault's keys, and rotate the master key.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_SAID: Final = {
    "begun": "The next master key is there.",
    "retired": "A new key-encryption key wraps; {total:,} data keys are to be wrapped anew.",
    "wrapped": "{wrapped:,} of {total:,} data keys are wrapped anew.",
    "deleted": "The old key-encryption keys are deleted.",
    "done": "Done. The old master key is destroyed: destroy its copies, and back up the new one.",
}


@app.command()
def status(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Say how old the keys are, and whether the master key should be rotated."""
    ages, due = on_hub(_ages, data)
    if as_json:
        keys = [asdict(age) for age in ages]
        print(json.dumps({"rotation_due": due, "keys": keys}, default=str))
        return
    for age in ages:
        state = "retired" if age.retired_at else "live"
        made = f"{age.created_at:%Y-%m-%d %H:%M} UTC"
        print(f"{age.kek_id}  {state:<7}  made {made}  {age.data_keys:,} data keys")
        print(f"    wrapped by master key {age.master_id}")
    if len(ages) > 1:
        print("A rotation was begun: run `throughline vault rotate` to end it.")
    elif due:
        print("Older than 30 days: run `throughline vault rotate`.")


@app.command()
def rotate(
    data: Data = DEFAULT_DATA,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, max=100_000, help="Data keys a transaction.")
    ] = 2_000,
    as_json: AsJson = False,
) -> None:
    """Replace the master key, or go on with a rotation that was cut. The hub runs on meanwhile.

    No event is touched: data keys are wrapped anew. Then the old master key is destroyed.
    """
    if dry_run:
        ages, _ = on_hub(_ages, data)
        count = sum(age.data_keys for age in ages if age.retired_at or len(ages) == 1)
        print(json.dumps({"data_keys": count}) if as_json else f"Would wrap {count:,} data keys.")
        return

    def said(progress: Progress) -> None:
        facts = asdict(progress)
        print(json.dumps(facts) if as_json else _SAID[progress.step].format_map(facts), flush=True)

    async def work(settings: Settings) -> None:
        from services.common import log
        from services.common.errors import DependencyDown
        from services.common.postgres import AWAY, open_pool
        from services.common.vault import KeyEncryptionKeys, custodian_of
        from services.common.vault.rotation import rotate as steps

        log.configure(settings.log_level)  # to stderr, away from what is printed
        keks = KeyEncryptionKeys(custodian_of(settings))
        try:
            async with open_pool(settings, most=1) as pool:
                async for progress in steps(pool, keks, batch=batch):
                    said(progress)
        except AWAY as error:
            raise DependencyDown("PostgreSQL is away; start the rotation again") from error

    on_hub(work, data)


async def _ages(settings: Settings) -> tuple[list[KeyAge], bool]:
    from services.common.clock import utc_now
    from services.common.postgres import open_pool
    from services.common.vault.rotation import is_due, key_ages

    async with open_pool(settings, most=1) as pool:
        ages = await key_ages(pool)
    return ages, is_due(ages, utc_now())
