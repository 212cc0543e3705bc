"""What the relay needs of an outbox's database; one class for each kind of database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from connectors.sdk.ddl import LATEST, checked_table
from connectors.sdk.errors import OutboxProblem


class OutboxAway(OutboxProblem):
    """The database does not answer, is locked or full now: the same may work later."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event that waits to be sent."""

    id: int
    text: str  # JSON, as it was put


@dataclass(frozen=True, slots=True)
class Sent:
    """The hub has it."""

    id: int
    outcome: str  # accepted, duplicate
    position: str | None


@dataclass(frozen=True, slots=True)
class Aside:
    """The hub refused it; it waits for a person."""

    id: int
    problem: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """One event that was set aside, as `status` shows it."""

    id: int
    put_at: datetime
    set_aside_at: datetime
    problem: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent."""

    waiting: int
    oldest_put_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the outbox stands."""

    backlog: Backlog
    sent: int  # not yet purged
    last_sent_at: datetime | None
    set_aside: int
    examples: Sequence[SetAside]  # the first set aside


class Turn(Protocol):
    """One batch, while no other relay takes one. What is marked is kept when the turn ends."""

    @property
    def waiting(self) -> Sequence[Waiting]: ...

    async def mark(self, sent: Sequence[Sent], aside: Sequence[Aside]) -> None: ...


class Store(ABC):
    """An outbox's table. Every method raises OutboxAway while the database is away."""

    def __init__(self, table: str) -> None:
        self.table = checked_table(table)

    @abstractmethod
    async def open(self) -> None:
        """Connect. Idempotent: connects again when the connection is gone."""

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def version(self) -> int:
        """Of the tables; 0 when there are none."""

    @abstractmethod
    async def init(self) -> int:
        """Make the tables or bring them to the latest version; answers the version before."""

    @abstractmethod
    def turn(self, most: int) -> AbstractAsyncContextManager[Turn | None]:
        """The oldest events that wait, `most` of them, or None while another relay has its turn.

        An exception inside the turn leaves every row as it was, and so does the process's death.
        """

    @abstractmethod
    async def news(self, timeout_s: float) -> None:
        """Wait until there may be new rows, at most so long."""

    @abstractmethod
    async def purge(self, age: timedelta) -> int:
        """Delete what was sent longer ago than `age`; answers how many rows."""

    @abstractmethod
    async def backlog(self) -> Backlog: ...

    @abstractmethod
    async def standing(self, examples: int = 20) -> Standing: ...

    @abstractmethod
    async def retry(self, ids: Sequence[int] | None = None) -> int:
        """Let these events (None: all) that were set aside be sent again."""

    @abstractmethod
    async def discard(self, ids: Sequence[int]) -> int:
        """Delete these events that were set aside."""

    async def check(self) -> None:
        """Raises OutboxProblem unless the tables are there and of this SDK's version."""
        found = await self.version()
        if found == 0:
            raise OutboxProblem(f"there is no table {self.table}: run `init`, or apply `ddl`")
        if found < LATEST:
            raise OutboxProblem(
                f"{self.table} is of version {found}, this SDK needs {LATEST}: run `init`,"
                f" or apply `ddl --since {found}`"
            )
        if found > LATEST:
            raise OutboxProblem(
                f"{self.table} is of version {found}, newer than this SDK's {LATEST}:"
                " update the SDK of the relay"
            )


def open_store(database: str, table: str) -> Store:
    """The store of a URL: `postgresql://…`, `sqlite:///relative`, `sqlite:////absolute`, or the
    path of an SQLite file. Raises OutboxProblem for another kind of database.
    """
    scheme, found, rest = database.partition("://")
    if found and scheme in ("postgresql", "postgres"):
        from connectors.sdk.relay.postgresql import PostgresStore

        return PostgresStore(database, table)
    if found and scheme != "sqlite":
        raise OutboxProblem(f"an outbox is in PostgreSQL or SQLite, not {scheme}")
    from connectors.sdk.relay.sqlite import SqliteStore

    return SqliteStore(rest.removeprefix("/") if found else database, table)
