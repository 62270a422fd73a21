"""Records with one quoted field at most: counted bytes show whether they are healthy, sooner than a pattern.

polars takes quotes from no field but one that begins with a quote. So where both quotes of a record are gone
and nothing else is, they were the first and the last character of one field. Of more quotes some may have
stood inside it: polars takes these too, and such records are looked at one by one.
"""

import polars as pl

from importer.source.csv_grammar import Grammar, strict_cells

_SAMPLE = 1 << 16


def has_sparse_quotes(view: bytes, quote: str) -> bool:
    """Whether the first lines have two quotes each at most, in the mean."""
    return view.count(quote.encode(), 0, _SAMPLE) <= 2 * view.count(b"\n", 0, _SAMPLE)


def sparse_cells(
    names: list[str], grammar: Grammar, records: pl.Series, quotes: pl.Series, view: bytes
) -> pl.DataFrame | None:
    """The cells of records, each with so many quotes; None where one may not be healthy.

    `view` is the same records with a line end behind each.
    """
    if grammar.keep or grammar.signs.instead or grammar.signs.escape or b"\0" in view:
        return None
    if (quotes % 2 == 1).any():  # no need to parse what is not whole: it takes memory
        return None
    many = quotes > 2
    if many.any() and not grammar.all_healthy(records.filter(many)).all():
        return None
    cells = strict_cells(names, grammar.signs, view, grammar.signs.quote)
    if cells is None or cells.height != records.len():
        return None
    width = cells.select(width=pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64)))["width"]
    whole = width + (len(names) - 1) + quotes == records.str.len_bytes().cast(pl.Int64)
    return cells if (many | whole).all() else None
