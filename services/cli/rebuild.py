"""`throughline rebuild`: the read model made again from the log, beside the tables in use."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.exits import Exit, Refused
from services.cli.options import DEFAULT_DATA, AsJson, Data
from services.cli.rebuild_words import as_dict, differences, duration, in_words, progress

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from services.common.postgres import Pool
    from services.common.settings import Settings
    from services.projections.rebuild.steps import Rebuild
    from services.projections.rebuild.work import Kind, Row

app = typer.Typer(
    help="Make the read model again from the log, beside the tables in use, and switch to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Though there is something against it.")]
Rate = Annotated[int | None, typer.Option("--rate", min=1, help="Records a second at most.")]
_SILENT_S: Final = 10.0


@app.command()
def start(
    rate: Rate = None,
    here: Annotated[bool, typer.Option("--here", help="Fill the tables in this process.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Begin to fill new tables from the log, or go on. Reads go on, and nothing is sent.

    The hub's projections processes of this release do it; with --here this process does, until the
    tables are dropped, or Ctrl-C.
    """
    if dry_run:
        _run(lambda pool, _: _plan(pool, rate, as_json), data)
        return

    async def work(settings: Settings) -> None:
        from contextlib import AsyncExitStack

        from services.projections.rebuild.at_start import building
        from services.projections.settings import ProjectionsSettings

        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(_open(settings))
            said = await _take(pool, "start", rate=rate)
            if not as_json:
                print(said)
            own = ProjectionsSettings()
            filling = await stack.enter_async_context(building(settings, own)) if here else None
            if wait:
                await _watch(pool, as_json)
            if filling is not None:
                await filling

    _with_settings(work, data)


