"""What a person's rows come to under an operation that takes all of them: sums and unions.

Works on JSON text, as the chunker holds it, and is exact: no number passes through a float.
"""

from decimal import Context, Decimal

import polars as pl

from importer.values import cell_texts, json_text

TAKES_ALL = frozenset({"increase", "add", "remove"})
"""Operations that take every value of a person instead of the last one."""

_INTEGER = r"^-?[0-9]+$"
_DIGITS = 38
"""Decimal digits that polars holds exactly; a sum may carry ten more than its longest number."""

_CARRY = 10
_EXACT = Context(prec=2000)
"""Wide enough for the largest and the smallest number of JSON that is finite, added up."""


def fold(operation: str, rows: pl.DataFrame) -> pl.DataFrame:
    """`id` and `value` (JSON text, not null) of several rows in source order → one line an id, in any order.

    `increase` adds numbers up; `add` and `remove` unite lists, each option once, in order of appearance.
    """
    return _sums(rows) if operation == "increase" else _unions(rows)


def _sums(rows: pl.DataFrame) -> pl.DataFrame:
    text = rows["value"]
    longest = int(str(text.str.len_bytes().max()))
    if longest + _CARRY <= _DIGITS and text.str.contains(_INTEGER).all():
        return rows.group_by("id").agg(pl.col("value").cast(pl.Int128).sum().cast(pl.String))
    scale = _scale(text)
    if scale is None:
        return _slow_sums(rows)
    exact = pl.col("value").cast(pl.Decimal(_DIGITS, scale)).sum().cast(pl.String)
    return rows.group_by("id").agg(cell_texts.shortest(exact))


def _scale(text: pl.Series) -> int | None:
    """The longest fraction, where every number and their sum fit a Decimal of polars'; else None."""
    parts = text.str.extract_groups(r"^-?([0-9]+)(?:\.([0-9]+))?$").struct.unnest()
    whole, fraction = (column.str.len_bytes() for column in parts.get_columns())
    if whole.null_count():
        return None
    longest, scale = int(str(whole.max())), int(str(fraction.max() or 0))
    return scale if longest + scale + _CARRY <= _DIGITS else None


def _slow_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """For exponents and very long numbers, which are rare: person by person."""
    sums: dict[str, Decimal] = {}
    for id_, value in rows.select("id", "value").iter_rows():
        sums[id_] = _EXACT.add(sums.get(id_, Decimal(0)), Decimal(value))
    texts = [_EXACT.normalize(total) for total in sums.values()]
    return pl.DataFrame(
        {"id": list(sums), "value": [f"{t:f}" for t in texts]}, schema={"id": pl.String, "value": pl.String}
    )


def _unions(rows: pl.DataFrame) -> pl.DataFrame:
    lists = rows.with_columns(pl.col("value").str.json_decode(pl.List(pl.String)))
    united = (
        lists.explode("value")
        .group_by("id", maintain_order=True)
        .agg(pl.col("value").unique(maintain_order=True))
    )
    return united.with_columns(json_text.encode_lists(united["value"]))
