"""The SCIM connector says which event types it acts on, and acts on no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors import load, names
from connectors.scim.changes import READS, change_of
from schemas.catalog import event_types
from services.common.consent import Disclosure

FIELDS = {"employer_id": "acme-foods", "display_name": "Rosa", "occupation": "53-7051.00"}


def acts_on(name: str) -> bool:
    update: Any = SimpleNamespace(event_type=name, fields=FIELDS, recipient_id="acme-foods")
    return change_of(cast(Disclosure, update)) is not None


@pytest.mark.parametrize("name", event_types())
def test_it_acts_on_what_it_says(name: str) -> None:
    assert acts_on(name) == (name in READS)


def test_every_connector_names_event_types_that_there_are() -> None:
    for name in names():
        connector = load(name)
        assert connector is not None
        assert (connector.reads or frozenset()) <= event_types().keys(), name
