"""A batch of many rows in pieces: nothing is lost, and each piece has the text of its own rows."""

import polars as pl
import pytest

from importer.source.batch import Batch
from importer.source.batch_pieces import pieces_of
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_splitter import Splitter

TEXT = b'1,a\r\n\r\n2,"b\r\nc"\r\nbad\r\nbad too\r\n3,"d\n\ne"\r\n4,f'


@pytest.mark.parametrize(("most", "each"), [(1, 1), (4, 1), (5, 1), (6, 6), (100, 6)])
def test_pieces_are_the_batch(most: int, each: int) -> None:
    splitter = Splitter(Layout(Dialect(), ("id", "text")), line=7)
    batch = splitter.feed(TEXT, final=True)
    assert batch is not None
    pieces = list(pieces_of(batch, 7, most))
    assert [piece.row.len() + piece.set_aside.height for piece in pieces] == [each] * (6 // each)
    for name in ("cells", "set_aside"):
        assert pl.concat([getattr(piece, name) for piece in pieces]).equals(getattr(batch, name))
    for name in ("row", "line", "records"):
        assert pl.concat([getattr(piece, name) for piece in pieces]).equals(getattr(batch, name))
    assert b"".join(piece.text or b"" for piece in pieces) == batch.text
    assert all(_has_its_cells(piece) for piece in pieces)


def _has_its_cells(piece: Batch) -> bool:
    text = (piece.text or b"").decode()
    return all(cell.replace("\r", "") in text for row in piece.cells.rows() for cell in row)
