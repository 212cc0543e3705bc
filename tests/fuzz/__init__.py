"""Calls of every route of the write edge, made at random: good ones, almost good ones, and noise.

calls(world)    a hypothesis strategy of `Call`
good_calls      some that are taken, so that none of these routes is left to luck
varied          more calls of those that were made
answer_fault    what is wrong with an answer, or None: the rules that every answer keeps
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
from hypothesis import strategies as st

from tests.fuzz.events import event_calls
from tests.fuzz.others import (
    account_calls,
    good_calls,
    import_calls,
    odd_paths,
    promise_calls,
    scim_calls,
    statement_calls,
)
from tests.fuzz.parts import ORGANIZATIONS, Call, World

__all__ = ["ORGANIZATIONS", "Call", "World", "answer_fault", "calls", "good_calls", "varied"]


def answer_fault(call: Call, answer: httpx.Response) -> str | None:
    """No failure of ours, and where it is a refusal, one in the route's own standard form."""
    # RFC 7644, 3.12: 501 is the answer to what the service does not offer.
    offered = answer.status_code != 501 or not _is_scim(call.path)
    if answer.status_code >= 500 and offered:
        return f"a {answer.status_code}: {answer.text[:500]}"
    if answer.status_code < 400:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0]
    wanted = "application/scim+json" if _is_scim(call.path) else "application/problem+json"
    if kind != wanted:
        return f"a refusal as {kind!r}, not {wanted!r}: {answer.text[:200]}"
    body = answer.json()
    if int(body["status"]) != answer.status_code:
        return "the body says another status than the answer"
    if wanted.endswith("problem+json") and not {"type", "title", "detail"} <= body.keys():
        return f"a problem without type, title or detail: {body}"
    return None


def _is_scim(path: str) -> bool:
    # Starlette's paths end at a line break, so what has one is no route of SCIM's.
    below = path.startswith(("/scim/v2/", "/scim/v2?")) and "%0A" not in path
    return path == "/scim/v2" or below


def calls(world: World) -> st.SearchStrategy[Call]:
    """Every route, the one for events most often."""
    return st.one_of(
        event_calls(world),
        event_calls(world),
        event_calls(world),
        statement_calls(),
        scim_calls(),
        account_calls(world),
        import_calls(),
        promise_calls(world),
        odd_paths(),
    )


def varied(made: Sequence[Call], times: int, rng: random.Random) -> Iterator[Call]:
    """Each call, and variants of it: from another caller, as another type, in parts another call,
    nested without end, or with some bytes changed. Far cheaper than calls that hypothesis makes.
    """
    for call in made:
        yield call
        for _ in range(times - 1):
            match rng.randrange(11):
                case 0 | 1:
                    yield replace(call, role=rng.choice(made).role)
                case 2:
                    yield replace(call, headers=rng.choice(made).headers)
                case 3 | 4 | 5 | 6 | 7:
                    yield replace(call, content=_crossed(call, rng.choice(made), rng))
                case 8:
                    yield replace(call, content=_deepened(call, rng))
                case _:
                    yield replace(call, content=_damaged(call.content, rng))


# JSON's grammar allows it, text does not: an escaped surrogate without the other one.
HALF_A_CHARACTER = b"\\ud800"


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """The same bytes cut, repeated, or with some changed."""
    at = rng.randint(0, len(content))
    noise = rng.choice([rng.randbytes(rng.randint(1, 6)), HALF_A_CHARACTER])
    match rng.randrange(4):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + noise + content[at:]
        case 2:
            return content[:at] + noise + content[at + len(noise) :]
        case _:
            return content + content[at:]


def _crossed(call: Call, other: Call, rng: random.Random) -> bytes:
    """One JSON body with a part of another in a place of its own."""
    try:
        mine, others = json.loads(call.content), json.loads(other.content)
    except ValueError:  # Avro, a file, noise: two of a kind together, or the same once more
        return call.content + (other.content if call.headers == other.headers else b"")
    part = rng.choice([others, *(others.values() if isinstance(others, dict) else [])])
    return json.dumps(_with(mine, part, rng)).encode()


def _deepened(call: Call, rng: random.Random) -> bytes:
    """One JSON body with lists in lists, or objects in objects, in a place of its own."""
    levels = rng.choice([20, 45, 150, 300, 700, 900, 950, 980, 1_000, 1_020, 5_000, 90_000])
    begin, end = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    deep = begin * levels + (b"" if begin == b"[" else b"1") + end * levels
    try:
        mine = json.loads(call.content)
    except ValueError:
        return deep
    return json.dumps(_with(mine, _MARK, rng)).encode().replace(json.dumps(_MARK).encode(), deep)


_MARK = "in place of this"


def _with(body: Any, part: Any, rng: random.Random) -> Any:
    """The body with the part in some place."""
    node = body
    while isinstance(node, dict | list) and node:
        at = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        if not isinstance(node[at], dict | list) or not node[at] or rng.random() < 0.3:
            node[at] = part
            break
        node = node[at]
    return body
