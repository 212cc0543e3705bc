"""What a fault run found: counts, and whether each rule held."""

from __future__ import annotations

from pydantic import BaseModel


class Report(BaseModel):
    """Zero is the only good number among the broken rules."""

    name: str
    seed: int
    seconds: float
    events: int
    sharing: int
    withdrawn: int
    kills: dict[str, int]
    crashed_by_themselves: dict[str, int]
    messages: int
    repeated_messages: int  # at least once: allowed, under the same id
    recovered_after_s: float
    # The rules:
    lost: int
    doubled: int
    undelivered: int
    without_consent: int
    out_of_order: int
    badly_signed: int
    unhealthy: list[str]

    @property
    def broken(self) -> dict[str, int | list[str]]:
        """The rules that did not hold, with how often."""
        rules = ("lost", "doubled", "undelivered", "without_consent", "out_of_order")
        found = {name: getattr(self, name) for name in (*rules, "badly_signed", "unhealthy")}
        return {name: value for name, value in found.items() if value}
