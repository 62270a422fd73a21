"""Dates and moments of fixed width: a fast answer is never yes where the slow one is no."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config.attribute import Attribute
from importer.values import fixed_width
from importer.values.fixed_width import all_fit
from importer.values.moments import type_date, type_datetime

DATE = "%Y-%m-%d"
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
KINDS: dict[str, pl.Date | pl.Datetime] = {DATE: pl.Date(), MOMENT: pl.Datetime("us")}
EXAMPLE = {DATE: "2024-02-29", MOMENT: "2024-02-29T23:59:59Z"}
NO_OTHER = "no text of any format"


def fits(pattern: str, *texts: str | None) -> bool:
    return all_fit(pl.Series("c", texts, dtype=pl.String), pattern, KINDS.get(pattern, pl.Datetime("us")))


def read(attribute: dict[str, Any], texts: list[str | None]) -> list[Any]:
    """Value, presence, reason and zone of each text."""
    declared = Attribute.model_validate(attribute)
    column = pl.Series("c", texts, dtype=pl.String)
    typed = (type_date if declared.type == "date" else type_datetime)(declared, column)
    reasons = [None] * len(texts) if typed.reason is None else typed.reason.to_list()
    zoned = [None] * len(texts) if typed.utc is None else typed.utc.to_list()
    return list(zip(typed.value.to_list(), typed.present.to_list(), reasons, zoned, strict=True))


@pytest.mark.parametrize("pattern", KINDS)
def test_good_texts_are_seen_at_once(pattern: str) -> None:
    last = EXAMPLE[pattern][10:]
    days = pl.date_range(pl.date(1999, 12, 1), pl.date(2001, 3, 31), eager=True).cast(pl.String)
    assert fits(pattern, *(day + last for day in days), None)
    assert fits(pattern, "1000-01-01" + last, "9999-12-31" + last)
    assert fits(pattern)
    assert fits(pattern, None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%d.%m.%Y", "29.02.2024"),
        ("%Y%m%d", "20240229"),
        ("%FT%T", "2024-02-29T12:00:00"),
        ("%d/%m/%Y um %H:%M Uhr, früh", "29/02/2024 um 07:05 Uhr, früh"),
    ],
)
def test_a_declared_format_of_fixed_width_is_seen_too(pattern: str, text: str) -> None:
    kind = "datetime" if "H" in pattern or "T" in pattern else "date"
    assert all_fit(pl.Series([text]), pattern, pl.Date() if kind == "date" else pl.Datetime("us"))
    later = text.replace("29", "30", 1)
    assert not all_fit(pl.Series([text, later]), pattern, pl.Date() if kind == "date" else pl.Datetime("us"))
    declared = {"type": kind, "format": pattern}
    assert read(declared, [text, None]) == read(declared, [text, None, NO_OTHER])[:2]


@pytest.mark.parametrize(
    "pattern",
    ["", "excel", "%Y", "%Y-%m", "%d.%m.%y", "%Y-%m-%d %z", "%Y-%m-%d%", "%Y-%m-%d %d", "%Y-%m-%d %H"],
)
def test_of_another_format_nothing_is_said(pattern: str) -> None:
    assert not fits(pattern, "2024-02-29")
    assert not fits(pattern, "2024-02-29 10")


ODD = [
    "",
    " ",
    "2024-02-30",
    "2023-02-29",
    "1900-02-29",
    "2024-04-31",
    "2024-00-10",
    "2024-13-10",
    "2024-10-00",
    "2024-10-32",
    "0999-10-10",
    "0000-10-10",
    "+024-10-10",
    "-024-10-10",
    " 024-10-10",
    "2024- 1-10",
    "2024-1 -10",
    "2024-1-010",
    "2024/10/10",
    "2024-10-1\n",
    "2024-10-1\0",
    "2024\u201010-1",
    "2024-\u00a010-",
    "\uff12024-10-",
    "\ufeff2024-10",
    "2024-10-1\u0661",
]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("pattern", KINDS)
def test_a_text_that_is_no_date_never_passes(pattern: str, text: str) -> None:
    last = EXAMPLE[pattern][10:]
    assert not fits(pattern, EXAMPLE[pattern], text + last)
    assert not fits(pattern, text + last, EXAMPLE[pattern])


@pytest.mark.parametrize(
    "clock",
    ["24:00:00Z", "30:00:00Z", "23:60:00Z", "23:59:60Z", "23:59:59z", "23:59:59 ", " 3:59:59Z", "23-59-59Z"],
)
def test_a_time_that_no_clock_shows_never_passes(clock: str) -> None:
    assert fits(MOMENT, EXAMPLE[MOMENT], "2024-02-28T23:59:59Z")
    assert not fits(MOMENT, EXAMPLE[MOMENT], "2024-02-28T" + clock)


def test_a_bad_text_is_found_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_width, "_ROWS", 4)
    for place in range(10):
        texts = ["2024-02-29"] * 10
        assert fits(DATE, *texts)
        texts[place] = "2023-02-29"
        assert not fits(DATE, *texts)


_TEXTS = st.builds(
    lambda text, at, put: text[: at % len(text)] + put + text[at % len(text) + len(put) :],
    st.dates().map(str) | st.datetimes().map(lambda m: m.strftime("%Y-%m-%dT%H:%M:%SZ")),
    st.integers(0, 19),
    st.sampled_from(
        ["", "0", "1", "3", "6", "9", " ", "+", "-", ":", "T", "Z", "\0", "\u00a0", "\uff11", "\t1", "/"]
    ),
)


@given(st.lists(_TEXTS | st.none(), max_size=4), st.sampled_from(["date", "datetime"]))
def test_a_column_reads_as_it_does_beside_a_text_of_no_format(texts: list[str | None], kind: str) -> None:
    assert read({"type": kind}, texts) == read({"type": kind}, [*texts, NO_OTHER])[: len(texts)]
