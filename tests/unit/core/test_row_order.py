import polars as pl

from importer.core.row_order import ORDER_SHIFT, ROW_OF, SOURCE_OF


def test_an_order_is_a_source_and_a_row() -> None:
    orders = [1, (2 << ORDER_SHIFT) + 7]
    frame = pl.DataFrame({"order": orders}).select(source=SOURCE_OF, row=ROW_OF)
    assert frame.rows() == [(0, 1), (2, 7)]
