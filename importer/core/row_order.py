"""The place of a row in the whole input, as one integer."""

import polars as pl

ORDER_SHIFT = 40
"""A row's place in the whole input is one integer: source index << 40 | data row."""

SOURCE_OF = pl.col("order") // (1 << ORDER_SHIFT)
TIME = "time"
"""The column of a row's time in a spool, where `latest_by` decides which row is the newest."""

ROW_OF = pl.col("order") & ((1 << ORDER_SHIFT) - 1)
"""With SOURCE_OF: the two halves of a source order, of a frame that has it as `order`."""


def original_columns(rows: pl.DataFrame) -> list[pl.Expr]:
    """Rows as they stand in the source, to keep: `original` of text, `original_cells` of tables."""
    names = {"raw": "original", "cells": "original_cells"}
    return [pl.col(name).alias(kept) for name, kept in names.items() if name in rows.columns]
