"""`throughline import`: look at a CSV file, send it, follow it, and save what was refused."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.exits import Exit, NotFound, Refused
from services.cli.options import AsJson

app = typer.Typer(
    help="Look at CSV files, and import them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
File = Annotated[Path, typer.Argument(help="The CSV file.")]
Url = Annotated[str, typer.Option(envvar="THROUGHLINE_URL", help="The hub's address.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="File with the key; else THROUGHLINE_KEY.")
]
_LOCAL = "http://127.0.0.1:8080"
_LINE_EVERY_S = 5.0  # where there is no terminal


@app.command()
def inspect(
    file: File,
    event_type: Annotated[str | None, typer.Option("--type", help="What it is to become.")] = None,
    role: Annotated[str, typer.Option(help="Whose file: employer, provider, agency.")] = "provider",
    save: Annotated[Path | None, typer.Option(help="Where to write the proposed mapping.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how a file is written and what it holds, and propose a mapping. Sends nothing."""
    from services.common.access import Role
    from services.ingest.imports.inspection import inspected

    if role not in set(Role):
        raise Refused(f"{role!r} is not a role; there are {', '.join(Role)}")
    found = inspected(_there(file), None, Role(role), event_type)
    proposal = found["proposal"]
    if save is not None:
        if save.exists():
            raise Refused(f"{save} is there already; name another file")
        save.write_text(proposal["mapping"], encoding="utf-8")
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    _print_found(found)
    place = f"The proposed mapping is in {save}." if save is not None else proposal["mapping"]
    print(f"\n{place}")
    if proposal["open"]:
        print(f"To be chosen before it can be used: {', '.join(proposal['open'])}.")


@app.command()
def run(
    file: File,
    mapping: Annotated[str, typer.Option(help="A mapping's file, or the name of the hub's own.")],
    lookup: Annotated[list[str] | None, typer.Option(help="A table: name=FILE.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and write nothing.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(help="Where refused rows go; FILE.rejected.csv when left out.")
    ] = None,
    url: Url = _LOCAL,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a file and follow it to its end. Ends with 6 when rows were refused, which are saved."""
    from services.cli.import_client import ImportClient

    tables = dict(_pair(entry) for entry in lookup or [])
    target = rejected or file.with_name(f"{file.stem}.rejected.csv")
    with ImportClient(url, _key(key_file)) as hub:
        started = hub.send(_there(file), mapping, tables, dry_run=dry_run)
        with _showing() as show:
            account = hub.follow(started["self"], show)
        refused = account["rows"]["refused"]
        if refused:
            hub.save_rejected(account, target)
    print(json.dumps(account, ensure_ascii=False) if as_json else _told(account, target))
    if account["state"] != "done":
        raise typer.Exit(Exit.FAILED)
    if refused:
        raise typer.Exit(Exit.PARTLY)


@app.command("list")
def list_imports(
    url: Url = _LOCAL,
    key_file: KeyFile = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """The organisation's imports, newest first."""
    from services.cli.import_client import ImportClient

    with ImportClient(url, _key(key_file)) as hub:
        found = hub.page(limit)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    for job in [] if as_json else found:
        rows = f"{job['rows']['read']:,} rows, {job['rows']['refused']:,} refused"
        print(f"{job['id']}  {job['state']:<9} {job['progress']:>4.0%}  {rows}  {job['file']}")


@app.command()
def cancel(
    import_id: Annotated[str, typer.Argument(help="Its id.")],
    url: Url = _LOCAL,
    key_file: KeyFile = None,
) -> None:
    """End an import, and delete what the hub keeps of its rows. What is on the log stays there."""
    from services.cli.import_client import ImportClient

    with ImportClient(url, _key(key_file)) as hub:
        hub.cancel(import_id)
    print(f"Ended {import_id}; nothing is kept of its rows.")


def _there(file: Path) -> Path:
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    return file


def _pair(entry: str) -> tuple[str, Path]:
    name, equals, path = entry.partition("=")
    if not equals:
        raise Refused(f"--lookup {entry}: write it as name=FILE")
    return name, _there(Path(path))


def _key(key_file: Path | None) -> str:
    key = _there(key_file).read_text() if key_file else os.environ.get("THROUGHLINE_KEY", "")
    if not key.strip():
        raise Refused("name a file with the hub's key: --key-file, or set THROUGHLINE_KEY")
    return key.strip()


Show = Callable[[dict[str, Any]], None]


@contextmanager
def _showing() -> Iterator[Show]:
    """A bar on a terminal, a line now and then elsewhere; on stderr, so that JSON stays whole."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("importing", total=1.0)
            yield lambda a: bar.update(task, completed=a["progress"], description=_speed(a))
        return
    last = [0.0]

    def line(account: dict[str, Any]) -> None:
        if time.monotonic() - last[0] >= _LINE_EVERY_S:
            last[0] = time.monotonic()
            print(f"{account['progress']:.0%} {_speed(account)}", file=sys.stderr, flush=True)

    yield line


def _speed(account: dict[str, Any]) -> str:
    left = account["seconds_left"]
    speed = f", {account['rows_per_s']:,.0f} rows/s" if account["rows_per_s"] else ""
    return f"{account['rows']['read']:,} rows{speed}" + (f", {left:,.0f} s left" if left else "")


def _told(account: dict[str, Any], target: Path) -> str:
    rows = account["rows"]
    would = "would be " if account["dry_run"] else ""
    said = [f"{account['state']}: {rows['read']:,} rows read" + _why(account)]
    said += [f"  {n:>9,} {would}{name}" for name, n in rows.items() if name != "read" and n]
    said += [f"  {n:>9,} {name} events" for name, n in account["accepted_by_type"].items()]
    if people := account.get("people"):
        said.append(f"  people: {people['known']:,} known, {people['new']:,} new")
    for reason in account.get("reasons", []):
        lines = ", ".join(map(str, reason["first_lines"]))
        place = f"{reason['column_name']} {reason['reason']}".strip()
        said.append(f"  {reason['rows']:>9,} {reason['severity']}: {place} (lines {lines})")
        said.append(f"            {reason['fix']}" if reason["fix"] else "")
    if rows["refused"]:
        said.append(f"The refused rows are in {target}. Correct them there and send that file.")
    return "\n".join(line for line in said if line)


def _why(account: dict[str, Any]) -> str:
    return f". {account['problem']}" if account["problem"] else ""


def _print_found(found: dict[str, Any]) -> None:
    encoding = found["encoding"]
    print(f"encoding   {encoding['name']} ({encoding['sure']}: {encoding['why']})")
    print(f"delimiter  {found['delimiter']!r}, quotes {found['quote']}")
    whole = "all" if found["whole_file"] else "the first"
    print(
        f"rows       {found['rows_read']:,} looked at ({whole}), {found['unreadable_rows']:,} bad"
    )
    width = max(len(column["name"]) for column in found["columns"])
    for column in found["columns"]:
        more = f", {column['empty']:.0%} empty" if column["empty"] else ""
        shown = " | ".join(column["examples"])
        kind = " or ".join(column.get("formats", [])) or column["type"]
        print(f"  {column['name']:<{width}}  {kind}{more}, {column['distinct']:,} values: {shown}")
        if "ambiguous" in column:
            print(f"  {'':<{width}}  ! {column['ambiguous']}")
