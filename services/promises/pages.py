"""How rows look in answers, and where their next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.common.errors import FieldError, Problem
from services.common.vault import Vault
from services.promises.criteria import criterion_of
from services.promises.store import Place, Row

# What the employer has said itself, which it may always see.
_AUTHORED = ("promise_id", "employer_id", "pathway_id", "pathway_version", "title", "outcome")
_AUTHORED_TOO = ("due_in_days", "made_at")
_PROGRESS = (
    "state",
    "accepted_at",
    "declined_at",
    "due_at",
    "outcome_at",
    "lapsed_at",
    "withdrawn_at",
)


def pathway_answer(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name != "criteria"}
    return {**kept, "criteria": {"all": [criterion_of(code).as_json() for code in row["criteria"]]}}


def own_promise(row: Row) -> dict[str, Any]:
    """A promise as the person it was made to sees it; what the person said of it newest first.

    The words are sealed, and in the story only.
    """
    met = dict(zip(row["criteria"], row["met_at"], strict=False))
    criteria = [
        {**criterion_of(code).as_json(), "met_at": met.get(code)} for code in row["criteria"]
    ]
    names = (*_AUTHORED, *_AUTHORED_TOO, *_PROGRESS)
    said = zip(row["dispute_reasons"], row["disputed_at"], strict=True)
    disputes = [{"reason": reason, "disputed_at": at} for reason, at in said]
    kept = {name: row[name] for name in names}
    return {**kept, "criteria": {"all": criteria}, "disputes": disputes}


def employers_promise(row: Row, *, subject: str, shared: bool) -> dict[str, Any]:
    """A promise as its employer sees it: how it goes only while the person shares that."""
    if shared:
        return {"subject": subject, "shared": True, **own_promise(row)}
    said = {name: row[name] for name in (*_AUTHORED, *_AUTHORED_TOO)}
    criteria = [criterion_of(code).as_json() for code in row["criteria"]]
    return {"subject": subject, "shared": False, **said, "criteria": {"all": criteria}}


def training_answer(row: Row, *, subject: str, now: datetime) -> dict[str, Any]:
    """`age_days` count since it was finished, or since the person was hired if that was later."""
    return {
        "subject": subject,
        "enrolment_id": row["enrolment_id"],
        "course_id": row["course_id"],
        "provider_id": row["provider_id"],
        "result": row["result"],
        "completed_at": row["completed_at"],
        "waits_since": row["waits_since"],
        "age_days": max(0, (now - row["waits_since"]).days),
    }


class Cursors:
    """Where a list goes on. Sealed, for a place names workers by an id that never leaves."""

    def __init__(self, vault: Vault, name: str) -> None:
        self._vault = vault
        self._name = f"cursor:{name}"

    def write(self, at: datetime, worker_id: UUID, last_id: str) -> str:
        plain = json.dumps([at.isoformat(), str(worker_id), last_id]).encode()
        return base64.urlsafe_b64encode(self._vault.seal_secret(self._name, plain)).decode()

    def read(self, text: str | None) -> Place | None:
        """Raises Problem 422."""
        if text is None:
            return None
        try:
            sealed = base64.urlsafe_b64decode(text)
            at, worker_id, last_id = json.loads(self._vault.open_secret(self._name, sealed))
        except (InvalidTag, ValueError, binascii.Error):
            fix = "Send `next` of the page before."
            raise Problem(
                422,
                "invalid",
                f"before: it is not a place. {fix}",
                errors=[FieldError("before", "not a place", fix)],
            ) from None
        return datetime.fromisoformat(at), UUID(worker_id), last_id


def next_of(cursors: Cursors, rows: Sequence[Row], limit: int, at: str, last_id: str) -> str | None:
    """Where the page after these rows begins; None when there are no more."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return cursors.write(last[at], last["worker_id"], last[last_id])
