"""A source gives its rows from the first one each time, or refuses to start."""

from collections.abc import Iterator

import pytest

from importer.core.errors import SourceError
from importer.source.batch import BLOCK_BYTES, Batch
from importer.source.source import Source


def test_rows_are_read_from_the_first_one_each_time() -> None:
    sizes: list[int] = []

    def read(block_bytes: int) -> Iterator[Batch]:
        sizes.append(block_bytes)
        return iter(())

    source = Source("a.csv", "csv", ("id",), read)
    assert list(source.batches()) == []
    assert list(source.batches(7)) == []
    assert sizes == [BLOCK_BYTES, 7]


def test_a_source_with_faults_refuses_to_start_and_says_all() -> None:
    source = Source("a.csv", "csv", (), lambda _: iter(()), faults=("one fault", "another"))
    with pytest.raises(SourceError) as caught:
        source.batches()
    assert str(caught.value) == "a.csv: one fault; another."
