"""One opened input, whatever its format."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import BLOCK_BYTES, Batch
from importer.source.csv_grammar import Layout
from importer.source.version import SourceVersion


@dataclass(frozen=True, slots=True)
class Source:
    r"""One opened input.

    columns     names in file order, unnamed trailing ones left out
    read        the rows in blocks of about so many bytes, from the first one each time it is called
    layout      how its records are read; None for Parquet
    header_raw  the bytes up to the first data row: byte-order mark, skipped lines, header and its line end;
                a file of these bytes and some rows is read with the same configuration
    newline     the first line end of the file, encoded; b"\n" where it has none
    faults      what is wrong with the header, in sentences that quote no name; `batches` refuses to start
    types       the type of each column of a table; None for text, whose cells are all text
    version     what the file was before its first byte was read; None where that is not known
    """

    path: str
    format: str
    columns: tuple[str, ...]
    read: Callable[[int], Iterator[Batch]]
    layout: Layout | None = None
    header_raw: bytes = b""
    newline: bytes = b"\n"
    faults: tuple[str, ...] = ()
    types: Mapping[str, pl.DataType] | None = None
    version: SourceVersion | None = None

    def batches(self, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
        """The rows in file order, from the first one each time it is called.

        Raises SourceError while reading: a file that vanished, a damaged stream, a header with faults.
        """
        if self.faults:
            raise SourceError(f"{self.path}: {'; '.join(self.faults)}.")
        return self.read(block_bytes)
