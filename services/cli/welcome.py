"""What `throughline up` says once all is well: where everything is, and a story to follow."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from services.cli.seeding import receiver_url

if TYPE_CHECKING:
    from rich.console import Console

    from services.launcher.supervisor import Up

STORY = (
    "Open Rosa (the worker's link). Acme Foods asks to see part of her record.",
    "Say yes to Acme Foods: tick what they may see, for three months.",
    'Open River College (the provider\'s link) and press "Rosa Martinez finishes".',
    "Watch Acme Foods' team page (the employer's link): the course shows up within seconds.",
    'As Rosa, open "Who sees it" and stop sharing. Acme Foods gets nothing from then on.',
)


def links(found: Up) -> dict[str, str]:
    """One for each kind of user of the demo region, and what the employers' systems were told."""
    mine = {
        "worker": f"{found.url}/demo?as=rosa",
        "employer": f"{found.url}/demo?as=acme-foods",
        "provider": f"{found.url}/demo?as=river-college",
        "agency": f"{found.url}/outcomes",
        "operator": f"{found.url}/demo?as=operator",
        "developers": f"{found.url}/events",
    }
    if receiver := receiver_url(found.data):
        mine["receiver"] = receiver
    return mine


def as_dict(found: Up) -> dict[str, Any]:
    """For `--json`."""
    told = asdict(found)
    return told | {"links": links(found), "story": STORY} if found.demo else told


def welcome(console: Console, found: Up) -> None:
    lines = {
        "Pages and API": found.url,
        "API reference": f"{found.url}/api",
        "Kafka": found.kafka,
        "Data and logs": found.data,
    }
    console.print()
    console.print(
        f"Throughline is up ({found.started_s:g} s). Ctrl-C stops it.", style="bold green"
    )
    if found.demo:
        lines |= {name.capitalize(): link for name, link in links(found).items()}
    for name, value in lines.items():
        console.print(f"  {name:<14} {value}")
    if found.demo:
        console.print()
        for number, step in enumerate(STORY, 1):
            console.print(f"  {number}. {step}")
