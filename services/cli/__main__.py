"""The `throughline` command. Heavy modules are imported inside the commands that need them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import (
    imports,
    keys,
    operator_key,
    parked,
    rebuild,
    schemas,
    topics,
    vault,
    verify,
)
from services.cli.exits import Exit, Refused, exit_code_of
from services.cli.options import DEFAULT_DATA, AsJson, Data
from services.common.errors import ThroughlineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.launcher.supervisor import Up

app = typer.Typer(
    help="A hub for a regional workforce: every working life as events, shared as agreed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help alone takes 0.2 s to import
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(schemas.app, name="schemas")
app.add_typer(imports.app, name="import")
app.add_typer(vault.app, name="vault")
app.add_typer(topics.app, name="topics")
app.add_typer(rebuild.app, name="rebuild")
app.add_typer(parked.app, name="parked")
app.add_typer(keys.app, name="keys")
app.command("operator-key")(operator_key.operator_key)
app.command("verify")(verify.verify)

DEFAULT_PORT = 8080
Port = Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port of the pages and API.")]


def _console(*, stderr: bool = False) -> Console:
    """Colour on a terminal only; long lines are never broken."""
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    port: Port = DEFAULT_PORT,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="Seed the demo region, for good. By default not where KAFKA_BOOTSTRAP or"
            " DATABASE_URL names a cluster of your own.",
        ),
    ] = None,
    people: Annotated[int, typer.Option(min=1, help="How many people the demo region has.")] = 500,
    provider_topics: Annotated[
        bool, typer.Option("--provider-topics", help="A Kafka port with users, for providers.")
    ] = False,
    projections: Annotated[
        int, typer.Option(min=1, max=64, help="How many projections workers share the log.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Run everything on this machine until Ctrl-C. The data stays in --data.

    With OPENEDX_TOPICS or PROVIDER_TOPICS_ENABLED set, these are read, too.
    """
    from services.cli.welcome import as_dict, welcome
    from services.ingest.sources.settings import any_configured
    from services.launcher.supervisor import Plan, Supervisor, servers_given

    progress = _console(stderr=as_json)

    def healthy(found: Up) -> None:
        if as_json:
            print(json.dumps(as_dict(found)), flush=True)
        else:
            welcome(progress, found)

    plan = Plan(
        data,
        port,
        not servers_given() if demo is None else demo,
        people=people,
        projections=projections,
        sources=provider_topics or any_configured(),
        provider_topics=provider_topics,
    )
    Supervisor(plan, progress.print, healthy).run()


