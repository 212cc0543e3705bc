"""The demo region's organisations, courses, jobs and pathways. All of them are invented.

Occupations and skills are codes of O*NET, fields of study are CIP codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.common.access import Role
from services.common.emit import HUB


@dataclass(frozen=True, slots=True)
class Organization:
    """Somebody who writes events: an organisation in its role, or one of the two below."""

    id: str
    name: str
    role: Role
    city: str
    postal_code: str

    @property
    def actor_role(self) -> str:
        return self.role.value.upper()


# What the person says about themself, and what the hub's operator says, is not from outside.
SELF: Final = Organization(HUB, "The person", Role.WORKER, "", "")
OPERATOR: Final = Organization(HUB, "Throughline", Role.OPERATOR, "", "")


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of an employer's ladder. A higher level is a higher job."""

    occupation: str
    level: int
    hourly_cents: int


@dataclass(frozen=True, slots=True)
class Employer(Organization):
    """How an employer treats its people, as shares of 1."""

    ladder: tuple[Step, ...]
    weight: int  # how many of the region's jobs it has
    notices: float  # finished courses it takes note of
    keeps: float  # promises it keeps in time
    raises: float  # against the region's usual yearly raise
    quits: float  # against the region's usual turnover


@dataclass(frozen=True, slots=True)
class Course:
    """One course. `leaves` is the share of learners who leave in a month, before anything helps."""

    id: str
    provider: Organization
    title: str
    cip: str
    occupations: tuple[str, ...]
    weeks: int
    hours: int
    tuition: int  # US dollars
    method: str
    credential: str | None
    valid_years: int  # of the credential; 0 is for ever
    skills: tuple[str, ...]
    leaves: float
    passes: float


@dataclass(frozen=True, slots=True)
class Pathway:
    """What an employer promises to who finishes a course."""

    id: str
    employer: Employer
    course: Course
    version: int
    outcome: str
    days: int  # from the day everything is done

    @property
    def title(self) -> str:
        gain = {"INTERVIEW": "an interview", "ROLE": "a higher role", "WAGE_STEP": "more pay"}
        return f"{self.course.title}: {gain[self.outcome]}"

    @property
    def criteria(self) -> list[str]:
        """What must be done, as the events write it."""
        return [f"training:{self.course.id}"]


def _steps(*rungs: tuple[str, int]) -> tuple[Step, ...]:
    return tuple(Step(code, level, cents) for level, (code, cents) in enumerate(rungs, 1))


_PACKER, _BATCH, _LEAD = "51-9111.00", "51-3092.00", "51-1011.00"
_AIDE, _NURSE_AIDE, _LPN, _RN = "31-1121.00", "31-1131.00", "29-2061.00", "29-1141.00"
_STOCKER, _FORKLIFT, _DRIVER, _LOGISTICS = "53-7065.00", "53-7051.00", "53-3032.00", "13-1081.00"
_ASSEMBLER, _MACHINIST, _MECHANIC, _WELDER = "51-2092.00", "51-4041.00", "49-9041.00", "51-4121.00"
_HELPER, _ELECTRICIAN = "47-3013.00", "47-2111.00"
_SERVICE, _SUPPORT, _CLERK, _DEVELOPER = "43-4051.00", "15-1232.00", "43-3031.00", "15-1252.00"

