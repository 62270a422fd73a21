"""A count of bytes takes no record for healthy that is not: every short record there is."""

from itertools import product

import polars as pl
import pytest

from importer.source.csv_grammar import Dialect, Grammar, Layout, cells_of, grammar_of
from importer.source.csv_sparse_quotes import has_sparse_quotes, sparse_cells

NAMES = ["a", "b"]
LAYOUT = Layout(Dialect(), ("a", "b"))


def cells(record: str) -> pl.DataFrame | None:
    view, grammar = f"{record}\n".encode(), grammar_of(LAYOUT, b"")
    return sparse_cells(NAMES, grammar, pl.Series([record]), pl.Series([record.count('"')]), view)


@pytest.mark.parametrize("length", range(1, 7))
def test_every_short_record(length: int) -> None:
    grammar = grammar_of(LAYOUT, b"")
    for signs in product('a,"\n', repeat=length):
        record = "".join(signs)
        if (found := cells(record)) is not None:
            assert is_healthy(grammar, record), record
            assert found.equals(cells_of(LAYOUT, grammar, pl.Series([record]), f"{record}\n".encode()))
        elif '"' in record and not record.startswith("\n"):
            assert not is_healthy(grammar, record), record


def is_healthy(grammar: Grammar, record: str) -> bool:
    return bool(grammar.all_healthy(pl.Series([record])).all())


def test_one_bad_record_among_others_is_found() -> None:
    good = ['1,"a\nb"', '"x""y","z"', "2,c"]
    for bad in ('1,a"b"', '"a"b"c",1', '"a,"b",c",1', '1,"a",', '"a"', "1", '"a"b,c'):
        records = [*good, bad, *good]
        view = "".join(f"{record}\n" for record in records).encode()
        quotes = pl.Series([record.count('"') for record in records])
        assert sparse_cells(NAMES, grammar_of(LAYOUT, view), pl.Series(records), quotes, view) is None


def test_quotes_are_counted_in_the_first_lines() -> None:
    assert has_sparse_quotes(b'1,"a"\n' * 9, '"')
    assert not has_sparse_quotes(b'"1","a"\n' * 9, '"')
