"""The demo: signing in as somebody of the region, and a school's page that ends courses.

All of it answers 404 where the demo is off.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from services.common.access import Principal, Role
from services.common.clock import utc_now
from services.common.errors import Problem, not_found
from services.portal.calls import ingest_url, is_read, send
from services.portal.entry import start
from services.portal.reading import name_of
from services.portal.store import Row
from services.portal.web import HOME, SCHOOL, Visit
from services.portal.words import readable

PEOPLE = 8
ORGANIZATIONS = 6
OPERATOR = "demo-operator"
# What the button of a role sends.
_FIELDS = {
    Role.WORKER: "worker_id",
    Role.EMPLOYER: "employer",
    Role.PROVIDER: "school",
    Role.OPERATOR: "role",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody whom the demo page lists."""

    role: Role
    subject: str  # the worker's id as text, or the organisation's id
    name: str

    @property
    def field(self) -> str:
        return _FIELDS[self.role]

    @property
    def value(self) -> str:
        return self.role.value if self.role is Role.OPERATOR else self.subject

    @property
    def short(self) -> str:
        """What `/demo?as=` calls it: a person's first name, an organisation's id, `operator`."""
        return self.name.split()[0].lower() if self.role is Role.WORKER else self.value


async def demo_page(visit: Visit) -> Response:
    """Somebody to sign in as: the one that the address names, or a few to choose from."""
    _demo_only(visit)
    choices = await _choices(visit)
    wanted = visit.request.query_params.get("as")
    one = next((choice for choice in choices if choice.short == wanted), None)
    return visit.render("demo.html", one=one, choices=choices)


async def demo_sign_in(visit: Visit) -> Response:
    """Sign in as one of those whom the demo page lists. Raises Problem 404 for anyone else."""
    _demo_only(visit)
    form = await visit.form()
    chosen = [one for one in await _choices(visit) if form.get(one.field) == one.value]
    if not chosen:
        raise not_found("demo person")
    who = Principal(chosen[0].role, chosen[0].subject, "")
    return await start(visit, visit.go(HOME.get(who.role, SCHOOL)), who, remember=False)


async def courses_page(visit: Visit) -> Response:
    """The courses at this school that people of the demo page have not ended."""
    _demo_only(visit)
    if visit.session is None:
        return visit.go("/demo")
    school = _school(visit)
    names = await visit.portal.store.names([school])
    running = await _running(visit, school)
    return visit.render(
        "demo_courses.html",
        school=names.get(school) or readable(school),
        courses=[(row, await _display_name(visit, row["worker_id"])) for row in running],
        readable=readable,
        was_finished=visit.request.query_params.get("finished") is not None,
    )


async def finish(visit: Visit) -> Response:
    """Tell `ingest`, as the school's own system would, that a person passed a course."""
    _demo_only(visit)
    form = await visit.form()
    running = await _running(visit, _school(visit))
    sent = form.get("worker_id"), form.get("enrolment_id")
    course = next((c for c in running if (str(c["worker_id"]), c["enrolment_id"]) == sent), None)
    if course is None:  # it was ended since the page was made
        return visit.go(SCHOOL)
    answered = await send(visit, f"{ingest_url(visit)}/v1/events", _completed(course))
    if not answered.is_success:
        raise Problem(422, "invalid", "The end of the course was not noted.")
    await is_read(visit, answered.json()["position"])
    return visit.go(f"{SCHOOL}?finished=1")


def _completed(course: Row) -> dict[str, str]:
    return {
        "type": "TrainingCompleted",
        "source_event_id": f"{course['enrolment_id']}.finished",
        "occurred_at": utc_now().isoformat(),
        "actor_id": "office",
        "worker_id": str(course["worker_id"]),
        "enrolment_id": course["enrolment_id"],
        "course_id": course["course_id"],
        "provider_id": course["provider_id"],
        "result": "PASSED",
    }


def _demo_only(visit: Visit) -> None:
    if not visit.demo:
        raise not_found("page")


def _school(visit: Visit) -> str:
    """The id of the school that is signed in. Raises Problem 403 for anyone else."""
    if visit.session is None or visit.session.role is not Role.PROVIDER:
        raise Problem(403, "other-role", "You are signed in as somebody else.")
    return visit.session.subject


async def _running(visit: Visit, school: str) -> list[Row]:
    store = visit.portal.store
    return await store.demo_courses(school, await store.demo_people(PEOPLE))


async def _choices(visit: Visit) -> list[Choice]:
    """Everybody on the demo page, in its order."""
    store = visit.portal.store
    people = await store.demo_people(PEOPLE)
    return [
        *[Choice(Role.WORKER, str(one), await _display_name(visit, one)) for one in people],
        *[Choice(Role.EMPLOYER, *one) for one in await store.demo_employers(ORGANIZATIONS)],
        *[Choice(Role.PROVIDER, *one) for one in await store.demo_schools(people, ORGANIZATIONS)],
        Choice(Role.OPERATOR, OPERATOR, visit.t.gettext("the operator")),
    ]


async def _display_name(visit: Visit, worker_id: UUID) -> str:
    """The person's name, opened; a short code when it has no key."""
    name = await name_of(visit.state.keyring, visit.portal.store, worker_id)
    return name or str(worker_id)[-6:]
