"""`throughline keys`: which access keys are good, and their end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.exits import NotFound
from services.cli.hub import on_hub
from services.cli.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from services.common.access_keys import AccessKey
    from services.common.settings import Settings

app = typer.Typer(
    help="Access keys of organisations and workers: list and revoke them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
KeyIds = Annotated[
    list[str],
    typer.Argument(metavar="KEY_ID...", help="What stands between the two _ of tl_<id>_<secret>."),
]


@app.command()
def ls(
    of: Annotated[
        str | None, typer.Option("--of", help="An organisation's id, or a worker's.")
    ] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="Those revoked, too.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List keys by their ids: of all organisations, or with --of those of one, or of a worker."""
    keys = on_hub(lambda settings: _listed(settings, of, revoked), data)
    if as_json:
        print(json.dumps([key.as_dict() for key in keys]))
        return
    for key in keys:
        ended = f"  revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC" if key.revoked_at else ""
        print(f"{_named(key)}  log-ins: {key.log_ins:,}{ended}")
    if not keys:
        print("There are no keys.")


@app.command()
def revoke(
    key_ids: KeyIds,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be; change nothing.")
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """End keys, and the log-ins that began with them. They count no more within 5 seconds.

    An id that is not known revokes none of them: exit 3.
    """
    ids = [_id(given) for given in key_ids]
    keys = on_hub(lambda settings: _revoked(settings, ids, dry_run), data)
    if as_json:
        print(json.dumps({"dry_run": dry_run, "revoked": [key.as_dict() for key in keys]}))
        return
    for key in keys:
        print(_told(key, dry_run))


def _id(given: str) -> str:
    """An id, also out of a whole key: its secret is not to be said again."""
    match given.split("_"):
        case ["tl", key_id, _]:
            return key_id
    return given


def _told(key: AccessKey, dry_run: bool) -> str:
    if key.revoked_at:
        return f"{_named(key)}  was revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC"
    would = "would be" if dry_run else "is"
    return f"{_named(key)}  {would} revoked; log-ins that end with it: {key.log_ins:,}"


def _named(key: AccessKey) -> str:
    made = f"{key.created_at:%Y-%m-%d %H:%M} UTC"
    return f"{key.key_id}  {key.role} {key.subject}  made {made}"


async def _listed(settings: Settings, of: str | None, revoked: bool) -> list[AccessKey]:
    from services.common.access_keys import list_keys
    from services.common.postgres import open_pool

    async with open_pool(settings, most=1) as pool:
        return await list_keys(pool, of, revoked=revoked)


async def _revoked(settings: Settings, key_ids: list[str], dry_run: bool) -> list[AccessKey]:
    """The keys as they were before. Raises NotFound when one of them is not there."""
    from services.common.access_keys import find_keys, revoke_keys
    from services.common.postgres import open_pool

    async with open_pool(settings, most=1) as pool:
        found = await find_keys(pool, key_ids)
        if missing := sorted(set(key_ids) - {key.key_id for key in found}):
            known = "`throughline keys ls` lists the ids there are"
            raise NotFound(f"there is no key {', '.join(missing)}; nothing was revoked. {known}.")
        if not dry_run:
            await revoke_keys(pool, key_ids)
    return found
