"""Texts in the reader's language: `.po` files read at start, and dates and money in words.

English is the language of the source. `qps` is made from it: longer, with marks on each letter,
to find texts that are cut off or were never marked for translation.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources

from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

SOURCE = "en"
PSEUDO = "qps"
LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español"}
_TRANSLATED = tuple(code for code in LANGUAGES if code != SOURCE)
_PLACEHOLDER = re.compile(r"(%\([a-z_]+\)[sd]|&[a-z]+;|<[^>]+>)")
_ACCENTS = str.maketrans("aceinouyACEINOUY", "áçéíñöüýÁÇÉÍÑÖÜÝ")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its texts, and how it writes dates, numbers and money."""

    code: str
    texts: gettext.NullTranslations

    @property
    def _locale(self) -> str:
        return "en" if self.code == PSEUDO else self.code

    @property
    def html_code(self) -> str:
        """The value of `lang`."""
        return "en-x-qps" if self.code == PSEUDO else self.code

    def gettext(self, text: str, **values: object) -> str:
        """The text, with `%(name)s` filled in."""
        found = self.texts.gettext(text)
        return found % values if values else found

    def ngettext(self, one: str, many: str, num: int, **values: object) -> str:
        """The form for the number, with `%(num)s` and others filled in."""
        return self.texts.ngettext(one, many, num) % {"num": self.number(num), **values}

    def date(self, at: date | datetime) -> str:
        """3 May 2026; 3 de mayo de 2026."""
        pattern = "d 'de' MMMM 'de' y" if self.code == "es" else "d MMMM y"
        return format_date(at, pattern, locale=self._locale)

    def number(self, value: int) -> str:
        return str(format_decimal(value, locale=self._locale))

    def decimal(self, value: float) -> str:
        """With one place: 1.5 here, 1,5 there."""
        return str(format_decimal(round(value, 1), format="#,##0.0", locale=self._locale))

    def money(self, amount: Decimal, currency: str) -> str:
        """$18.50 here, 18,50 € there."""
        locale = "es_US" if self.code == "es" else self._locale
        return str(format_currency(amount, currency, locale=locale))


@cache
def language(code: str) -> Language:
    """The texts of a language. Raises KeyError when there is none."""
    if code == SOURCE:
        return Language(code, gettext.NullTranslations())
    if code == PSEUDO:
        return Language(code, _compiled(pseudo_catalog()))
    if code not in LANGUAGES:
        raise KeyError(code)
    return Language(code, _compiled(catalog(code)))


@cache
def catalog(code: str) -> Catalog:
    """The translated texts of a language, as its file has them."""
    path = resources.files("services.portal").joinpath("translations", f"{code}.po")
    return read_po(io.BytesIO(path.read_bytes()), locale=code)


def _compiled(source: Catalog) -> gettext.GNUTranslations:
    out = io.BytesIO()
    write_mo(out, source)
    out.seek(0)
    return gettext.GNUTranslations(out)


@cache
def pseudo_catalog() -> Catalog:
    """Every text of the first translation, as marked English that is 40 % longer."""
    made = Catalog(locale="en", fuzzy=False)
    for message in catalog(_TRANSLATED[0]):
        if not message.id:
            continue
        if isinstance(message.id, str):
            made.add(message.id, pseudo(message.id), context=message.context)
        else:
            made.add(message.id, tuple(pseudo(form) for form in message.id))
    return made


def pseudo(text: str) -> str:
    """`Help` becomes `[Hélp~~]`; placeholders stay as they are."""
    parts = _PLACEHOLDER.split(text)
    marked = "".join(
        part if index % 2 else part.translate(_ACCENTS) for index, part in enumerate(parts)
    )
    words = max(1, len(text) * 4 // 10)
    padding = " ".join("~" * min(8, words - start) for start in range(0, words, 8))
    return f"[{marked} {padding}]"


def chosen(asked: str | None, remembered: str | None, accepts: str, *, demo: bool) -> str:
    """The language for a reader: asked for now, then remembered, then the browser's wish."""
    known = set(LANGUAGES) | ({PSEUDO} if demo else set())
    for code in (asked, remembered):
        if code in known:
            return code
    for part in accepts.split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return SOURCE
