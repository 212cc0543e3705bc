"""What a fault run found: counts, and whether each rule held."""

from __future__ import annotations

from pydantic import BaseModel


class Report(BaseModel):
    """Zero is the only good number among the broken rules."""

    name: str
    seed: int
    seconds: float
    events: int
    events_per_s: float  # over the seconds, and those until all that was due had got through
    sharing: int
    withdrawn: int
    promised: int
    kills: dict[str, int]
    crashed_by_themselves: dict[str, int]
    messages: int
    repeated_messages: int  # at least once: allowed, under the same id
    recovered_after_s: float
    # The rules:
    lost: int
    doubled: int
    promises_not_told_once: int
    undelivered: int
    without_consent: int
    out_of_order: int
    badly_signed: int
    unhealthy: list[str]

    @property
    def broken(self) -> dict[str, int | list[str]]:
        """The rules that did not hold, with how often."""
        fields = list(type(self).model_fields)
        found = {name: getattr(self, name) for name in fields[fields.index("lost") :]}
        return {name: value for name, value in found.items() if value}


class ProjectionsReport(BaseModel):
    """What a storm over the projection workers came to."""

    name: str
    seed: int
    seconds: float
    records: int
    events: int  # different ones
    repeats: int
    erased: int
    moved: int  # people whose story went on under another id
    parted: int  # people from whom another one was split off
    late_voids: int  # that came after what they take back
    early_voids: int
    befell: dict[str, int]
    recovered_after_s: float
    table_rows: int  # looked at one by one
    rows_compared: int  # with tables made from scratch
    examples: list[str]
    verify_differences: list[str]
    # The rules:
    not_published: int
    log_differs: int  # owners whose records are not on the log as they were sent, in order
    behind: int
    lost: int
    doubled: int
    set_aside_wrongly: int
    out_of_order: int
    table_rows_wrong: int
    parked: int
    not_as_from_scratch: dict[str, int]
    crashed_by_themselves: dict[str, int]
    unhealthy: list[str]
    verified: str

    @property
    def broken(self) -> dict[str, object]:
        """The rules that did not hold, with how often."""
        fields = type(self).model_fields
        rules = list(fields)[list(fields).index("not_published") : -1]
        found = {name: getattr(self, name) for name in rules if getattr(self, name)}
        return found if self.verified == "equal" else found | {"verified": self.verified}
