"""What an update means for a user of the receiver's system. `docs/scim.md` has it as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from scim2_models import Context, Email, EnterpriseUser, PatchOp, PatchOperation, Path, User

from services.common.consent import Disclosure

HrUser = User[EnterpriseUser]
ENTERPRISE = str(EnterpriseUser.__schema__)
_NUMBER = f"{ENTERPRISE}:employeeNumber"
_PERSON = frozenset({"WorkerRegistered", "ContactChanged"})
_ROLE = frozenset({"Promoted", "RoleChanged"})
READS = _PERSON | _ROLE | {"EmploymentStarted", "EmploymentEnded"}
# Our entry among a user's e-mail addresses: the worker's own. Others are the employer's.
_OWN_EMAIL = "home"


@dataclass(frozen=True, slots=True)
class Change:
    """The state a user should have. None: leave it as it is."""

    creates: bool  # whether to create the user when there is none
    active: bool | None = None
    title: str | None = None
    number: str | None = None  # the job it is about, as the employer numbers it
    begins: bool = False  # the job becomes the user's current one
    display_name: str | None = None
    email: str | None = None


def change_of(update: Disclosure) -> Change | None:
    """None when the receiver's system has no place for it: another type, or another employer."""
    name, fields = update.event_type, update.fields
    if name in _PERSON:
        return _named(fields)
    if fields.get("employer_id") != update.recipient_id:
        return None
    number, title = _text(fields, "employment_id"), _text(fields, "occupation")
    if name == "EmploymentStarted":
        return Change(True, active=True, title=title, number=number, begins=True)
    if name in _ROLE:
        return Change(False, title=title, number=number)
    if name == "EmploymentEnded":
        return Change(False, active=False, number=number)
    return None


def _named(fields: Mapping[str, object]) -> Change | None:
    """A name is kept on an inactive user until the job starts, for it is not told again then."""
    name, email = _text(fields, "display_name"), _text(fields, "contact_email")
    if name is None and email is None:
        return None
    return Change(True, display_name=name, email=email)


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def new_user(subject: str, change: Change) -> dict[str, Any]:
    """The body of the request that creates a user.

    Source: RFC 7643, 4.1 and 4.3; RFC 7644, 3.3.
    """
    user = HrUser(user_name=subject, external_id=subject, active=bool(change.active))
    user.title, user.display_name = change.title, change.display_name
    if change.email is not None:
        user.emails = _own(change.email)
    if change.number is not None:
        user[EnterpriseUser] = EnterpriseUser(employee_number=change.number)
    return user.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST)


def missing(change: Change, user: Mapping[str, Any]) -> dict[str, Any]:
    """What a user as the receiver has it lacks: new values by attribute path. Nothing when it is
    so already, or the change is about a job that is not the user's current one.
    """
    known = (user.get(ENTERPRISE) or {}).get("employeeNumber")
    if not change.begins and None not in (change.number, known) and change.number != known:
        return {}
    wanted: dict[str, Any] = {
        "active": change.active,
        "title": change.title,
        "displayName": change.display_name,
    }
    lacks = {n: v for n, v in wanted.items() if v is not None and user.get(n) != v}
    emails = _with_own(user.get("emails") or [], change.email)
    if emails != (user.get("emails") or []):
        lacks["emails"] = emails
    if change.begins and change.number != known:
        lacks[_NUMBER] = change.number
    return lacks


def _with_own(emails: list[Any], address: str | None) -> list[Any]:
    own = [email.model_dump() for email in _own(address)] if address is not None else []
    if not own or own[0] in emails:
        return emails
    others = [e for e in emails if not isinstance(e, dict) or e.get("type") != _OWN_EMAIL]
    return others + own


def _own(address: str) -> list[Email]:
    """The worker's address; none when it is not one that the standard's model takes."""
    try:
        return [Email(value=address, type=Email.Type(_OWN_EMAIL))]
    except ValidationError:
        return []


def patched(values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request that sets attributes by their paths. Source: RFC 7644, 3.5.2."""
    kind = PatchOperation[HrUser]
    operations = [
        kind(op=kind.Op.replace_, path=Path[HrUser](path), value=value)
        for path, value in values.items()
    ]
    order = PatchOp[HrUser](Operations=operations)
    return order.model_dump(scim_ctx=Context.RESOURCE_PATCH_REQUEST)


def replaced(user: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request that replaces a user: as it came, with the new values. What else
    the receiver keeps there goes back untouched. Source: RFC 7644, 3.5.1.
    """
    body = {**user, **values}
    if _NUMBER in body:
        body[ENTERPRISE] = {**(user.get(ENTERPRISE) or {}), "employeeNumber": body.pop(_NUMBER)}
        body["schemas"] = list(dict.fromkeys([*(user.get("schemas") or []), ENTERPRISE]))
    body.pop("meta", None)
    return body
