"""A value opens only in its own place, with its own key; whatever else is there is Redacted."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import replace
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.vault import KEY_GROUPS, DataKey, Place, Redacted
from tests.vault_kit import vault_of

places = st.builds(
    Place,
    st.sampled_from(["stories", "directory", "deliveries", "scim"]),
    st.uuids(),
    st.uuids(),
    st.text(min_size=1, max_size=20),
)
keys = st.builds(DataKey, st.uuids(), st.binary(min_size=32, max_size=32))


@given(keys, places, st.text())
def test_a_sealed_value_opens_in_its_place(key: DataKey, place: Place, text: str) -> None:
    assert key.open_text(place, key.seal(place, text.encode())) == text


@given(keys, places, places, st.data())
def test_a_value_moved_elsewhere_does_not_open(
    key: DataKey, place: Place, other: Place, data: st.DataObject
) -> None:
    """To another topic, event, worker or field: one of them differs, or several."""
    moved = replace(place)
    for name in data.draw(st.sets(st.sampled_from(Place.__slots__), min_size=1)):
        moved = replace(moved, **{name: getattr(other, name)})
    sealed = key.seal(place, b"Rosa")
    opened = key.open(moved, sealed)
    assert opened == b"Rosa" if moved == place else isinstance(opened, Redacted)


@given(places, places)
def test_no_two_places_are_bound_alike(one: Place, other: Place) -> None:
    assert (one == other) == (one.bound() == other.bound())


@given(keys, places, st.binary(max_size=80))
def test_any_bytes_are_redacted(key: DataKey, place: Place, garbage: bytes) -> None:
    assert isinstance(key.open_text(place, garbage), Redacted)


@given(keys, places, st.data())
def test_damaged_values_are_redacted(key: DataKey, place: Place, data: st.DataObject) -> None:
    """Any one byte changed (version and key id, too), any part cut off, anything added."""
    sealed = key.seal(place, b"Rosa")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[at] ^= data.draw(st.integers(1, 255))
    tail = data.draw(st.binary(min_size=1, max_size=4))
    for damaged in (bytes(changed), sealed[:at], sealed + tail):
        assert isinstance(key.open_text(place, damaged), Redacted)


@given(keys, keys, places)
def test_another_key_does_not_open(key: DataKey, other: DataKey, place: Place) -> None:
    """Not even when it carries the same id."""
    named_alike = DataKey(key.key_id, other.key)
    sealed = key.seal(place, b"Rosa")
    for wrong in (other, named_alike):
        if wrong.key != key.key:
            assert isinstance(wrong.open(place, sealed), Redacted)


@given(keys, places, st.binary(max_size=40))
def test_what_is_no_text_is_redacted(key: DataKey, place: Place, plain: bytes) -> None:
    opened = key.open_text(place, key.seal(place, plain))
    try:
        assert opened == plain.decode()
    except UnicodeDecodeError:
        assert opened == Redacted("is not text")


def test_sealing_twice_gives_different_bytes() -> None:
    key, place = DataKey(uuid4(), os.urandom(32)), Place("stories", uuid4(), uuid4(), "words")
    assert key.seal(place, b"Rosa") != key.seal(place, b"Rosa")


def test_each_category_that_can_be_sealed_has_a_key_group() -> None:
    sealed = {f.category for event in event_types().values() for f in event.sealed_fields}
    assert sealed <= KEY_GROUPS.keys()
    assert KEY_GROUPS["demographic"] not in {
        group for category, group in KEY_GROUPS.items() if category != "demographic"
    }


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_blind_index_is_the_keyed_hash_that_tables_hold(parts: list[str]) -> None:
    said = "\x1f".join(parts).encode("utf-8")
    for _ in range(2):
        assert vault_of(bytes(32)).blind_index(*parts) == hmac.digest(
            bytes(32), said, hashlib.sha256
        )
