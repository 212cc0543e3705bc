"""`throughline topics`: let providers write to topics of their own."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.exits import NotFound
from services.cli.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from services.common.settings import Settings
    from services.ingest.sources.provider_access import Credentials, ProviderAccess

app = typer.Typer(
    help="Let providers write to topics of their own.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Organization = Annotated[str, typer.Argument(help="The organisation's id, such as river-college.")]


@app.command()
def grant(organization: Organization, as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """Make the organisation's topics, user and access; print its new password, once."""
    import asyncio

    from services.cli.hub import hub_settings

    settings = hub_settings(data)
    asyncio.run(_must_take_part(settings, organization))
    made = _access(settings).grant(organization)
    if as_json:
        print(json.dumps(asdict(made) | {"client": made.client_config()}))
    else:
        print(_in_words(made))


@app.command()
def revoke(
    organization: Organization,
    delete_topics: Annotated[
        bool, typer.Option("--delete-topics", help="What is in them is lost.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Take the organisation's user and access away; what it sent already stays."""
    from services.cli.hub import hub_settings

    _access(hub_settings(data)).revoke(organization, delete_topics=delete_topics)
    print(f"{organization} may write and read nothing more.")


@app.command("ls")
def list_them(as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """List providers' topics: records sent, waiting to be read, given back, and removed unread."""
    from services.cli.hub import hub_settings

    found = _access(hub_settings(data)).standings()
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
        return
    print(f"{'organisation':<40} {'sent':>12} {'waiting':>10} {'rejects':>10} {'lost':>10}")
    for one in found:
        counts = f"{one.waiting:>10,} {one.rejects:>10,} {one.lost:>10,}"
        print(f"{one.organization_id:<40} {one.sent:>12,} {counts}")


def _access(settings: Settings) -> ProviderAccess:
    from services.ingest.sources.provider_access import ProviderAccess
    from services.ingest.sources.settings import ProviderTopicSettings

    return ProviderAccess(settings, ProviderTopicSettings())


async def _must_take_part(settings: Settings, organization_id: str) -> None:
    """Raises NotFound for an organisation that is not registered."""
    from services.common.postgres import open_pool

    query = "SELECT EXISTS (SELECT FROM vault.access_key WHERE subject = $1 AND role <> 'worker')"
    async with open_pool(settings, most=1) as pool:
        if not await pool.fetchval(query, organization_id):
            fix = "Register it first: POST /v1/organizations."
            raise NotFound(f"there is no organisation {organization_id!r}. {fix}")


def _in_words(made: Credentials) -> str:
    lines = "\n".join(f"{name}={value}" for name, value in made.client_config().items())
    return f"""\
# {made.organization_id} may write {made.topic} and read {made.rejects}.
# Consumer groups must begin with {made.group_prefix} The password is shown this once.
{lines}"""
