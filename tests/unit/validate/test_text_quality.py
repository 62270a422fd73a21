"""Signs of damage in the texts of a column."""

import polars as pl
import pytest
from ftfy.badness import is_bad

from importer.validate.text_quality import (
    _EXAMINED,
    NO_SIGN,
    SUSPICIOUS,
    Contents,
    TextQuality,
    beyond_ascii,
)
from importer.values.blanks import BLANKS


def signs(cells: list[str | None], *, sent: bool = True, unwraps: bool = False) -> dict[str, list[int]]:
    """Code → row numbers, from 1."""
    numbers = pl.Series(range(1, len(cells) + 1), dtype=pl.Int64)
    column = pl.Series("c", cells, dtype=pl.String)
    quality = TextQuality(unwraps)
    found = list(quality.look(column, numbers, Contents(), sent=sent))
    for foreign in beyond_ascii(column.to_frame()).values():
        found += quality.look_at_characters(column, numbers, foreign)
    rows = {sign.code: sign.rows.filter(sign.found.fill_null(value=False)).to_list() for sign in found}
    return {code: numbers for code, numbers in rows.items() if numbers}


def test_marks_of_spreadsheets() -> None:
    cells = ['="00123"', "'+12025550143", "=1+1", "'08901", "'s-Hertogenbosch", "O'Neill", "=", None]
    assert signs(cells) == {"spreadsheet_text": [1, 2, 3, 4]}
    assert signs(cells, unwraps=True) == {"spreadsheet_text": [3]}
    assert signs(cells, sent=False) == {}


def test_rounded_numbers() -> None:
    assert signs(["4.47912E+11", "8,9e+19", "7E10", "E+", "1E+5", "size+"]) == {"number_rounded": [1, 2, 5]}


@pytest.mark.parametrize("text", ["a\x80b", "x\x9f", "caf\ufffd"])
def test_control_characters(text: str) -> None:
    assert signs(["ä", text])["control_characters"] == [2]


@pytest.mark.parametrize("text", ["MÃ¼ller", "donâ€™t", "20Â°", "Ð\x9fÑ\x80Ð¸Ð²ÐµÑ\x82"])
def test_mojibake(text: str) -> None:
    assert signs(["Müller", text])["mojibake"] == [2]


@pytest.mark.parametrize("text", ["Müller", "SÃO PAULO", "Ângela", "don’t", "Привет", "田中さん", "naïve"])
def test_healthy_text_shows_nothing(text: str) -> None:
    assert signs([text, "x"]) == {}


def test_only_so_many_distinct_texts_are_examined() -> None:
    cells: list[str | None] = [f"éé{n}" for n in range(_EXAMINED)]
    assert "mojibake" not in signs([*cells, "MÃ¼ller"])
    assert signs([*cells[:-1], "MÃ¼ller"])["mojibake"] == [_EXAMINED]


def test_what_ftfy_calls_bad_is_suspicious() -> None:
    """A new version of ftfy may look for more; then the pattern has to follow."""
    beyond = "".join(chr(n) for n in [*range(0x80, 0x530), *range(0x2000, 0x2600), 0xF8FF, 0xFB01, 0xFB02])
    texts = pl.Series([f"{a}{c}{b}" for c in beyond for a in ("", *"aZ0 ") for b in ("", *"aZ0 ")])
    healthy = texts.filter(~texts.str.contains(SUSPICIOUS))
    assert len(healthy) > len(beyond)
    assert not any(is_bad(text) for text in healthy)


def flags(contents: Contents) -> list[bool]:
    return [contents.nul, contents.hash, contents.mark, contents.exponent, contents.more_than_ascii]


def test_a_sign_is_not_looked_for_where_its_character_is_missing() -> None:
    assert flags(Contents(b"id,name\n1,ana\n")) == flags(NO_SIGN) == [False] * 5
    assert flags(Contents("'=E+#ä\0".encode())) == flags(Contents()) == [True] * 5
    for place, character in enumerate(["\0", "#", "'", "+", "ä"]):
        assert [at for at, found in enumerate(flags(Contents(character.encode()))) if found] == [place]
    assert Contents(b"=").mark


@pytest.mark.parametrize("blank", BLANKS)
def test_no_blank_is_overlooked_where_none_is_said_to_be(blank: str) -> None:
    assert Contents(f"a{blank}b".encode()).blank
    assert Contents().blank
    assert NO_SIGN.blank
    assert not Contents(b"a@example.com!~").blank
