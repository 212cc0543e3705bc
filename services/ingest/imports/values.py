"""What can be done with one value of a file: each transform gives the clean text, says which
repair it took, or refuses with a reason. None of them quotes the value, which may be personal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = 200_000  # more than five hundred years either way is a mistake


class BadValue(Exception):
    """A value that can't be used. `rule` is a stable word to count by."""

    def __init__(self, rule: str, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Settled:
    """A clean value, and the repair that made it clean, if one did."""

    text: str
    repair: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a transform may need beside the value."""

    zone: tzinfo = UTC
    formats: Sequence[str] = ()
    start: str | None = None
    divide_by: float | None = None
    decimal: str = "."


def check_zone(name: str) -> str:
    """Raises ValueError for an unknown time zone."""
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone, such as America/Chicago") from error


def _settled(before: str, after: str, repair: str) -> Settled:
    return Settled(after, repair if before != after else None)


def text(value: str, _options: Options) -> Settled:
    """Text for people: without characters that nobody can read, or quotes around the whole."""
    readable = value.replace("\ufffd", "")
    if readable != value:
        return Settled(" ".join(readable.split()), "unreadable_character")
    if len(value) > 1 and value[0] == value[-1] == '"':
        return Settled(value[1:-1].replace('""', '"').strip(), "quotes")
    return Settled(value)


def _aware(moment: datetime, zone: tzinfo) -> Settled:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return Settled(moment.astimezone(UTC).isoformat())


def swapped(form: str) -> str:
    """The form with day and month in each other's place."""
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def is_date_form(form: str) -> bool:
    """Whether `strptime` can read a year at least with it."""
    day = datetime(2001, 12, 25, tzinfo=UTC)
    try:
        read = datetime.strptime(day.strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error):  # the second is what it raises for %d/%d/%Y
        return False
    return read.year == day.year


def iso(value: str, options: Options) -> Settled:
    """A day or an instant as ISO 8601 has it."""
    try:
        return _aware(datetime.fromisoformat(value), options.zone)
    except (ValueError, OverflowError):
        raise BadValue("date", "is not an ISO 8601 date", "Write it as 2024-03-20.") from None


def date(value: str, options: Options) -> Settled:
    """A day or an instant in one of the mapping's own forms."""
    for form in options.formats:
        try:
            return _aware(datetime.strptime(value, form), options.zone)  # noqa: DTZ007
        except (ValueError, OverflowError):
            continue
    forms = " or ".join(options.formats)
    raise BadValue("date", f"is not a date like {forms}", "Correct it, or add its form.")


def day_number(value: str, options: Options) -> Settled:
    """The day's number since 1970, in UTC: a version that grows with the date."""
    settled = date(value, options) if options.formats else iso(value, options)
    moment = datetime.fromisoformat(settled.text)
    return Settled(str((moment - datetime(1970, 1, 1, tzinfo=UTC)).days))


def days_after(value: str, options: Options) -> Settled:
    """So many days after `start`."""
    try:
        days = timedelta(days=int(value))
        start = datetime.fromisoformat(options.start or "")
        if abs(days.days) > _DAYS:
            raise OverflowError
        return _aware(start + days, options.zone)
    except (ValueError, OverflowError):
        raise BadValue("days", "is not a whole number of days", "Write it as -12 or 30.") from None


# Digits, in groups of three or in none; what separates groups depends on the decimal sign.
_WRITTEN = {
    sign: re.compile(
        rf"[+-]?(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)?(?:{re.escape(sign)}[0-9]*)?"
        r"(?:[eE][+-]?[0-9]{1,4})?"
    )
    for sign, group in ((".", "[, ']"), (",", "[. ']"))
}


def _plain_number(value: str, sign: str = ".") -> Decimal:
    """Refuses 1,5 where a point is the decimal sign: to read it as 15 would be a guess."""
    if not _WRITTEN[sign].fullmatch(value):
        fix = f"Write digits, such as 1250{sign}50; 'decimal' in the mapping names the other sign."
        raise BadValue("number", "is not a number", fix)
    bare = re.sub("[ ']", "", value)
    bare = bare.replace(",", "") if sign == "." else bare.replace(".", "").replace(",", ".")
    try:
        number = Decimal(bare)
    except InvalidOperation:
        raise BadValue("number", "is not a number", "Write digits, such as 1250.50.") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise BadValue("number", "is not a number", "Write digits, such as 1250.50.")
    return number


def number(value: str, options: Options) -> Settled:
    """A number, divided by `divide_by` when the mapping says so."""
    plain = _plain_number(value, options.decimal)
    if options.divide_by is None:
        return _settled(value, format(plain, "f"), "number_format")
    return Settled(repr(float(plain) / options.divide_by))


def integer(value: str, options: Options) -> Settled:
    plain = _plain_number(value, options.decimal)
    if plain != plain.to_integral_value():
        raise BadValue("integer", "is not a whole number", "Write it without a fraction.")
    return _settled(value, str(int(plain)), "number_format")


def money(value: str, options: Options) -> Settled:
    """An amount, with or without the currency's sign; two decimals."""
    plain = _plain_number(value.strip("$€£").strip(), options.decimal)
    if plain < 0:
        raise BadValue("money", "is below zero", "Write the amount as a positive number.")
    amount = plain.quantize(Decimal("0.01"))
    return Settled(str(amount), "number_format" if re.search(r"[$€£, ']", value) else None)


def cip(value: str, _options: Options) -> Settled:
    """A field of study, dd.dddd. Lists lose the dot, and the zero in front of agriculture."""
    digits = value.replace(".", "")
    if value.count(".") <= 1 and digits.isascii() and digits.isdigit():
        if "." in value:
            whole, _, fraction = value.partition(".")
            digits = whole.rjust(2, "0") + fraction.ljust(4, "0")
        if len(digits) == 5:
            return Settled(f"0{digits[0]}.{digits[1:]}", "cip_leading_zero")
        if len(digits) == 6:
            return _settled(value, f"{digits[:2]}.{digits[2:]}", "cip_dot")
    raise BadValue("cip", "is not a CIP code", "Write it as 51.3902.")


def onet(value: str, _options: Options) -> Settled:
    """An occupation, dd-dddd.dd. Lists leave the punctuation out, or stop at the SOC code."""
    digits = re.sub(r"[-.]", "", value)
    if not re.fullmatch(r"[0-9]{6}([0-9]{2})?", digits):
        raise BadValue("onet", "is not an O*NET-SOC code", "Write it as 31-1014.00.")
    digits = digits.ljust(8, "0")
    return _settled(value, f"{digits[:2]}-{digits[2:6]}.{digits[6:]}", "onet_punctuation")


def us_zip(value: str, _options: Options) -> Settled:
    """A US postal code. Spreadsheets drop the zero in front: 7016 was 07016."""
    if re.fullmatch(r"[0-9]{5}(-[0-9]{4})?", value):
        return Settled(value)
    if re.fullmatch(r"[0-9]{3,4}", value):
        return Settled(value.rjust(5, "0"), "zip_leading_zero")
    if re.fullmatch(r"[0-9]{9}", value):
        return Settled(f"{value[:5]}-{value[5:]}", "zip_dash")
    raise BadValue("zip", "is not a US postal code", "Write it as 07016 or 07016-1234.")


def region(value: str, _options: Options) -> Settled:
    """A state as two capitals."""
    if re.fullmatch(r"[A-Za-z]{2}", value):
        return _settled(value, value.upper(), "region_case")
    raise BadValue("region", "is not a two-letter code", "Write it as TX.")


def place(value: str, options: Options) -> Settled:
    """The name of a town."""
    settled = text(value, options)
    if re.search(r"[0-9,;@]", settled.text):
        raise BadValue("place", "is not just the name of a place", "Write the name alone.")
    return settled


_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}(:[0-9]+)?", re.I)


def url(value: str, _options: Options) -> Settled:
    """A web page; https:// is put in front when the list leaves it out."""
    repaired = value if re.match(r"https?://", value, re.I) else f"https://{value}"
    host = repaired.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    if " " in value or not _HOST.fullmatch(host):
        raise BadValue("url", "is not a web address", "Write it as https://example.org/page.")
    return _settled(value, repaired, "url_scheme")


def slug(value: str, _options: Options) -> Settled:
    """Lower-case letters, digits and dashes, for an organisation's id."""
    made = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    if not made:
        raise BadValue("slug", "has no letter or digit", "Give it a name.")
    return _settled(value, made, "slug")


TRANSFORMS: dict[str, Callable[[str, Options], Settled]] = {
    "cip": cip,
    "date": date,
    "day_number": day_number,
    "days_after": days_after,
    "integer": integer,
    "iso": iso,
    "money": money,
    "number": number,
    "onet": onet,
    "place": place,
    "region": region,
    "slug": slug,
    "text": text,
    "url": url,
    "us_zip": us_zip,
}
