"""The reports of a run: `rejects.csv`, sorted by file and row, and the original rows to correct.

Rejects of the reader and of the check come in file order, those of the destination chunk by chunk. Both are
written as parts while the run goes on and merged at the end, one stretch of the input after another, so that
memory does not grow with the number of rejects.
"""

import gzip
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import polars as pl

from importer.core.errors import StateError
from importer.core.rejects import EARLIER_STAGES, REJECTS, REPORT_COLUMNS
from importer.core.row_order import ROW_OF, SOURCE_OF
from importer.report.reject_parts import Parts
from importer.source.csv_grammar import Layout
from importer.source.decode import TextEncoding
from importer.source.partitions import partition_folder
from importer.source.streams import zstd_module
from importer.storage import atomic_files, checked_files
from importer.storage.disk_errors import state_errors
from importer.storage.run_folder import RunFolder
from importer.validate.read_result import Original


@dataclass(frozen=True, slots=True)
class Written:
    """How many lines `rejects.csv` has, how many kept rows were there, and the parts that are damaged."""

    lines: int
    kept: int
    damaged: tuple[Path, ...]


class RejectFiles:
    """Takes parts while the run goes on; `write` merges them into the files of the run."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        atomic_files.make_folder(folder.kept)

    def add_batch(self, number: int, rejects: pl.DataFrame, kept: pl.DataFrame) -> None:
        """What reading and checking refused of one batch; both frames are in file order."""
        self._put(f"batch-{number:06d}", rejects, kept)

    def add_chunk(self, number: int, rejects: pl.DataFrame, kept: pl.DataFrame) -> None:
        """What the destination refused of one chunk; both frames are in file order."""
        self._put(f"chunk-{number:06d}", rejects, kept)

    def add_late(self, number: int, rejects: pl.DataFrame, kept: pl.DataFrame) -> None:
        """What the check refused of rows that waited for the change filter; both frames are in file order."""
        self._put(f"chunk-late-{number:06d}", rejects, kept)

    def _put(self, name: str, rejects: pl.DataFrame, kept: pl.DataFrame) -> None:
        for frame, folder in ((rejects, self._folder.work), (kept, self._folder.kept)):
            part = folder / f"{name}.parquet"
            with state_errors(self._folder.path):
                if frame.height:
                    checked_files.write_parquet(part, frame)
                else:
                    part.unlink(missing_ok=True)  # written by an earlier attempt of the run

    def write_rows(self, edges: Sequence[int], originals: Sequence[Original]) -> None:
        """Writes `rejected_rows/` again from the rows that are kept; StateError where a part is damaged."""
        kept = Parts(self._folder.kept, edges)
        with state_errors(self._folder.path):
            for path in self._folder.rejected_files():
                path.unlink()
            atomic_files.make_folder(self._folder.work)
            self._write_rows(kept, originals)
        if kept.damaged:
            raise StateError(f"{kept.damaged[0]}: damaged, so rejected_rows lacks its rows.")
        shutil.rmtree(self._folder.path / "work", ignore_errors=True)

    def write(self, edges: Sequence[int], originals: Sequence[Original]) -> Written:
        """Writes `rejects.csv` and `rejected_rows/`. `edges` is the last source order of each batch read.

        A damaged part is left out, so that the rest of the report is there.
        """
        lines, kept, written = Parts(self._folder.work, edges), Parts(self._folder.kept, edges), 0
        with state_errors(self._folder.path), atomic_files.replacing(self._folder.rejects) as report:
            report.write((",".join(REPORT_COLUMNS) + "\n").encode())
            for frame in lines.in_order():
                written += frame.height
                _report_lines(frame, originals).write_csv(report, include_header=False)
            rows_kept = self._write_rows(kept, originals)
        return Written(written, rows_kept, (*lines.damaged, *kept.damaged))

    def _write_rows(self, kept: Parts, originals: Sequence[Original]) -> int:
        """Writes `rejected_rows/`; how many rows the parts have, of which some may be the same."""
        found = 0
        with ExitStack() as stack:
            rows = _RowFiles(self._folder.rejected_rows, originals, stack)
            for frame in kept.in_order():
                found += frame.height
                rows.write(frame.unique("order", keep="first", maintain_order=True))
            rows.finish()
        return found


def _report_lines(frame: pl.DataFrame, originals: Sequence[Original]) -> pl.DataFrame:
    paths = pl.Series([o.path for o in originals], dtype=pl.String)
    return (
        frame.select(list(REJECTS))
        .with_columns(pl.col("stage").replace(EARLIER_STAGES))
        .select(
            paths.gather(frame.select(SOURCE_OF).to_series()).alias("file"),
            ROW_OF.alias("row"),
            *REPORT_COLUMNS[2:],
        )
    )


class _RowFiles:
    """`rejected_rows/NN-name`, one per source with something rejected, opened when first needed."""

    def __init__(self, folder: Path, originals: Sequence[Original], stack: ExitStack) -> None:
        self._folder = folder
        self._originals = originals
        self._stack = stack
        self._open: dict[int, BinaryIO] = {}
        self._tables: dict[int, list[Path]] = {}

    def write(self, frame: pl.DataFrame) -> None:
        """Appends rows, in source order."""
        for (number,), part in frame.group_by(SOURCE_OF, maintain_order=True):
            source = int(str(number))
            original = self._originals[source]
            if original.layout is not None:
                self._append(source, original.header, _original_bytes(part, original, original.layout))
            elif original.format == "jsonl":
                self._append(source, b"", _json_lines(part))
            else:
                self._write_table(source, part)

    def _name(self, source: int) -> Path:
        original = self._originals[source]
        path = PurePosixPath(original.path.rstrip("/"))
        name = path.name
        if self._folder.name in path.parts:  # a retry of such a file keeps the name of the first source
            name = re.sub(r"^[0-9]+-", "", name)
        folder = self._folder
        if original.layout is not None and original.layout.constants:
            folder /= partition_folder(original.path)
        atomic_files.make_folder(folder)
        return folder / f"{source + 1:02d}-{_readable_name(name, original.format)}"

    def _append(self, source: int, header: bytes, rows: Iterator[bytes]) -> None:
        file = self._open.get(source)
        if file is None:
            file = self._open[source] = self._stack.enter_context(_create(self._name(source)))
            file.write(header)
        newline = self._originals[source].newline
        for row in rows:  # a damaged one may be of 16 MiB, so none is copied
            file.write(row)
            file.write(newline)

    def _write_table(self, source: int, part: pl.DataFrame) -> None:
        parts = self._tables.setdefault(source, [])
        path = self._folder.parent / "work" / f"rows-{source:03d}-{len(parts):06d}.parquet"
        cells = "original_cells" if "original_cells" in part.columns else "original"  # of version 0.1.0
        part[cells].struct.unnest().write_parquet(atomic_files.make_empty(path))
        parts.append(path)

    def finish(self) -> None:
        """Joins the parts of the Parquet files."""
        for source, parts in self._tables.items():
            pl.scan_parquet(parts, glob=False).sink_parquet(atomic_files.make_empty(self._name(source)))


def _original_bytes(part: pl.DataFrame, original: Original, layout: Layout) -> Iterator[bytes]:
    """The bytes of each row in the file: damaged rows are stored as bytes, healthy ones as text."""
    encoding = TextEncoding(layout.dialect.encoding)
    encoding.settle(original.header)
    nothing = [None] * part.height
    texts = part["original"].to_list() if "original" in part.columns else nothing
    damaged = part["bytes"].to_list() if "bytes" in part.columns else nothing
    for text, raw in zip(texts, damaged, strict=True):
        yield raw if text is None else encoding.restore(text.encode())


def _readable_name(name: str, kind: str) -> str:
    """The name with an extension by which the rows are read back, where its own does not say how."""
    if kind in ("parquet", "xlsx"):
        return name if name.endswith(".parquet") else f"{name}.parquet"
    return f"{name}.{kind}" if name.endswith(".zip") else name


def _json_lines(part: pl.DataFrame) -> Iterator[bytes]:
    """One JSON object a row with the texts of its cells; damaged lines as they stand in the file."""
    nothing = [None] * part.height
    rows = part["original_cells"].to_list() if "original_cells" in part.columns else nothing
    damaged = part["bytes"].to_list() if "bytes" in part.columns else nothing
    for cells, raw in zip(rows, damaged, strict=True):
        yield json.dumps({k: v for k, v in cells.items() if v is not None}).encode() if raw is None else raw


def _create(path: Path) -> BinaryIO:
    """A file to write, compressed as its name says, so that it can be read back as the source was."""
    atomic_files.make_empty(path)
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "wb", compresslevel=6))
    return cast(BinaryIO, zstd_module().open(path, "wb")) if path.suffix == ".zst" else path.open("wb")
