"""Blanks around a text: which characters count, and that a clean column is left as it is."""

import polars as pl
import pytest

from importer.values.blanks import BLANKS, any_at_edges, strip, stripped_if_needed


@pytest.mark.parametrize("blank", [*BLANKS, "  ", "\u00a0\u200b", "\r\n"])
def test_every_blank_is_removed_at_both_edges_and_kept_inside(blank: str) -> None:
    text = pl.Series(["clean", f"{blank}a{blank}b{blank}"])
    assert any_at_edges(text)
    assert strip(text).to_list() == ["clean", f"a{blank}b"]


@pytest.mark.parametrize("text", ["a b", "ä", "é", "🙂", "مرحبا", "a-", "~", "a\u200bb"])
def test_other_characters_stay(text: str) -> None:
    column = pl.Series(["x", None, text])
    assert not any_at_edges(column)
    assert stripped_if_needed(column) is column


def test_polars_and_python_agree_on_what_white_space_is() -> None:
    every = [chr(n) for n in range(0x3100) if chr(n).isspace()]
    assert set(every) <= set(BLANKS)
    assert pl.Series(every).str.strip_chars(BLANKS).to_list() == [""] * len(every)
