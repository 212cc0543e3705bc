"""Real data that comes with the demo: what to post to `/v1/imports`, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Shipment:
    """One import: a file, the mapping that the hub has for it, and its lookup tables."""

    file: Path
    mapping: str
    lookups: Mapping[str, Path] = field(default_factory=dict)
    source: str = ""  # to show wherever the data are shown


_OULAD = "Open University Learning Analytics Dataset, Kuzilek et al. 2017, CC BY 4.0"
_TEXAS = "Texas Workforce Commission, Eligible Training Provider list, 2024-03-20"
_NEW_JERSEY = "State of New Jersey, training providers, 2021-03-05"


def open_university(root: Path = ROOT / "oulad") -> tuple[Shipment, ...]:
    """Enrolments, results and marks. Post them with a key of provider `open-university`."""
    return (
        Shipment(root / "studentRegistration.csv", "oulad-registrations", source=_OULAD),
        Shipment(
            root / "studentInfo.csv",
            "oulad-results",
            {"courses": root / "courses.csv"},
            _OULAD,
        ),
        Shipment(
            root / "studentAssessment.csv",
            "oulad-assessments",
            {"assessments": root / "assessments.csv"},
            _OULAD,
        ),
    )


def provider_lists() -> tuple[Shipment, ...]:
    """Training providers and programmes. Post them with an operator's key."""
    return (
        Shipment(ROOT / "etpl" / "texas.csv", "texas-etpl", source=_TEXAS),
        Shipment(ROOT / "etpl" / "new-jersey.csv", "new-jersey-providers", source=_NEW_JERSEY),
    )
