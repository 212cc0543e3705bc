"""What `throughline rebuild` says, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.projections.rebuild.work import Row


def progress(row: Row) -> str:
    """One line: how far, how fast, how long still."""
    share = row.read_records / row.log_records if row.log_records else 1.0
    left = row.left_s()
    words = "paused" if row.is_paused else f"{row.records_per_s:,.0f} a second"
    rest = "" if left is None or row.is_paused else f", {duration(left)} left"
    return f"{share:.1%}  {row.read_records:,} of {row.log_records:,} records, {words}{rest}"


def duration(seconds: float) -> str:
    """About how long, in one unit."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {seconds:.0f} s"


def in_words(row: Row | None) -> list[str]:
    if row is None:
        return ["No rebuild. `throughline rebuild start --dry-run` says what it would take."]
    state = "The former tables are kept" if row.is_switched else "New tables are filled"
    changed = ", of another declaration" if row.is_changed else ""
    lines = [f"{state}{changed} (begun {row.started_at:%Y-%m-%d %H:%M} UTC by {row.asked_by})."]
    if row.told_at is None:
        lines.append("Nobody fills them: no projections process of their release has told yet.")
    else:
        lines.append(f"{progress(row)} (told {row.told_at:%H:%M:%S} UTC)")
    if row.rate:
        lines.append(f"At most {row.rate:,} records a second.")
    if row.comparison is not None:
        word = "equal" if row.comparison["equal"] else "different"
        lines.append(f"Compared at {row.compared_at:%Y-%m-%d %H:%M} UTC: {word}.")
        lines += differences(row.comparison)
    return lines


def differences(found: object) -> list[str]:
    lines = []
    tables = found.get("tables", []) if isinstance(found, dict) else []
    for table in tables:
        for one in table["differences"][:5]:
            key = ", ".join(f"{name} {value}" for name, value in one["key"].items())
            columns = f": {', '.join(one['columns'])}" if one["columns"] else ""
            lines.append(f"  {table['table']}: {one['how']}, {key}{columns}")
        if table["unlike"]:
            lines.append(f"  {table['table']}: not compared: {', '.join(table['unlike'])}")
    return lines


def as_dict(row: Row | None) -> dict[str, object]:
    if row is None:
        return {"state": "none"}
    state = "switched" if row.is_switched else "building"
    values = {name: getattr(row, name) for name in row.__slots__}
    return {"state": state, "behind": row.behind, "left_s": row.left_s(), **values}
