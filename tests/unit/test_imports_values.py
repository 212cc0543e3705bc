"""What is repaired in a value, and what is refused."""

from __future__ import annotations

import pytest

from services.ingest.imports.values import TRANSFORMS, BadValue, Options, Settled, zone_of

CHICAGO = zone_of("America/Chicago")


def settle(
    name: str, value: str, *, formats: tuple[str, ...] = (), divide_by: float | None = None
) -> Settled:
    options = Options(CHICAGO, formats, "2013-10-01", divide_by)
    return TRANSFORMS[name](value, options)


@pytest.mark.parametrize(
    ("name", "value", "clean", "repair"),
    [
        ("cip", "51.3902", "51.3902", None),
        ("cip", "513902", "51.3902", "cip_dot"),
        ("cip", "10605", "01.0605", "cip_leading_zero"),
        ("cip", "1.0605", "01.0605", "cip_dot"),
        ("onet", "31-1014.00", "31-1014.00", None),
        ("onet", "47211100", "47-2111.00", "onet_punctuation"),
        ("onet", "47-2111", "47-2111.00", "onet_punctuation"),
        ("us_zip", "07016", "07016", None),
        ("us_zip", "7016", "07016", "zip_leading_zero"),
        ("us_zip", "070161234", "07016-1234", "zip_dash"),
        ("region", "Tx", "TX", "region_case"),
        ("money", "5600", "5600.00", None),
        ("money", "$5,600.50", "5600.50", "number_format"),
        ("integer", "1,200", "1200", "number_format"),
        ("integer", "12.0", "12", "number_format"),
        ("url", "www.camdencc.edu", "https://www.camdencc.edu", "url_scheme"),
        ("url", "http://a.example/b?c=d", "http://a.example/b?c=d", None),
        ("text", '"Branford, Inc."', "Branford, Inc.", "quotes"),
        ("text", "Wel\ufffdding", "Welding", "unreadable_character"),
        ("place", "Mt. Laurel", "Mt. Laurel", None),
        ("slug", "Camden County College", "camden-county-college", "slug"),
        ("days_after", "-53", "2013-08-09T05:00:00+00:00", None),
        ("iso", "2024-03-20", "2024-03-20T05:00:00+00:00", None),
        ("day_number", "1970-01-11T00:00:00Z", "10", None),
    ],
)
def test_a_value_is_repaired_and_the_repair_is_named(
    name: str, value: str, clean: str, repair: str | None
) -> None:
    assert settle(name, value) == Settled(clean, repair)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cip", "5139"),
        ("cip", "51.39.02"),
        ("cip", "ERROR"),
        ("onet", "4721"),
        ("us_zip", "ABC12"),
        ("us_zip", "70161"[:2]),
        ("region", "Texas"),
        ("money", "-5"),
        ("money", "free"),
        ("money", "nan"),
        ("money", "1e400"),
        ("integer", "1.5"),
        ("integer", "ERROR"),
        ("url", "info_web@example.net"),
        ("url", "Medical Assistant Courses | Longview, TX"),
        ("url", "N"),
        ("place", "Appleton, WI 54912-2277"),
        ("days_after", "1.5"),
        ("days_after", "99999999999"),
        ("iso", "20/03/2024"),
        ("slug", "!!!"),
    ],
)
def test_a_value_beyond_repair_is_refused_without_being_quoted(name: str, value: str) -> None:
    with pytest.raises(BadValue) as refused:
        settle(name, value)

    assert refused.value.rule
    assert value not in refused.value.reason
    assert refused.value.fix


def test_dates_are_read_in_the_forms_of_the_mapping_and_the_place_s_time() -> None:
    forms = ("%m/%d/%Y %I:%M:%S %p", "%B %d, %Y %I:%M %p")

    assert settle("date", "1/1/2002 12:00:00 AM", formats=forms).text == "2002-01-01T06:00:00+00:00"
    assert settle("date", "November 6, 2023 5:25 PM", formats=forms).text.startswith(
        "2023-11-06T23"
    )
    with pytest.raises(BadValue, match="is not a date like"):
        settle("date", "2002-01-01", formats=forms)


def test_a_score_is_scaled() -> None:
    assert settle("number", "70", divide_by=100).text == "0.7"
