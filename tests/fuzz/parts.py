"""What random calls are made of: who calls, and values that fit nowhere."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

PLAIN, CLOUD, CLOUDS = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
AVRO = "application/avro"
ORGANIZATIONS = {"provider": "river-college", "employer": "acme", "agency": "state"}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["\x00", "2026-02-30T00:00:00Z", "1e999", "9" * 40, math.nan, "\ud83d"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=10,
)


ROLES = st.sampled_from(["provider", "employer", "agency", "operator", "worker"])
# Not 0: hypothesis likes that.
RARELY = st.integers(0, 19).map(lambda n: n == 13)
ODD = st.text(max_size=12) | st.sampled_from(["\x00", "..", "%", "a/b", "ﬀ", "x" * 2000])
JSON_KIND = (("content-type", PLAIN),)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `role` names whose key is sent; None: no key."""

    method: str
    path: str
    role: str | None
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class World:
    """Who is known to the hub that is called."""

    workers: tuple[UUID, ...]


def as_json(value: Any) -> bytes:
    """Also what JSON has no form for (NaN, half characters): senders write such things."""
    return json.dumps(value).encode()
