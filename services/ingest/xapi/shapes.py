"""ralph's models of the parts of a statement, loaded when the first statement comes (0.5 s)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.common.errors import FieldError

# What is wrong with a value, as places below it (".score.scaled"); empty when nothing is.
Shape = Callable[[Any], list[FieldError]]


@dataclass(frozen=True, slots=True)
class Shapes:
    """A check for each part."""

    agents: Mapping[str, Shape]  # by the identifier they use
    groups: Mapping[str | None, Shape]  # None: without an identifier
    verb: Shape
    activity: Shape
    definition: Shape
    interaction: Shape
    reference: Shape
    result: Shape
    context: Shape
    attachment: Shape
    iri: Shape


def _shape(model: Any) -> Shape:
    adapter: TypeAdapter[Any] = TypeAdapter(model)

    def check(value: Any) -> list[FieldError]:
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            return [
                FieldError(_place(item["loc"]), item["msg"].removeprefix("Value error, "))
                for item in error.errors(include_url=False, include_input=False)
            ]
        except (ValueError, TypeError) as error:  # some of ralph's own checks escape pydantic
            return [FieldError("", str(error))]
        return []

    return check


def _place(loc: tuple[int | str, ...]) -> str:
    named = [f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc if p != "[key]"]
    return "".join(named)


@cache
def shapes() -> Shapes:
    """Imported here, for few processes ever see a statement."""
    from ralph.models.xapi.base import agents, attachments, contexts, groups, results
    from ralph.models.xapi.base import unnested_objects as objects
    from ralph.models.xapi.base.common import IRI
    from ralph.models.xapi.base.verbs import BaseXapiVerb

    return Shapes(
        agents={
            "mbox": _shape(agents.BaseXapiAgentWithMbox),
            "mbox_sha1sum": _shape(agents.BaseXapiAgentWithMboxSha1Sum),
            "openid": _shape(agents.BaseXapiAgentWithOpenId),
            "account": _shape(agents.BaseXapiAgentWithAccount),
        },
        groups={
            None: _shape(groups.BaseXapiAnonymousGroup),
            "mbox": _shape(groups.BaseXapiIdentifiedGroupWithMbox),
            "mbox_sha1sum": _shape(groups.BaseXapiIdentifiedGroupWithMboxSha1Sum),
            "openid": _shape(groups.BaseXapiIdentifiedGroupWithOpenId),
            "account": _shape(groups.BaseXapiIdentifiedGroupWithAccount),
        },
        verb=_shape(BaseXapiVerb),
        activity=_shape(objects.BaseXapiActivity),
        definition=_shape(objects.BaseXapiActivityDefinition),
        interaction=_shape(objects.BaseXapiActivityInteractionDefinition),
        reference=_shape(objects.BaseXapiStatementRef),
        result=_shape(results.BaseXapiResult),
        context=_shape(contexts.BaseXapiContext),
        attachment=_shape(attachments.BaseXapiAttachment),
        iri=_shape(IRI),
    )