@app.command()
def serve(
    services: Annotated[list[str], typer.Argument(help="Names, such as: ingest consent portal.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = DEFAULT_PORT,
) -> None:
    """Run HTTP services together in one process."""
    from services.cli.serving import serve as serve_them
    from services.common.settings import Settings

    serve_them(services, host, port, Settings())


@app.command()
def work(
    worker: Annotated[str, typer.Argument(help="Name, such as: projections.")],
) -> None:
    """Run a stream worker. Any number of each may run."""
    from services.cli.serving import work as work_on

    work_on(worker)


@app.command()
def init(
    data: Data = DEFAULT_DATA,
    rebuild_now: Annotated[
        bool, typer.Option("--rebuild", help="Also the read model, where it is declared anew.")
    ] = False,
) -> None:
    """Create topics, tables and the master key where they are missing.

    A read model of another declaration stays as it is, and is read; --rebuild makes it again at
    once, while nothing else runs. With a hub that runs use `throughline rebuild`.
    """
    import asyncio

    from services.cli.hub import hub_settings
    from services.common.setup import initialise

    settings = hub_settings(data)
    asyncio.run(initialise(settings))
    if rebuild_now:
        rebuild.at_start(settings)


@app.command()
def seed(
    workers: Annotated[int, typer.Option(min=1, help="How many people.")] = 500,
    seed: Annotated[int, typer.Option(help="Same seed, same region.")] = 1,
    live: Annotated[bool, typer.Option("--live", help="Go on with a gentle stream.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Straight to Kafka, for benchmarks and millions.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="The hub's address, if it is not here.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Fill the hub with the demo region."""
    from services.cli.hub import hub_settings
    from services.cli.seeding import SeedOrder
    from services.cli.seeding import seed as sow

    sow(hub_settings(data), SeedOrder(workers, seed, live, direct, url, as_json))


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="stories, directory or deliveries.")] = "stories",
    from_start: Annotated[bool, typer.Option("--from-start", help="All there is, first.")] = False,
    count: Annotated[
        int | None, typer.Option("-n", "--count", min=1, help="End after so many.")
    ] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print events as they come. What is sealed stays sealed."""
    import asyncio

    from services.cli.hub import hub_settings
    from services.cli.tail import tail as follow

    settings = hub_settings(data)
    asyncio.run(follow(settings, topic, from_start=from_start, count=count, as_json=as_json))


@app.command()
def doctor(data: Data = DEFAULT_DATA, port: Port = DEFAULT_PORT, as_json: AsJson = False) -> None:
    """Check what a hub needs here, and say how to put right what is wrong."""
    import asyncio

    from services.cli.doctor import Finding, examine
    from services.cli.hub import hub_settings

    findings: list[Finding] = asyncio.run(examine(hub_settings(data), data, port))
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings]))
    else:
        console = _console()
        for finding in findings:
            mark, style = ("ok  ", "green") if finding.ok else ("FAIL", "bold red")
            console.print(mark, style=style, end="  ")
            console.print(f"{finding.name:<12} {finding.found}")
            if finding.fix:
                console.print(f"{'':<19}{finding.fix}", style="yellow")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(Exit.FAILED)


@app.command()
def reset(
    data: Data = DEFAULT_DATA,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete all local data: topics, database, keys."""
    from services.cli.resetting import delete, must_be_ours

    must_be_ours(data)
    if not yes:
        if not sys.stdin.isatty():
            raise Refused("nobody is here to ask; add --yes to delete without asking")
        typer.confirm(f"Delete {data.resolve()} with all events and keys?", abort=True)
    delete(data)
    print(f"Deleted {data.resolve()}.")


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; all when left out.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Say which there are.")] = False,
    scale: Annotated[float, typer.Option(min=0.0001, help="1 is the size of the aims.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Measure, each figure beside what it is compared with."""
    from services.cli import benches

    known = benches.listed()
    if listing:
        print(json.dumps(known) if as_json else _listing(known))
        return
    figures = [figure for one in ([name] if name else known) for figure in benches.run(one, scale)]
    if as_json:
        print("[" + ",\n ".join(figure.model_dump_json() for figure in figures) + "]")
    else:
        from tests.bench.figure import table

        _console().print(table(figures))
    if any(figure.met is False for figure in figures):
        raise typer.Exit(Exit.FAILED)


@app.command()
def faults(
    name: Annotated[str | None, typer.Argument(help="Which one.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Say which there are.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed kills the same things.")] = 1,
    seconds: Annotated[float, typer.Option(min=5, help="How long the storm lasts.")] = 180,
    events: Annotated[
        int | None, typer.Option(min=1_000, help="How many events it lasts, instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill parts of a hub of its own at random, and count what got lost, doubled or leaked."""
    from services.cli import benches

    known = benches.listed_faults()
    if listing or name is None:
        print(json.dumps(known) if as_json else _listing(known))
        return
    report = benches.run_faults(name, seed, seconds, events)
    if as_json:
        print(report.model_dump_json())
    else:
        print(report.model_dump_json(indent=2))
    if report.broken:
        raise typer.Exit(Exit.FAILED)


def _listing(known: dict[str, str]) -> str:
    width = max(map(len, known), default=0)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in known.items())


def _help(name: str) -> bool:
    """Print a command's help; False when there is no such command.

    Typer would import pydantic first, only to read `--help` as true: 0.2 s.
    """
    group = typer.main.get_group(app)
    command = group.commands.get(name)
    if command is not None:
        above = typer.Context(group, info_name="throughline")
        names = app.info.context_settings or {}
        print(command.get_help(typer.Context(command, above, info_name=name, **names)))
    return command is not None


def main() -> None:
    """Run the command; every error of ours ends in one line and a code that says what kind."""
    try:
        match sys.argv[1:]:
            case [name, "-h" | "--help"] if _help(name):
                return
        app()
    except ThroughlineError as error:
        _console(stderr=True).print(f"throughline: {error}", style="red")
        sys.exit(exit_code_of(error))
    except ValueError as error:
        from services.cli.environment import wrong_variable

        told = wrong_variable(error)
        if told is None:
            raise
        _console(stderr=True).print(f"throughline: {told}", style="red")
        sys.exit(Exit.USAGE)


if __name__ == "__main__":
    main()