ACME: Final = Employer(
    "acme-foods", "Acme Foods", Role.EMPLOYER, "Millford", "43512",
    ladder=_steps((_PACKER, 1640), (_BATCH, 1835), (_LEAD, 2350), (_LEAD, 2890)),
    weight=26, notices=0.42, keeps=0.58, raises=0.9, quits=1.1,
)  # fmt: skip
LAKESIDE: Final = Employer(
    "lakeside-hospital", "Lakeside Community Hospital", Role.EMPLOYER, "Lakeside", "43440",
    ladder=_steps((_AIDE, 1580), (_NURSE_AIDE, 1790), (_LPN, 2640), (_RN, 3710)),
    weight=24, notices=0.74, keeps=0.81, raises=1.2, quits=0.7,
)  # fmt: skip
TRI_COUNTY: Final = Employer(
    "tri-county-logistics", "Tri-County Logistics", Role.EMPLOYER, "Harlan", "43533",
    ladder=_steps((_STOCKER, 1710), (_FORKLIFT, 1960), (_DRIVER, 2480), (_LOGISTICS, 3320)),
    weight=18, notices=0.31, keeps=0.49, raises=0.8, quits=1.5,
)  # fmt: skip
NORTHGATE: Final = Employer(
    "northgate-works", "Northgate Works", Role.EMPLOYER, "Northgate", "43521",
    ladder=_steps((_ASSEMBLER, 1780), (_WELDER, 2210), (_MACHINIST, 2460), (_MECHANIC, 2930)),
    weight=16, notices=0.55, keeps=0.66, raises=1.0, quits=0.9,
)  # fmt: skip
SUMMIT: Final = Employer(
    "summit-electric", "Summit Electric Cooperative", Role.EMPLOYER, "Millford", "43512",
    ladder=_steps((_HELPER, 1890), (_ELECTRICIAN, 2780), (_ELECTRICIAN, 3240)),
    weight=7, notices=0.83, keeps=0.9, raises=1.3, quits=0.5,
)  # fmt: skip
BRIGHTWAY: Final = Employer(
    "brightway-services", "Brightway Services", Role.EMPLOYER, "Harlan", "43533",
    ladder=_steps((_SERVICE, 1610), (_CLERK, 1920), (_SUPPORT, 2380), (_DEVELOPER, 3860)),
    weight=9, notices=0.24, keeps=0.37, raises=0.7, quits=1.3,
)  # fmt: skip
EMPLOYERS: Final = (ACME, LAKESIDE, TRI_COUNTY, NORTHGATE, SUMMIT, BRIGHTWAY)

RIVER: Final = Organization("river-college", "River College", Role.PROVIDER, "Millford", "43512")
VALLEY: Final = Organization(
    "valley-technical", "Valley Technical Institute", Role.PROVIDER, "Northgate", "43521"
)
HARBOR: Final = Organization(
    "harbor-adult-school", "Harbor Adult School", Role.PROVIDER, "Lakeside", "43440"
)
TRADES: Final = Organization(
    "trades-training-center", "Trades Training Center", Role.PROVIDER, "Harlan", "43533"
)
PROVIDERS: Final = (RIVER, VALLEY, HARBOR, TRADES)

WORKFORCE_BOARD: Final = Organization(
    "tri-county-workforce-board", "Tri-County Workforce Board", Role.AGENCY, "Millford", "43512"
)
LABOR_OFFICE: Final = Organization(
    "state-labor-office", "State Labor Office", Role.AGENCY, "Columbia Falls", "43215"
)
AGENCIES: Final = (WORKFORCE_BOARD, LABOR_OFFICE)

ORGANIZATIONS: Final[tuple[Organization, ...]] = (*EMPLOYERS, *PROVIDERS, *AGENCIES)

_COOPERATE, _SERVE, _INSTRUCT = "onet:2.B.1.b", "onet:2.B.1.f", "onet:2.B.1.e"
_OPERATE, _MONITOR, _QUALITY = "onet:2.B.3.h", "onet:2.B.3.g", "onet:2.B.3.m"
_REPAIR, _MAINTAIN, _TROUBLESHOOT = "onet:2.B.3.l", "onet:2.B.3.j", "onet:2.B.3.k"
_LISTEN, _READ, _MATH, _PROGRAM = "onet:2.A.1.b", "onet:2.A.1.a", "onet:2.A.1.e", "onet:2.B.3.e"
_TIME, _PEOPLE, _INSTALL = "onet:2.B.5.a", "onet:2.B.5.d", "onet:2.B.3.d"

