"""What the hub said of each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, overload
from uuid import UUID

from connectors.sdk.encoding import Encoded, Event
from connectors.sdk.errors import FieldProblem, SdkError, UnexpectedAnswer


class Status(StrEnum):
    ACCEPTED = "accepted"  # on the hub's log, now
    DUPLICATE = "duplicate"  # was there already: the same id, the same content
    CONFLICT = "conflict"  # another event has this id
    INVALID = "invalid"  # `problems` names the fields
    FORBIDDEN = "forbidden"  # this key may not say so


TAKEN = frozenset({Status.ACCEPTED, Status.DUPLICATE})


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event. `position` is there when it is on the log."""

    event: Event  # as sent, with its id
    status: Status
    event_id: UUID | None = None
    worker_id: UUID | None = None
    position: str | None = None  # such as stories:3:1207; reads take it as after=
    problems: tuple[FieldProblem, ...] = ()

    @property
    def taken(self) -> bool:
        return self.status in TAKEN


class EventsRefused(SdkError):
    """Some events of a call were refused; `refused` has them. The others are on the log."""

    def __init__(self, refused: Sequence[Result]) -> None:
        first = "; ".join(str(problem) for problem in refused[0].problems)
        super().__init__(f"{len(refused)} refused, the first is {refused[0].status}: {first}")
        self.refused = tuple(refused)


class Results(Sequence[Result]):
    """One result for each event, in the order they were given."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = tuple(results)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"Results({', '.join(f'{n} {status}' for status, n in self.counts.items())})"

    @property
    def counts(self) -> dict[Status, int]:
        return dict(Counter(result.status for result in self._results))

    @property
    def refused(self) -> list[Result]:
        return [result for result in self._results if not result.taken]

    def raise_for_refused(self) -> None:
        """Raises EventsRefused when any event was not taken."""
        if refused := self.refused:
            raise EventsRefused(refused)


def results_of(content: Any, batch: Sequence[Encoded]) -> list[Result]:
    """The hub's answer to a batch. Raises UnexpectedAnswer when it is not one."""
    found = content.get("results") if isinstance(content, Mapping) else None
    if not isinstance(found, list) or len(found) != len(batch):
        raise UnexpectedAnswer("the answer has no result for each event: is the URL a hub's?")
    try:
        return [_result(item, sent.event) for item, sent in zip(found, batch, strict=True)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"a result can't be read, update the SDK: {error!r}") from None


def _result(item: Mapping[str, Any], event: Event) -> Result:
    return Result(
        event,
        Status(item["status"]),
        _uuid(item.get("event_id")),
        _uuid(item.get("worker_id")),
        item.get("position"),
        problems_of(item),
    )


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def problems_of(item: Mapping[str, Any]) -> tuple[FieldProblem, ...]:
    """The `errors` of a result or of a problem+json answer."""
    return tuple(
        FieldProblem(error["field"], error["problem"], error.get("fix"))
        for error in item.get("errors", ())
    )
