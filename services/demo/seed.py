"""Seeding a hub through its HTTP API: everybody writes with their own key, as in life.

A second run sends the same events with the same numbers, so the hub answers that it has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.common.access import Role
from services.common.ids import derived_id
from services.demo.cast import NAMES
from services.demo.client import HubClient, Refused, together
from services.demo.directory import Say, import_real_data, publish_offers, register_organizations
from services.demo.figures import write_truth
from services.demo.forms import flat
from services.demo.model import Life, Sharing
from services.demo.places import ACME, EMPLOYERS, Organization
from services.demo.region import BLOCK, Region, Told
from services.demo.releases import publish_releases
from services.demo.state import DemoState, Person, SeededRegion
from services.demo.truth import Truth

# Events of one author in one request. When one author has so many, everybody's are sent, so that
# the log has the region's events nearly in the order of time.
BATCH: Final = 500
_EVENTS_OF_A_LIFE: Final = 33  # on average; for the progress alone
_SHARED: Final = ("training", "skill", "credential", "promise")
# What Acme Foods asks Rosa for. With the name, its team page says who has waited.
_ASKED: Final = ("identity", "training", "skill", "promise")
TRUTH_FILE: Final = "truth.json"


@dataclass(slots=True)
class Seeded:
    """What a run of seed did."""

    workers: int = 0
    events: Counter[str] = field(default_factory=Counter)  # accepted, duplicate, conflict, …
    grants: int = 0
    releases: list[str] = field(default_factory=list)  # program years published now
    imported: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "workers": self.workers,
            "events": dict(self.events),
            "grants": self.grants,
            "releases": self.releases,
            "imported": self.imported,
        }


async def seed(
    hub: HubClient,
    state: DemoState,
    region: Region,
    say: Say,
    *,
    receiver_url: str | None = None,
    real_data: bool = True,
) -> Seeded:
    """Fill a hub with a region and the real data that ships with it.

    state: holds the operator's key already; other keys and tokens are added as they are made.
    receiver_url: where employers want their updates; None for no connections.
    Raises Refused, and DependencyDown when the hub stays away.
    """
    seeding = _Seeding(hub, state, region, say)
    await register_organizations(hub, state)
    await publish_offers(hub, state, region.window)
    if receiver_url is not None:
        await _connect_employers(hub, state, receiver_url)
    if real_data:
        seeding.done.imported = await import_real_data(hub, state, say)
    truth = Truth(region.window)
    for start in range(0, region.workers, BLOCK):
        await seeding.block(start, min(start + BLOCK, region.workers), truth)
    await _ask_rosa(hub, state, seeding.known)
    now = datetime.now(UTC)
    seeding.done.releases = await publish_releases(hub, state, region.window, now=now)
    write_truth(truth, state.path.with_name(TRUTH_FILE))
    seeding.known.done = True
    seeding.known.workers = max(seeding.known.workers, region.workers)
    state.save()
    return seeding.done


async def _connect_employers(hub: HubClient, state: DemoState, receiver_url: str) -> None:
    """A webhook for each employer, once: its secret is shown once, too."""
    for employer in EMPLOYERS:
        if employer.id in state.secrets:
            continue
        order = {
            "connector": "webhook",
            "url": f"{receiver_url}/hooks/{employer.id}",
            "categories": list(_SHARED),
            "purpose": "advancement",
        }
        answer = await hub.call("POST", "/v1/connections", state.keys[employer.id], body=order)
        state.secrets[employer.id] = answer["secret"]
        state.save()


async def _ask_rosa(hub: HubClient, state: DemoState, known: SeededRegion) -> None:
    """Acme Foods asks Rosa to share; she has not answered."""
    rosa = known.people.get(str(NAMES["rosa"]))
    expires_at = known.ends_at + timedelta(days=60)
    if rosa is None or expires_at < datetime.now(UTC):
        return
    order = {
        "request_id": str(derived_id("demo request", rosa.worker_id, *_ASKED)),
        "worker_id": rosa.worker_id,
        "categories": list(_ASKED),
        "purposes": ["advancement"],
        "expires_at": expires_at.isoformat(),
    }
    await hub.call("POST", "/v1/access-requests", state.keys[ACME.id], body=order)


class _Seeding:
    """One run over one region."""

    def __init__(self, hub: HubClient, state: DemoState, region: Region, say: Say) -> None:
        self._hub = hub
        self._state = state
        self._region = region
        self._say = say
        self.known = state.region(region.seed, region.until)
        self.done = Seeded()
        self._wordings: dict[str, str] = {}
        self._sent = 0

    async def block(self, start: int, stop: int, truth: Truth) -> None:
        """People, then their events in the order of time, then what they share."""
        lives = list(self._region.lives(start, stop))
        # The cast comes first, one by one: the demo page lists people in the order they came.
        cast = [life for life in lives if life.index < len(NAMES)]
        for life in cast:
            await self._register(life)
        await together(self._register(life) for life in lives[len(cast) :])
        self._state.save()
        await self._tell(list(self._region.told(start, stop, truth=truth)))
        await together(self._share(life) for life in lives if life.sharing)

    async def _register(self, life: Life) -> None:
        """Register a person, and take the record up in the person's name if they would."""
        person = self.known.people.get(str(life.index))
        if person is None or (person.token is None and life.claimed):
            body = {
                "source_record_id": life.code,
                "display_name": life.name,
                "contact_email": life.email,
                "language": life.language,
            }
            answer = await self._hub.call("POST", "/v1/workers", self._state.operator, body=body)
            named = life.index < len(NAMES)
            person = Person(answer["worker_id"], name=life.name if named else None)
            code = answer["claim_code"]
            if life.claimed and code is not None:
                claim = await self._hub.call("POST", "/v1/claims", body={"code": code})
                person.token = claim["token"]
            self.known.people[str(life.index)] = person
        self.done.workers += 1
        self._say("Registering people", self.done.workers, self._region.workers)

    async def _tell(self, story: Sequence[Told]) -> None:
        waiting: dict[str, list[dict[str, Any]]] = {}
        for told in story:
            if told.happening.event_type == "WorkerRegistered":
                continue
            person = self.known.people[str(told.life.index)]
            token = self._token(told.happening.author, person)
            if token is None:
                self.done.events["untold"] += 1  # only the person could say it
                continue
            body = flat(told.happening, UUID(person.worker_id), told.sent_id)
            waiting.setdefault(token, []).append(body)
            if len(waiting[token]) >= BATCH:
                await self._send(waiting)
        await self._send(waiting)

    def _token(self, author: Organization, person: Person) -> str | None:
        if author.role is Role.WORKER:
            return person.token
        return self._state.operator if author.role is Role.OPERATOR else self._state.keys[author.id]

    async def _send(self, waiting: dict[str, list[dict[str, Any]]]) -> None:
        await together(self._post(token, events) for token, events in waiting.items())
        waiting.clear()

    async def _post(self, token: str, events: Sequence[dict[str, Any]]) -> None:
        self.done.events += await self._hub.post_events(token, events)
        self._sent += len(events)
        total = max(self._sent, self._region.workers * _EVENTS_OF_A_LIFE)
        self._say("Telling their stories", self._sent, total)

    async def _share(self, life: Life) -> None:
        """Give the grants that the person would, unless they have run out since."""
        person = self.known.people[str(life.index)]
        if person.token is None:
            return
        for sharing in life.sharing:
            until = self._region.until + timedelta(days=30 * sharing.months)
            if until > datetime.now(UTC):
                await self._grant(life, person, sharing, until)
                self.done.grants += 1
                self._say("Agreeing to share", self.done.grants, self.done.grants)

    async def _grant(self, life: Life, person: Person, sharing: Sharing, until: datetime) -> None:
        order = {
            "grant_id": str(derived_id("demo grant", person.worker_id, sharing.recipient.id)),
            "recipient_id": sharing.recipient.id,
            "categories": list(sharing.categories),
            "purposes": list(sharing.purposes),
            "valid_until": until.isoformat(),
            "wording_version": await self._wording(life.language),
            "wording_language": life.language,
        }
        try:
            await self._hub.call("POST", "/v1/grants", person.token, body=order)
        except Refused as refused:
            if refused.status != 409:  # withdrawn since, by hand
                raise

    async def _wording(self, language: str) -> str:
        """The newest words that are shown before a grant in a language."""
        if language not in self._wordings:
            path = f"/v1/consent-wording?language={language}"
            listed = (await self._hub.call("GET", path))["wordings"]
            self._wordings[language] = max(entry["version"] for entry in listed)
        return self._wordings[language]
