"""Registers the committed schemas in somebody else's registry, under the same ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from schemas.normal import NotASchema, normal_form
from services.cli.exits import Refused
from services.cli.remote_registry import Apicurio, RemoteRegistry
from services.common.errors import ThroughlineError
from services.registry.subjects import Registered

Tell = Callable[[Registered], None]


class IdTaken(Refused):
    """Ids or versions stand for something else there; nothing was written."""


class PushFailed(ThroughlineError):
    """The registry does not hold what was sent; the message says which."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the registry has of ours, what it lacks, and what is in the way."""

    present: Sequence[Registered]
    missing: Sequence[Registered]
    taken: Sequence[str]


def survey(remote: RemoteRegistry, entries: Sequence[Registered]) -> Survey:
    """Compare, and change nothing."""
    present: list[Registered] = []
    missing: list[Registered] = []
    taken: list[str] = []
    known = remote.subjects()
    for entry in entries:
        held = remote.schema(entry.id)
        there = remote.version(entry.subject, entry.version) if entry.subject in known else None
        if held is not None and not _same(held, entry):
            taken.append(f"id {entry.id}, ours for {_name(entry)}, is taken by another schema")
        elif there is not None and there != entry.id:
            taken.append(f"{_name(entry)} has id {there} there, and {entry.id} here")
        else:
            (missing if there is None or held is None else present).append(entry)
    return Survey(present, missing, taken)


def push(remote: RemoteRegistry, entries: Sequence[Registered], tell: Tell) -> Survey:
    """Register what is missing, oldest version first, and check that every id holds ours.

    Answers what was found before. Raises IdTaken before anything is written, PushFailed.
    """
    found = survey(remote, entries)
    if found.taken:
        listed = "\n  ".join(found.taken)
        raise IdTaken(
            f"nothing was registered:\n  {listed}\n"
            "Use a registry, or a context or tenant of it, where these ids are free."
        )
    ordered = sorted(found.missing, key=lambda entry: (entry.subject, entry.version))
    apicurio = remote.apicurio()
    if apicurio is not None:
        _push_to_apicurio(remote, apicurio, ordered, tell)
    else:
        _push_importing(remote, ordered, tell)
    verify(remote, entries)
    return found


def verify(remote: RemoteRegistry, entries: Sequence[Registered]) -> None:
    """Raise PushFailed unless each id and each version gives the schema of ours."""
    after = survey(remote, entries)
    wrong = [*after.taken, *(f"{_name(entry)} is not there" for entry in after.missing)]
    if wrong:
        raise PushFailed("the registry does not hold what was sent:\n  " + "\n  ".join(wrong))


def _push_importing(remote: RemoteRegistry, ordered: Sequence[Registered], tell: Tell) -> None:
    for subject, versions in groupby(ordered, key=lambda entry: entry.subject):
        with remote.importing(subject):
            for entry in versions:
                given = remote.register(entry, id=entry.id, version=entry.version)
                _must_be_ours(given, entry)
                tell(entry)


def _push_to_apicurio(
    remote: RemoteRegistry, apicurio: Apicurio, ordered: Sequence[Registered], tell: Tell
) -> None:
    if ordered:
        apicurio.import_contents(ordered)
    for entry in ordered:
        # An id or a content that was there before is silently left as it was.
        if apicurio.content(entry.id) != entry.schema:
            raise PushFailed(
                f"Apicurio did not take id {entry.id} for {_name(entry)}: "
                "it holds the id, or the same schema under another id, outside this subject"
            )
    for entry in ordered:
        _must_be_ours(remote.register(entry), entry)
        tell(entry)


def _must_be_ours(given: int, entry: Registered) -> None:
    if given != entry.id:
        raise PushFailed(
            f"the registry gave id {given} to {_name(entry)} instead of {entry.id}: it does not "
            f"keep ids. Delete that version there before you try another way."
        )


def _same(held: str, entry: Registered) -> bool:
    try:
        return normal_form(held) == normal_form(entry.schema)
    except NotASchema:
        return False


def _name(entry: Registered) -> str:
    return f"{entry.subject} version {entry.version}"
