"""`throughline parked`: who waits, replays, and letting go of what can never be read."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.exits import Exit, NotFound, Refused
from services.cli.hub import on_hub
from services.cli.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from services.common.kafka import Position
    from services.common.settings import Settings
    from services.projections.parking.listing import Dropped, ParkedOwner
    from services.projections.parking.replaying import Replayed, Replaying

app = typer.Typer(
    help="Records that could not be read, and what waits behind them, in order.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Worker = Annotated[UUID | None, typer.Option("--worker", help="The worker's id.")]
All = Annotated[
    bool,
    typer.Option(
        "--all", help="Everybody who waits, those first who were not tried for the longest."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be; change nothing.")]
Reason = Annotated[str, typer.Option("--reason", help="Why it can never be read; kept for ever.")]


@app.command()
def ls(
    most: Annotated[int, typer.Option("--most", min=1, max=100_000)] = 100,
    dropped: Annotated[bool, typer.Option("--dropped", help="What was let go of.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List who is parked: since when, by which record, why, and how many records wait."""
    if dropped:
        gone = on_hub(lambda settings: _dropped(settings, most), data)
        found = [one.as_dict() for one in gone]
        lines = [f"{o.position}  {o.dropped_at:%Y-%m-%d} {o.dropped_by}  {o.reason}" for o in gone]
        print(json.dumps(found) if as_json else "\n".join(lines) or "Nothing was dropped.")
        return
    owners, count, records = on_hub(lambda settings: _listed(settings, most), data)
    if as_json:
        listed = [one.as_dict() for one in owners]
        print(json.dumps({"owners": count, "records": records, "parked": listed}))
    elif not owners:
        print("Nobody is parked.")
    else:
        print(f"{count:,} parked, {records:,} records wait.")
        for one in owners:
            name = one.name or "(nobody)"
            print(f"{name}  {one.head}  since {one.since:%Y-%m-%d %H:%M} UTC  {one.waiting:,} wait")
            print(f"    {one.reason}")


@app.command()
def replay(
    position: Annotated[str | None, typer.Argument(help="Of a record that names nobody.")] = None,
    worker: Worker = None,
    everybody: All = False,
    dry_run: DryRun = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Read parked records again, in order, up to the first that still cannot be read.

    The hub runs on meanwhile. Exit 6 when somebody still waits.
    """
    if sum((position is not None, worker is not None, everybody)) != 1:
        raise typer.BadParameter("give a position, --worker or --all")
    replayed = on_hub(lambda s: _replayed(s, position, worker, everybody, dry_run), data)
    if as_json:
        print(json.dumps({"dry_run": dry_run, "replayed": [one.as_dict() for one in replayed]}))
    else:
        for one in replayed:
            print(_told(one, dry_run))
        print(f"{len(replayed):,} looked at{'; nothing was changed' if dry_run else ''}.")
    if any(one.still for one in replayed):
        raise typer.Exit(Exit.PARTLY)


@app.command()
def drop(
    position: Annotated[str, typer.Argument(help="Such as stories:3:1207.")],
    reason: Reason,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Let go of a record that can never be read; what waits behind it is replayed.

    It stays on the log, and is listed with `throughline parked ls --dropped`.
    """
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    replayed = on_hub(lambda settings: _drop(settings, position, reason), data)
    print(json.dumps(replayed.as_dict()) if as_json else _told(replayed, False))


def _told(one: Replayed, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    text = f"{one.owner or '(nobody)'}  {one.taken:,} {would}taken"
    if one.left_out:
        text += f", {one.left_out:,} {would}left out"
    if one.still:
        text += f", {one.still:,} still wait"
    return text + (f": {one.stopped_at} {one.why}" if one.stopped_at else "")


async def _listed(settings: Settings, most: int) -> tuple[list[ParkedOwner], int, int]:
    from services.common.postgres import open_pool
    from services.projections.parking.listing import parked_owners
    from services.projections.settings import ProjectionsSettings

    async with open_pool(settings, most=1) as pool:
        owners, count, records = await parked_owners(pool, ProjectionsSettings().read_schema, most)
    return list(owners), count, records


async def _dropped(settings: Settings, most: int) -> list[Dropped]:
    from services.common.postgres import open_pool
    from services.projections.parking.listing import dropped_records

    async with open_pool(settings, most=1) as pool:
        return list(await dropped_records(pool, most))


async def _replayed(
    settings: Settings,
    position: str | None,
    worker: UUID | None,
    everybody: bool,
    dry_run: bool,
) -> list[Replayed]:
    from services.projections.parking.replaying import NotParked

    at, by = _position(position) if position else None, _who()
    async with _open(settings) as replaying:
        if everybody:
            return [one async for one in replaying.everybody(by=by, dry_run=dry_run)]
        owner = worker.bytes if worker else None
        try:
            return [await replaying.replay(owner, at=at, by=by, dry_run=dry_run)]
        except NotParked as error:
            raise NotFound(str(error)) from error


async def _drop(settings: Settings, position: str, reason: str) -> Replayed:
    from services.projections.parking.replaying import MayNotDrop, NotParked

    async with _open(settings) as replaying:
        try:
            return await replaying.drop(_position(position), reason=reason, by=_who())
        except NotParked as error:
            raise NotFound(str(error)) from error
        except MayNotDrop as error:
            raise Refused(str(error)) from error


def _open(settings: Settings) -> AbstractAsyncContextManager[Replaying]:
    from services.common import log
    from services.projections.parking.replaying import open_replaying
    from services.projections.projections import PROJECTIONS, RETRACTIONS
    from services.projections.settings import ProjectionsSettings

    log.configure(settings.log_level)  # to stderr, away from what is printed
    return open_replaying(settings, ProjectionsSettings().read_schema, PROJECTIONS, RETRACTIONS)


def _position(text: str) -> Position:
    from services.common.kafka import Position

    try:
        return Position.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no position such as stories:3:1207") from error


def _who() -> str:
    return f"{getpass.getuser()} (command line)"
