"""The words of a grant, and that the edge says the same as the schemas."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import get_args

from schemas.catalog import event_types
from services.common.consent import NEVER_SHARED
from services.consent.requests import Category, Purpose
from services.consent.wording import wordings
from services.delivery.routes import Category as ConnectionCategory

# A published file is never changed: a grant names its SHA-256. New words are a new version.
PUBLISHED = {
    ("2026-11", "en"): "1b983bc4dcb80340663af42667a05fc4766b28fabff04647896b68fedc750b7c",
    ("2026-11", "es"): "d98b87f53ae018e48d964eb44b51b3167de4b33adb57cd7aeaf9d8dbc3372a53",
}


def alternatives(event: str, field: str) -> set[str]:
    pattern = event_types()[event].fields[field].pattern
    assert pattern is not None
    return set(pattern.removeprefix("^(").removesuffix(")$").split("|"))


def test_categories_and_purposes_are_those_of_the_schemas() -> None:
    assert set(get_args(Category)) == alternatives("ConsentGranted", "categories")
    assert set(get_args(Category)) == alternatives("ConnectionConfigured", "categories")
    assert set(get_args(ConnectionCategory)) == set(get_args(Category))
    assert set(get_args(Purpose)) == alternatives("ConsentGranted", "purposes")
    assert not set(get_args(Category)) & NEVER_SHARED


def test_every_version_has_every_word_in_every_language() -> None:
    assert {language for _, language in wordings()} == {"en", "es"}
    for words in wordings().values():
        assert set(words.words["categories"]) == set(get_args(Category))
        assert set(words.words["purposes"]) == set(get_args(Purpose))
        assert words.words.keys() == wordings()[words.version, "en"].words.keys()
        assert "{recipient}" in words.words["question"]


def test_published_words_never_change() -> None:
    for (version, language), digest in PUBLISHED.items():
        file = resources.files("services.consent.wording").joinpath(f"{version}.{language}.json")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
        assert wordings()[version, language].sha256 == digest
    assert PUBLISHED.keys() == wordings().keys()


def test_english_sentences_are_short() -> None:
    for (_, language), words in wordings().items():
        if language != "en":
            continue
        texts = [text for text in words.words.values() if isinstance(text, str)]
        texts += [*words.words["categories"].values(), *words.words["purposes"].values()]
        for sentence in (part for text in texts for part in re.split(r"[.?!:]\s", text)):
            assert len(sentence.split()) <= 16, sentence
