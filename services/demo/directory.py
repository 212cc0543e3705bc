"""Seeding the directory: organisations and their keys, courses, pathways, real provider lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from services.common.access import Role
from services.demo.client import HubClient, Refused
from services.demo.data import Shipment, open_university, provider_lists
from services.demo.forms import (
    agreement_fields,
    organization_fields,
    pathway_fields,
    plain,
    programme_fields,
)
from services.demo.model import Window, instant
from services.demo.places import COURSES, ORGANIZATIONS, PATHWAYS
from services.demo.state import DemoState

OPEN_UNIVERSITY: Final = "open-university"
_MODULES: Final = {
    "AAA-2013J": "Module AAA, from October 2013",
    "BBB-2013J": "Module BBB, from October 2013",
}
_POLL_S: Final = 0.3
# The imports of a small sample are over well within this.
_IMPORT_PATIENCE_S: Final = 600.0
Say = Callable[[str, int, int], None]


async def register_organizations(hub: HubClient, state: DemoState) -> None:
    """Register everybody, have a key for each, sign what each may send and receive, and wait until
    the hub's readers know them.
    """
    entries = [
        {"organization_id": place.id, **organization_fields(place)} for place in ORGANIZATIONS
    ]
    entries.append(
        {"organization_id": OPEN_UNIVERSITY, "name": "The Open University", "kind": "PROVIDER"}
    )
    for entry in entries:
        organization_id = entry["organization_id"]
        given = {name: value for name, value in entry.items() if value is not None}
        answer = await hub.call("POST", "/v1/organizations", state.operator, body=given)
        if key := answer.get("key"):
            state.keys[organization_id] = key
        elif organization_id not in state.keys:
            path = f"/v1/organizations/{organization_id}/keys"
            state.keys[organization_id] = (await hub.call("POST", path, state.operator))["key"]
        state.save()
        terms = agreement_fields(Role(entry["kind"].lower()))
        terms |= {"organization_id": organization_id, "agreement_id": f"mou-{organization_id}"}
        signed = await hub.call("POST", "/v1/agreements", state.operator, body=terms)
        key, position = state.keys[organization_id], signed["position"]
    await hub.call("GET", f"/v1/grants?after={position}", key)


async def publish_offers(hub: HubClient, state: DemoState, window: Window) -> None:
    """Each provider publishes its courses, each employer its pathways."""
    at = instant(window.since).isoformat()
    offers: dict[str, list[Mapping[str, Any]]] = {}
    for course in COURSES:
        body = _entry("ProgrammePublished", course.provider.id, course.id, at)
        offers.setdefault(course.provider.id, []).append(
            {**body, **plain(programme_fields(course))}
        )
    for pathway in PATHWAYS:
        body = _entry("PathwayPublished", pathway.employer.id, pathway.id, at)
        offers.setdefault(pathway.employer.id, []).append({**body, **pathway_fields(pathway)})
    for course_id, title in _MODULES.items():
        body = _entry("ProgrammePublished", OPEN_UNIVERSITY, course_id, "2013-02-01T00:00:00+00:00")
        offer = {"title": title, "occupations": [], "delivery_method": "ONLINE"}
        offers.setdefault(OPEN_UNIVERSITY, []).append({**body, **offer})
    await asyncio.gather(
        *(hub.post_events(state.keys[who], events) for who, events in offers.items())
    )


def _entry(name: str, organization_id: str, entity_id: str, at: str) -> dict[str, Any]:
    return {
        "type": name,
        "organization_id": organization_id,
        "entity_id": entity_id,
        "version": 1,
        "source_event_id": f"{name}.{entity_id}.1",
        "occurred_at": at,
    }


async def import_real_data(hub: HubClient, state: DemoState, say: Say) -> dict[str, int]:
    """Import the provider lists and the Open University's cohorts; events by import."""
    jobs = [(shipment, state.operator) for shipment in provider_lists()]
    jobs += [(shipment, state.keys[OPEN_UNIVERSITY]) for shipment in open_university()]
    taken: dict[str, int] = {}
    for number, (shipment, key) in enumerate(jobs):
        say("Importing real cohorts and provider lists", number, len(jobs))
        done = await _imported(hub, shipment, key)
        taken[shipment.mapping] = done["events"]["accepted"] + done["events"]["duplicate"]
    say("Importing real cohorts and provider lists", len(jobs), len(jobs))
    return taken


async def _imported(hub: HubClient, shipment: Shipment, key: str) -> dict[str, Any]:
    """Post one file and wait. Raises Refused when the import fails or takes too long."""
    files: dict[str, tuple[str | None, bytes]] = {
        "file": (shipment.file.name, await asyncio.to_thread(shipment.file.read_bytes)),
        "mapping": (None, shipment.mapping.encode()),
    }
    for name, path in shipment.lookups.items():
        files[f"lookup.{name}"] = (path.name, await asyncio.to_thread(path.read_bytes))
    posted = await hub.call("POST", "/v1/imports", key, files=files)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _IMPORT_PATIENCE_S
    while loop.time() < deadline:
        found: dict[str, Any] = await hub.call("GET", posted["self"], key)
        if found["finished_at"] is not None:
            if found["state"] != "done":
                raise Refused(f"import of {shipment.file.name}", 200, str(found["problem"]))
            return found
        await asyncio.sleep(_POLL_S)
    raise Refused(f"import of {shipment.file.name}", 200, "it takes too long")
