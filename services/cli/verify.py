"""`throughline verify`: the read model compared with the log."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.exits import Exit
from services.cli.options import DEFAULT_DATA, Data

if TYPE_CHECKING:
    from services.common.settings import Settings
    from services.projections.verify.verdict import Told, Verdict

_EACH_S: Final = 1.0


def verify(
    data: Data = DEFAULT_DATA,
    tables: Annotated[
        bool,
        typer.Option(
            "--tables/--log-only",
            help="Fold every story again and compare every table, or only the log's own rows.",
        ),
    ] = True,
    schema: Annotated[
        str | None, typer.Option(help="The PostgreSQL schema, if it is not the one in use.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Differences to print.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare what the database holds with the log. The hub runs on meanwhile.

    Exit 0: equal. 1: not, with the first records that differ. 2: it cannot be told.
    """
    from services.cli.hub import hub_settings
    from services.common.errors import ThroughlineError

    settings = hub_settings(data)
    try:
        verdict = asyncio.run(_verified(settings, schema, tables, _progress()))
    except ThroughlineError as error:
        said = {"outcome": "unknown", "why_unknown": str(error)}
        print(json.dumps(said) if as_json else f"It cannot be told: {error}")
        raise typer.Exit(Exit.CANNOT_TELL) from error
    print(json.dumps(verdict.as_dict(most)) if as_json else _text(verdict, most))
    exits = {"equal": Exit.DONE, "different": Exit.FAILED, "unknown": Exit.CANNOT_TELL}
    if verdict.outcome != "equal":
        raise typer.Exit(exits[verdict.outcome])


async def _verified(settings: Settings, schema: str | None, tables: bool, told: Told) -> Verdict:
    from services.projections.projections import PROJECTIONS
    from services.projections.settings import ProjectionsSettings
    from services.projections.verify.verifying import verify as compared

    where = schema or ProjectionsSettings().read_schema
    if not where.isidentifier():
        raise typer.BadParameter(f"{where!r} is no name of a schema")
    return await compared(settings, where, PROJECTIONS if tables else (), told)


def _progress() -> Told:
    """Says on stderr, once a second, how far it is."""
    said_at = time.monotonic()

    def told(what: str, done: int, of: int | None) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _EACH_S:
            said_at = time.monotonic()
            print(f"{done:,}{f' of {of:,}' if of else ''} {what}", file=sys.stderr, flush=True)

    return told


def _text(verdict: Verdict, most: int) -> str:
    lines = [f"{verdict.records:,} records on the log, {verdict.rows:,} rows that stand for them"]
    if verdict.table_rows is not None:
        lines[0] += f", {verdict.table_rows:,} rows of tables folded again"
    lines[0] += f"; {verdict.took_s:.1f} s."
    names = ("taken", "repeats", "parked", "erased", "dropped", "strays")
    lines.append("  " + ", ".join(f"{verdict.count(name):,} {name}" for name in names))
    for one in verdict.differences[:most]:
        lines.append(f"{one.at}  {one.wrong}: {one.detail}")
    if verdict.more or len(verdict.differences) > most:
        lines.append("There is more that differs.")
    if verdict.outcome == "equal":
        lines.append("Equal: what was read of the log is kept, all of it and nothing else.")
        if verdict.table_rows is None:
            lines.append("The tables made of it were not looked at: without `--log-only` they are.")
    elif verdict.outcome == "different":
        lines.append("Not equal. `throughline rebuild start` makes the tables again from the log.")
    else:
        lines.append(f"It cannot be told: {verdict.why_unknown}.")
    return "\n".join(lines)
