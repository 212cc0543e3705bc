"""`throughline schemas`: list the catalogue, check it, register it elsewhere."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.exits import Exit
from services.cli.options import AsJson

if TYPE_CHECKING:
    from services.cli.schema_push import Survey

app = typer.Typer(
    help="List the event types, check them, register them in another registry.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("ls")
def list_them(
    every: Annotated[bool, typer.Option("--all", help="Earlier versions, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the event types: schema id, version, topic, full name."""
    from schemas.catalog import event_types, versions

    found = versions().values() if every else event_types().values()
    rows = [
        {
            "id": one.schema_id,
            "version": one.version,
            "topic": one.topic,
            "subject": one.full_name,
            "doc": one.doc,
        }
        for one in sorted(found, key=lambda one: (one.full_name, one.version))
    ]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("{id:>5}  v{version:<3} {topic:<11} {subject}".format_map(row))


@app.command()
def check() -> None:
    """Check the schemas as `make check` does: rules, compatibility, generated files."""
    from schemas import build
    from schemas.catalog import ROOT, versions
    from schemas.rules import SchemaProblem

    try:
        files = build.build()
    except SchemaProblem as problem:
        sys.stderr.write(f"{problem}\n")
        raise typer.Exit(Exit.FAILED) from problem
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT.parent)} is stale: run `make events`\n")
    if stale:
        raise typer.Exit(Exit.FAILED)
    print(f"{len(versions())} schemas are sound, compatible and fresh.")


@app.command()
def push(
    url: Annotated[str, typer.Argument(help="Confluent's API of the registry.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and write nothing.")] = False,
    token: Annotated[
        str | None, typer.Option(envvar="THROUGHLINE_REGISTRY_TOKEN", help="Bearer token.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register every schema under the same id, and check that each is there.

    Apicurio: give the address that ends in /apis/ccompat/v7.
    """
    from services.cli import schema_push
    from services.cli.remote_registry import RemoteRegistry
    from services.registry.subjects import Registered, by_id

    entries = list(by_id().values())
    remote, done = RemoteRegistry(url, token), 0

    def tell(entry: Registered) -> None:
        nonlocal done
        done += 1
        line = f"{done:>4}  id {entry.id:<5} {entry.subject} version {entry.version}"
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    try:
        found = (
            schema_push.survey(remote, entries)
            if dry_run
            else schema_push.push(remote, entries, tell)
        )
    finally:
        remote.close()
    _report(found, dry_run=dry_run, as_json=as_json)
    if found.taken:
        raise typer.Exit(Exit.REFUSED)


def _report(found: Survey, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        counts = {
            "present": [entry.id for entry in found.present],
            "missing" if dry_run else "registered": [entry.id for entry in found.missing],
            "taken": list(found.taken),
        }
        print(json.dumps(counts))
        return
    for line in found.taken:
        print(line)
    what = "would be registered" if dry_run else "registered"
    print(f"{len(found.missing)} {what}, {len(found.present)} were there already.")
