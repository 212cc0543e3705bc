"""The words of the portal: complete in each language, short, plain, and none that are banned."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Set
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir

from services.portal import i18n

PORTAL = Path(i18n.__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
# The catalogue is for developers: it speaks of events and schemas, and of little else.
CATALOGUE = {"catalogue.py", "templates/catalogue.html", "templates/catalogue_event.html"}
BANNED = re.compile(r"\b(credential|event|payload|schema|wallet|token|grant)s?\b", re.I)
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
LONGEST = 16


def texts(*, leave_out: Set[str] = frozenset()) -> set[str | tuple[str, ...]]:
    """Every text that the code and the templates mark for translation, but for those files."""
    found = extract_from_dir(str(PORTAL), METHODS, OPTIONS, DEFAULT_KEYWORDS)
    return {message for file, _, message, _, _ in found if file not in leave_out}


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def spanish() -> dict[str | tuple[str, ...], tuple[str, ...]]:
    catalog = i18n.catalog("es")
    return {message.id: forms(message.string) for message in catalog if message.id}


def sentences(given: Iterator[str]) -> list[str]:
    """Sentences, and not labels or headings."""
    parts = [part.strip() for text in given for part in re.split(r"(?<=[.?!])\s+", text)]
    return [PLACEHOLDER.sub("Rosa", part) for part in parts if part[-1:] in ".?!"]


def english_sentences() -> list[str]:
    return sentences(form for text in texts() for form in forms(text))


def spanish_sentences() -> list[str]:
    return sentences(form for found in spanish().values() for form in found)


def words(sentence: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", sentence)


def syllables(word: str, vowels: str) -> int:
    return max(1, len(re.findall(f"[{vowels}]+", word.lower())))


def english_syllables(word: str) -> int:
    silent = word.lower().endswith("e") and not word.lower().endswith("le")
    return max(1, syllables(word, "aeiouy") - silent)


def test_the_texts_are_found() -> None:
    assert "My story" in texts()
    assert ("%(num)s thing waits for you", "%(num)s things wait for you") in texts()
    assert len(texts()) > 150


def test_spanish_has_every_text_and_no_other() -> None:
    assert spanish().keys() == texts()


def test_no_spanish_text_is_empty_fuzzy_or_left_in_english() -> None:
    same_in_both = {"Demo", "Error", "Error:"}
    catalog = i18n.catalog("es")
    assert not [message.id for message in catalog if message.id and message.fuzzy]
    for text, found in spanish().items():
        assert all(found), text
        assert found[0] not in forms(text) or found[0] in same_in_both, text


def test_spanish_has_one_word_for_the_log_and_another_for_a_record() -> None:
    for text, found in spanish().items():
        names_the_log = bool(re.search(r"\blog\b", forms(text)[0]))
        assert all(("diario" in form) == names_the_log for form in found), text


def test_a_translation_fills_the_same_places() -> None:
    for text, found in spanish().items():
        expected = set(PLACEHOLDER.findall(forms(text)[-1]))
        for form in found:
            assert set(PLACEHOLDER.findall(form)) == expected, text


@pytest.mark.parametrize("given", [english_sentences(), spanish_sentences()])
def test_no_sentence_is_longer_than_16_words(given: list[str]) -> None:
    assert len(given) > 50
    assert not [sentence for sentence in given if len(words(sentence)) > LONGEST]


def test_no_banned_word_is_used() -> None:
    plain = texts(leave_out=CATALOGUE)
    assert len(texts()) - len(plain) > 40
    assert not [text for text in plain for form in forms(text) if BANNED.search(form)]


def test_english_reads_at_grade_6_or_below() -> None:
    """Flesch-Kincaid grade over all sentences, and for each group of ten."""
    given = sorted(sentences(f for text in texts(leave_out=CATALOGUE) for f in forms(text)))
    assert grade(given) <= 6
    for start in range(0, len(given) - 9, 10):
        assert grade(given[start : start + 10]) <= 6, given[start : start + 10]


def grade(given: list[str]) -> float:
    count = sum(len(words(sentence)) for sentence in given)
    parts = sum(english_syllables(word) for sentence in given for word in words(sentence))
    return 0.39 * count / len(given) + 11.8 * parts / count - 15.59


def test_spanish_reads_at_70_or_above() -> None:
    """Fernandez-Huerta: 206.84 - 60 syllables a word - 1.02 words a sentence."""
    given = spanish_sentences()
    count = sum(len(words(sentence)) for sentence in given)
    parts = sum(syllables(word, "aeiouáéíóúü") for s in given for word in words(s))
    assert 206.84 - 60 * parts / count - 1.02 * count / len(given) >= 70


def test_plurals_of_0_1_2_and_5() -> None:
    def waits(code: str, number: int) -> str:
        one, many = "%(num)s thing waits for you", "%(num)s things wait for you"
        return i18n.language(code).ngettext(one, many, number)

    assert [waits("en", n)[:8] for n in (0, 1, 2, 5)] == [
        "0 things",
        "1 thing ",
        "2 things",
        "5 things",
    ]
    assert [waits("es", n)[:7] for n in (0, 1, 2, 5)] == [
        "0 cosas",
        "1 cosa ",
        "2 cosas",
        "5 cosas",
    ]


def test_the_pseudo_language_is_longer_and_keeps_its_places() -> None:
    for text in texts():
        for form in forms(text):
            made = i18n.pseudo(form)
            assert len(made) >= len(form) * 1.4
            assert PLACEHOLDER.findall(made) == PLACEHOLDER.findall(form)
    assert i18n.language("qps").gettext("Help").startswith("[Hélp ~")


@pytest.mark.parametrize(
    ("asked", "remembered", "accepts", "expected"),
    [
        (None, None, "", "en"),
        (None, None, "es-MX,es;q=0.9,en;q=0.8", "es"),
        (None, None, "fr-FR,es;q=0.5", "es"),
        (None, "en", "es", "en"),
        ("es", "en", "en", "es"),
        ("xx", None, "de", "en"),
        ("../en", "qps", "", "en"),
    ],
)
def test_the_reader_gets_the_language_asked_for(
    asked: str | None, remembered: str | None, accepts: str, expected: str
) -> None:
    assert i18n.chosen(asked, remembered, accepts, demo=False) == expected


def test_the_po_file_is_in_order() -> None:
    """So that two people's new texts meet without conflict."""
    from babel.messages.pofile import read_po

    ids = [
        forms(m.id)[0]
        for m in read_po(io.BytesIO((PORTAL / "translations/es.po").read_bytes()))
        if m.id
    ]
    assert ids == sorted(ids)
