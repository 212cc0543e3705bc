"""How rows look in answers: grants, requests, and who saw what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.access import Principal, Role
from services.common.vault import Vault
from services.consent.handlers import Given, invalid

_NOT_SHOWN = frozenset({"worker_id", "declined_position"})


def grant_answer(given: Given) -> dict[str, Any]:
    """A grant as its giver sees it."""
    return {name: value for name, value in asdict(given).items() if name != "worker_id"}


def grant_row(
    row: Mapping[str, Any], who: Principal, vault: Vault, now: datetime
) -> dict[str, Any]:
    return {**_person(row, who, vault), "state": grant_state(row, now)}


def grant_state(row: Mapping[str, Any], now: datetime) -> str:
    """One of withdrawn, expired, not_yet, live."""
    if row["withdrawn_at"] is not None:
        return "withdrawn"
    if now >= row["valid_until"]:
        return "expired"
    return "not_yet" if now < row["valid_from"] else "live"


def request_row(
    row: Mapping[str, Any], who: Principal, vault: Vault, now: datetime
) -> dict[str, Any]:
    return {**_person(row, who, vault), "state": request_state(row, now)}


def request_state(row: Mapping[str, Any], now: datetime) -> str:
    """One of granted, declined, expired, open."""
    if row["granted_at"] is not None:
        return "granted"
    if row["declined_at"] is not None:
        return "declined"
    return "expired" if now >= row["expires_at"] else "open"


def _person(row: Mapping[str, Any], who: Principal, vault: Vault) -> dict[str, Any]:
    """The row without the worker's id; an organisation gets the name it knows the worker by."""
    kept = {name: value for name, value in row.items() if name not in _NOT_SHOWN}
    if who.role is Role.WORKER:
        return kept
    return {"subject": vault.pseudonym(row["worker_id"], who.organization_id), **kept}


def disclosure_page(rows: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    """A page of disclosures and where the next one begins, if there is more."""
    shown = [{name: _plain(value) for name, value in row.items()} for row in rows[:limit]]
    more = len(rows) > limit
    last = shown[-1] if more else None
    return {
        "disclosures": shown,
        "next": f"{last['last_at']}~{last['message_id']}" if last else None,
    }


def parse_place(text: str | None) -> tuple[datetime, str] | None:
    """Read `next` of an earlier page. Raises Problem 422."""
    if text is None:
        return None
    at, _, message_id = text.partition("~")
    try:
        return datetime.fromisoformat(at), message_id
    except ValueError:
        raise invalid("before", "it is not a place", "Send `next` of the page before.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
