"""Refusals as Confluent's Schema Registry words them: a code of five digits, and a message."""

from __future__ import annotations

from services.common.errors import ThroughlineError

HOW_TO_CHANGE = (
    "Schemas change only by a commit to the hub's catalogue (schemas/*.avsc, `make events`), "
    "where compatibility is checked. This registry answers what is committed."
)


class Refused(ThroughlineError):
    """An answer of Confluent's API. Source: Schema Registry API Reference, "Errors"."""

    def __init__(self, status: int, error_code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.headers = headers


def no_subject(subject: str) -> Refused:
    return Refused(404, 40401, f"Subject '{subject}' not found.")


def no_version(version: int) -> Refused:
    return Refused(404, 40402, f"Version {version} not found.")


def no_schema(what: str = "Schema") -> Refused:
    return Refused(404, 40403, f"{what} not found.")


def not_a_schema(why: str) -> Refused:
    return Refused(422, 42201, f"Invalid schema: {why}")


def not_a_version(version: str) -> Refused:
    return Refused(
        422,
        42202,
        f"The specified version '{version}' is not a valid version id. "
        'Allowed values are between [1, 2^31-1] and the string "latest"',
    )


def read_only(status: int) -> Refused:
    """403 for a new schema, 405 for what is never taken."""
    code = 40301 if status == 403 else 405
    return Refused(status, code, HOW_TO_CHANGE, **({"Allow": "GET"} if status == 405 else {}))