FOOD_SAFETY: Final = Course(
    "rc-food-safety-2", RIVER, "Food safety, level 2", "01.1002", (_BATCH, _PACKER), 8, 48, 480,
    "HYBRID", "Food safety certificate, level 2", 3, (_QUALITY, _MONITOR), 0.05, 0.88,
)  # fmt: skip
SHIFT_LEAD: Final = Course(
    "rc-shift-lead", RIVER, "Leading a shift", "52.0205", (_LEAD,), 16, 96, 1150,
    "HYBRID", "Shift lead certificate", 0, (_PEOPLE, _TIME, _INSTRUCT), 0.07, 0.84,
)  # fmt: skip
FORKLIFT: Final = Course(
    "tc-forklift", TRADES, "Forklift safety", "49.0209", (_FORKLIFT,), 4, 24, 290,
    "IN_PERSON", "Forklift operator card", 3, (_OPERATE, _COOPERATE), 0.03, 0.93,
)  # fmt: skip
COURSES: Final = (
    FOOD_SAFETY,
    SHIFT_LEAD,
    Course("rc-bookkeeping", RIVER, "Bookkeeping", "52.0302", (_CLERK,), 24, 180, 2100,
           "ONLINE", "Bookkeeping certificate", 0, (_MATH, _READ), 0.11, 0.76),
    Course("rc-nursing-lpn", RIVER, "Practical nursing", "51.3901", (_LPN,), 44, 1200, 9800,
           "IN_PERSON", "Practical nurse licence", 2, (_SERVE, _LISTEN, _MONITOR), 0.045, 0.82),
    Course("vt-welding", VALLEY, "Welding", "48.0508", (_WELDER,), 30, 600, 5200,
           "IN_PERSON", "Welder qualification", 2, (_OPERATE, _QUALITY), 0.06, 0.81),
    Course("vt-cnc", VALLEY, "Machining on CNC tools", "48.0501", (_MACHINIST,), 36, 640, 6100,
           "IN_PERSON", "CNC operator certificate", 0, (_OPERATE, _MONITOR, _MATH), 0.065, 0.79),
    Course("vt-maintenance", VALLEY, "Industrial maintenance", "47.0303", (_MECHANIC,), 40, 760,
           6900, "HYBRID", "Maintenance certificate", 0, (_REPAIR, _MAINTAIN), 0.06, 0.8),
    Course("ha-nurse-aide", HARBOR, "Nurse aide", "51.3902", (_NURSE_AIDE, _AIDE), 10, 120, 900,
           "IN_PERSON", "Nurse aide registration", 2, (_SERVE, _LISTEN), 0.05, 0.9),
    Course("ha-english-work", HARBOR, "English at work", "32.0109", (_SERVICE, _PACKER), 20, 120, 0,
           "HYBRID", None, 0, (_LISTEN, _READ), 0.12, 0.85),
    Course("ha-it-support", HARBOR, "IT support", "11.1006", (_SUPPORT,), 26, 260, 1900,
           "ONLINE", "IT support certificate", 3, (_TROUBLESHOOT, _LISTEN), 0.13, 0.74),
    Course("ha-web", HARBOR, "Web development", "11.0801", (_DEVELOPER,), 32, 420, 3400,
           "ONLINE", None, 0, (_PROGRAM, _TROUBLESHOOT), 0.15, 0.69),
    FORKLIFT,
    Course("tc-truck", TRADES, "Truck driving", "49.0205", (_DRIVER,), 7, 160, 4300,
           "IN_PERSON", "Commercial driving licence", 0, (_OPERATE, _MAINTAIN), 0.06, 0.83),
    Course("tc-electric", TRADES, "Electrician, first year", "46.0302", (_ELECTRICIAN, _HELPER),
           42, 576, 2400, "HYBRID", "Electrician year 1", 0, (_INSTALL, _TROUBLESHOOT), 0.04, 0.86),
)  # fmt: skip
_COURSE: Final = {course.id: course for course in COURSES}


def _pathway(employer: Employer, course: str, outcome: str, days: int) -> Pathway:
    return Pathway(f"{employer.id}.{course}", employer, _COURSE[course], 1, outcome, days)


PATHWAYS: Final = (
    _pathway(ACME, "rc-food-safety-2", "WAGE_STEP", 30),
    _pathway(ACME, "rc-shift-lead", "INTERVIEW", 30),
    _pathway(ACME, "ha-english-work", "WAGE_STEP", 45),
    _pathway(LAKESIDE, "ha-nurse-aide", "ROLE", 60),
    _pathway(LAKESIDE, "rc-nursing-lpn", "ROLE", 90),
    _pathway(TRI_COUNTY, "tc-forklift", "WAGE_STEP", 30),
    _pathway(TRI_COUNTY, "tc-truck", "INTERVIEW", 21),
    _pathway(NORTHGATE, "vt-welding", "INTERVIEW", 30),
    _pathway(NORTHGATE, "vt-cnc", "ROLE", 60),
    _pathway(NORTHGATE, "vt-maintenance", "WAGE_STEP", 45),
    _pathway(SUMMIT, "tc-electric", "WAGE_STEP", 30),
    _pathway(BRIGHTWAY, "ha-it-support", "INTERVIEW", 30),
    _pathway(BRIGHTWAY, "rc-bookkeeping", "ROLE", 60),
)
# By course: an employer's promise goes with the course that earns it.
PROMISED: Final = {
    course.id: tuple(p for p in PATHWAYS if p.course is course) for course in COURSES
}
# Courses that lead somewhere at an employer, and how often its people take them.
TAKEN_AT: Final = {
    employer.id: tuple(
        course
        for course in COURSES
        if {step.occupation for step in employer.ladder} & set(course.occupations)
    )
    for employer in EMPLOYERS
}