@app.command()
def status(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Say how far it is, how long it will take, and what a comparison found."""

    async def show(pool: Pool, _: Rebuild) -> None:
        from services.projections.rebuild import work

        row = await work.row(pool)
        if as_json:
            print(json.dumps(as_dict(row), default=str))
        else:
            print("\n".join(in_words(row)))

    _run(show, data)


@app.command("rate")
def set_rate(
    records: Annotated[int | None, typer.Argument(min=1, help="Leave out: no limit.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Set how many records a second it may take at most. It gives way to the hub's work anyway."""
    _step("rate", data, rate=records)


@app.command()
def pause(data: Data = DEFAULT_DATA) -> None:
    """Stop filling for now; what is filled stays."""
    _step("pause", data)


@app.command()
def resume(data: Data = DEFAULT_DATA) -> None:
    """Go on after a pause."""
    _step("resume", data)


@app.command()
def compare(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Compare both sets of tables row by row while they move. Exit code 1 when they differ."""

    async def show(pool: Pool, rebuild: Rebuild) -> None:
        from services.projections.rebuild import work

        said = await _take(pool, "compare")
        row = await work.row(pool)
        found = row.comparison if row is not None else None
        print(json.dumps(found) if as_json else "\n".join([said, *differences(found or {})]))
        if not found or not found["equal"]:
            raise typer.Exit(Exit.FAILED)

    _run(show, data)


@app.command()
def switch(yes: Yes = False, anyway: Anyway = False, data: Data = DEFAULT_DATA) -> None:
    """Read the new tables from now on; the former ones are kept. Takes an instant."""
    _sure(yes, "Read the new tables from now on?")
    _step("switch", data, anyway=anyway)


@app.command()
def undo(yes: Yes = False, anyway: Anyway = False, data: Data = DEFAULT_DATA) -> None:
    """Read the former tables again; the new ones are kept."""
    _sure(yes, "Read the former tables again?")
    _step("undo", data, anyway=anyway)


@app.command()
def drop(yes: Yes = False, anyway: Anyway = False, data: Data = DEFAULT_DATA) -> None:
    """Remove the tables that are not in use. The log makes them again."""
    _sure(yes, "Remove the tables that are not in use?")
    _step("drop", data, anyway=anyway)


def _sure(yes: bool, question: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("nobody is here to ask; add --yes to do it without asking")
    typer.confirm(question, abort=True)


def _step(step: Kind, data: Path, *, rate: int | None = None, anyway: bool = False) -> None:
    async def take(pool: Pool, _: Rebuild) -> None:
        print(await _take(pool, step, rate=rate, anyway=anyway))

    _run(take, data)


async def _take(pool: Pool, step: Kind, *, rate: int | None = None, anyway: bool = False) -> str:
    """Take a step and write it down. Raises Refused."""
    from services.projections.rebuild import work
    from services.projections.rebuild.keeper import take
    from services.projections.rebuild.steps import Rebuild
    from services.projections.settings import ProjectionsSettings

    by = f"{getpass.getuser()} (command line)"
    ordered = await work.note_step(pool, step, by, rate=rate, anyway=anyway)
    try:
        return await take(pool, Rebuild(pool, ProjectionsSettings().read_schema), ordered)
    except work.StepRefused as error:
        insist = "; add --anyway to do it all the same" if error.anyway else ""
        raise Refused(f"{error}{insist}") from error


async def _watch(pool: Pool, as_json: bool) -> None:
    """Show progress until the new tables are at the end of the log."""
    from services.projections.rebuild.at_start import caught_up

    loop = asyncio.get_running_loop()
    began, warned = loop.time(), False

    def told(row: Row) -> None:
        nonlocal warned
        if row.told_at is None and loop.time() - began > _SILENT_S and not warned:
            warned = True
            fix = "run `throughline work projections` of this release, or add --here"
            print(f"Nobody fills the tables yet: {fix}.", file=sys.stderr)
        if not as_json and row.told_at is not None:
            print(f"  {progress(row)}", flush=True)

    row = await caught_up(pool, told)
    if as_json:
        print(json.dumps(as_dict(row), default=str))
    elif row is not None:
        print("Caught up, and kept so. Next: `throughline rebuild compare`, then `switch`.")


async def _plan(pool: Pool, rate: int | None, as_json: bool) -> None:
    from services.projections.rebuild.planning import plan
    from services.projections.settings import ProjectionsSettings

    found = await plan(pool, ProjectionsSettings().read_schema, rate)
    if as_json:
        print(json.dumps(found.as_dict()))
        return
    print(f"Would make {found.tables} tables again from {found.records:,} records of the log,")
    print(f"beside those in use, which take {found.size_bytes / 1e6:,.0f} MB: have that free.")
    speed = "as told" if rate else "as assumed; it depends on the machine"
    print(f"{duration(found.seconds)} at {found.records_per_s:,} records a second, {speed}.")
    print("Reads go on as they are until `throughline rebuild switch`. Nothing is sent.")
    for reason in found.against:
        print(f"It would be refused now: {reason}.")


def at_start(settings: Settings) -> None:
    """Make the read model again where it is declared anew, before anything else runs."""
    from services.projections.rebuild.at_start import rebuild_now

    def told(row: Row) -> None:
        print(f"Making the read model again: {progress(row)}", flush=True)

    if (said := asyncio.run(rebuild_now(settings, told))) is not None:
        print(f"{said[0].upper()}{said[1:]}.")


def _run(work: Callable[[Pool, Rebuild], Awaitable[None]], data: Path) -> None:
    async def with_pool(settings: Settings) -> None:
        from services.projections.rebuild.steps import Rebuild
        from services.projections.settings import ProjectionsSettings

        async with _open(settings) as pool:
            await work(pool, Rebuild(pool, ProjectionsSettings().read_schema))

    _with_settings(with_pool, data)


def _open(settings: Settings) -> AbstractAsyncContextManager[Pool]:
    from services.common.postgres import open_pool

    return open_pool(settings, most=3)


def _with_settings(work: Callable[[Settings], Awaitable[None]], data: Path) -> None:
    from services.cli.hub import hub_settings
    from services.common import log

    settings = hub_settings(data)
    log.configure("warn")  # to stderr, away from what is printed

    async def main() -> None:
        await work(settings)

    asyncio.run(main())
