"""What identity providers send that the standard does not have, turned into what it has.

Microsoft Entra ID sends a manager as a bare string and booleans as text; its operations with
capitals, and Okta's without a path, are taken by scim2-models as they are.
"""

from __future__ import annotations

import re
from typing import Any

_BOOLEANS = {"true": True, "false": False}


def mended(body: Any) -> Any:
    """The body of a request as the standard has it; what is not known stays."""
    if not isinstance(body, dict):
        return body
    name = next((key for key in body if key.lower() == "operations"), None)
    if name is None or not isinstance(body[name], list):
        return _attributes(body)
    return {**body, name: [_operation(item) for item in body[name]]}


def _operation(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    path = next((v for k, v in item.items() if k.lower() == "path" and isinstance(v, str)), None)
    return {
        key: (_value(path, value) if path else _attributes(value))
        if key.lower() == "value"
        else value
        for key, value in item.items()
    }


def _attributes(value: Any) -> Any:
    return {n: _value(n, v) for n, v in value.items()} if isinstance(value, dict) else value


def _value(path: str, value: Any) -> Any:
    last = re.split(r"[:.]", path)[-1].lower()
    if isinstance(value, str):
        if last == "manager":
            return {"value": value}
        return _BOOLEANS.get(value.lower(), value) if last == "active" else value
    return _attributes(value) if path.lower().startswith("urn:") else value
