import polars as pl

from importer.core.rejects import REJECTS, rejects_frame


def test_a_frame_gets_every_column_in_order() -> None:
    frame = rejects_frame(pl.DataFrame({"reason": ["blank"], "order": [3], "extra": [1]}))
    assert frame.schema == pl.Schema(dict(REJECTS))
    assert frame.select("order", "position", "reason", "value").row(0) == (3, -1, "blank", None)
