"""The whole input, checked, into the spool and the first parts of the reports."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TypeVar

import polars as pl

from importer.core.events import Event, Observer
from importer.core.models import RunWarning
from importer.core.row_order import ORDER_SHIFT
from importer.pipeline.change_filtering import ChangeFiltering, gone_rows, gone_source, gone_values
from importer.pipeline.sources import refuse_changed, source_options
from importer.report.reject_files import RejectFiles
from importer.source import dialect
from importer.source.batch import Batch
from importer.source.errors import named
from importer.source.footer import rows_up_to
from importer.source.source import Source
from importer.source.undecodable import UndecodableRows
from importer.storage.counted_lists import ContentHash, is_counting
from importer.storage.disk_errors import state_errors
from importer.storage.flag_spool import FlagSpool
from importer.storage.spool import SpoolWriter
from importer.validate.batch_refusals import BatchRefusals, Piece
from importer.validate.hints import find_hints
from importer.validate.read_result import ReadResult, ReadSource
from importer.validate.validator import IdentifiedBatch, ValidatedBatch, Validator
from importer.validate.value_shapes import ValueShapes

Made = TypeVar("Made")


def ahead(things: Iterator[Made]) -> Iterator[Made]:
    """The same things, each one made in a thread of its own while the one before it is used."""
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, things, None)
        while (thing := coming.result()) is not None:
            coming = thread.submit(next, things, None)
            yield thing


def _rows_of(batch: ValidatedBatch) -> pl.DataFrame:
    """What a run spools of a batch: the rows as they are in the source."""
    return batch.rows


class SourceReader:
    """Reads sources batch by batch through the validator into the spool.

    `limit` is the number of rows over all sources, None = all. `on_batch` is called with each checked batch;
    `spooled` returns what is spooled of one (default: its rows). With `filtering`, only rows that the
    snapshot does not know are checked and spooled. `result` is what was read so far; `shapes` are those of
    the values that the check refused and accepted.
    """

    def __init__(
        self,
        validator: Validator,
        reports: RejectFiles,
        writer: SpoolWriter | FlagSpool,
        observer: Observer,
        *,
        limit: int | None = None,
        on_batch: Callable[[ValidatedBatch], None] = lambda _: None,
        spooled: Callable[[ValidatedBatch], pl.DataFrame] | None = None,
        filtering: ChangeFiltering | None = None,
    ) -> None:
        self._validator = validator
        self._reports = reports
        self._writer = writer
        self._observer = observer
        self._limit = limit
        self._on_batch = on_batch
        self._spooled = spooled or _rows_of
        self.filtering = filtering
        self.shapes = ValueShapes()
        self._undecodable = UndecodableRows()
        self.result = ReadResult(counts=validator.counts)
        self._bytes = 0
        self._total_bytes: int | None = None

    def read(self, sources: Sequence[Source]) -> ReadResult:
        """All rows of all sources, or the first `limit`.

        SourceError where a row cannot be read as declared, or a source changed while it was read.
        """
        layouts: dict[object, int] = {}
        self._total_bytes = _text_bytes(sources)
        for index, source in enumerate(sources):
            layout = layouts.setdefault(source.layout or source.path, index)
            before = self._validator.counts.rows_read
            self._read_source(source, index, layout)
            rows = self._validator.counts.rows_read - before
            self.result.sources.append(
                ReadSource(
                    source.path,
                    source.format,
                    rows,
                    source.layout,
                    source.header_raw,
                    source.newline,
                    source.version,
                )
            )
        self._report_progress(self._total_bytes or self._bytes)
        refuse_changed(sources)
        if self.filtering:
            self._spool_due(self.filtering)
        self.result.warnings = list(self._warnings(sources))
        self.result.hints = find_hints(self._validator.config, self._validator.counts, self.shapes)
        if self._validator.inference:
            self.result.mixed = self._validator.inference.mixed()
        return self.result

    def _read_source(self, source: Source, index: int, layout: int) -> None:
        """One source in three threads: a batch is read, the one before it checked, the one before spooled."""
        for batch, checked in ahead(self._checked(source, index)):
            if isinstance(checked, ValidatedBatch):
                self._on_batch(checked)
                self._report(checked.refused, batch, index)
                self.shapes.add_accepted(checked.typed)
                self._spool(checked, layout)
            elif self.filtering:
                self._report(self._validator.refused_of(checked, batch), batch, index)
                self.filtering.add(checked, source.layout, layout, self._validator)
            self._undecodable.add(source.path, batch.set_aside)
            self._observer.reading(self._validator.counts.rows_read)
            self._bytes += len(batch.text or b"")
            self._report_progress(self._bytes)

    def _report(self, refused: BatchRefusals, batch: Batch, source: int) -> None:
        """Puts what was refused of a batch into parts of the reports; each has its own edge."""
        edges = self.result.edges
        last = _last_order(batch, source, edges[-1] if edges else 0)
        for piece in self._noted(refused):
            self._reports.add_batch(len(edges), piece.rejects, piece.kept)
            edges.append(last if piece.end is None else piece.end)

    def _noted(self, refused: BatchRefusals) -> Iterator[Piece]:
        """The pieces of what was refused; its rows are counted, and the shapes of its values noted."""
        self._validator.counts.kept += refused.kept.height
        for piece in refused.pieces():
            self.shapes.add(piece.rejects)
            yield piece

    def _report_progress(self, done: int) -> None:
        """`done` may pass the total: a line at the end of a block is looked at twice."""
        total, rejects = self._total_bytes, self._validator.counts.rejected
        fields = {
            "bytes": done if total is None else min(done, total),
            "total_bytes": total,
            "rejects": rejects,
        }
        self._observer.tell(Event("progress", "reading", fields))

    def _checked(
        self, source: Source, index: int
    ) -> Iterator[tuple[Batch, ValidatedBatch | IdentifiedBatch]]:
        """Each batch, and its checked rows; with a change filter its rows with their ids only."""
        if self.result.limited:
            return
        content = ContentHash() if is_counting(self._validator.config) else None
        check = self._validator.identify if self.filtering else self._validator.validate
        for whole in ahead(source.batches()):
            batch = self._cut(whole)
            if content and batch.row.len():
                content.add(batch.cells, batch.records)
                self.result.contents[source.path] = str(content)
            with named(source.path):
                checked = check(batch, index)
            yield batch, checked
            if self.result.limited:
                return

    def _spool(self, batch: ValidatedBatch, layout: int) -> None:
        if batch.rows.height:
            with state_errors(self._writer.folder):
                self._writer.add(self._spooled(batch), layout)

    def _spool_due(self, filtering: ChangeFiltering) -> None:
        """Checks and spools the rows that may be due; the others are counted."""
        number = count()
        for layout, rows in filtering.due():
            batch = self._validator.validate_identified(rows, self.result.cells(layout, rows))
            self._on_batch(batch)
            for piece in self._noted(batch.refused):
                self._reports.add_late(next(number), piece.rejects, piece.kept)
            self.shapes.add_accepted(batch.typed)
            self._spool(batch, layout)
        filtering.count(self._validator.counts)
        if not filtering.gone_unknown:
            self._spool_gone(filtering)
        counts = self._validator.counts
        counts.blanks = filtering.blanks
        counts.undeclared = Counter({**counts.undeclared, **filtering.undeclared})

    def _spool_gone(self, filtering: ChangeFiltering) -> None:
        """Counts the people who have left the list. Where this is wanted, rows of our own clear them."""
        gone, config, counts = filtering.gone(), self._validator.config, self._validator.counts
        counts.gone, counts.known = gone.height, filtering.change_filter.people
        if not gone.height or config.run.on_gone != "clear":
            return
        number = len(self.result.sources)
        rows, cells = gone_rows(config, gone, number)
        self.result.sources.append(gone_source(gone.height))
        self.result.edges.append(int(rows["order"][-1]))
        counts.rows_read += gone.height
        counts.gone_rows, counts.gone_values = gone.height, gone_values(config, cells)
        self._spool(self._validator.validate_identified(rows, cells), number)

    def _cut(self, batch: Batch) -> Batch:
        """What the limit leaves of the batch; set-aside rows count too."""
        height = batch.row.len() + batch.set_aside.height
        left = height if self._limit is None else self._limit - self._validator.counts.rows_read
        if height <= left:
            return batch
        self.result.limited = True
        numbers = pl.concat([batch.row, batch.set_aside["row"]]).sort().head(left)
        return rows_up_to(batch, numbers[-1] if left else 0)

    # ------------------------------------------------------------ warnings

    def _warnings(self, sources: Sequence[Source]) -> Iterator[RunWarning]:
        ignored = self._validator.config.source.ignore
        columns = [c for c in dict.fromkeys(c for s in sources for c in s.columns) if c not in ignored]
        paths = [source.path for source in self.result.sources]
        yield from self._dialect_warnings(sources)
        yield from self._undecodable.warnings()
        yield from self.filtering.warnings(self._validator.config) if self.filtering else ()
        yield from self._without_rows()
        yield from warnings_of(self._validator, columns, paths if len(sources) > 1 else ())

    def _dialect_warnings(self, sources: Sequence[Source]) -> Iterator[RunWarning]:
        """For each source with many set-aside rows, the line of configuration with which it reads."""
        if self._validator.counts.set_aside <= self._validator.counts.set_aside_free:
            return
        config = self._validator.config
        for source in sources:
            if source.layout and (
                found := dialect.suggest(source.path, source_options(config), config.declared_columns)
            ):
                where = f"{source.path}: " if len(sources) > 1 else ""
                line = f"{where}[source] {found.line}"
                yield RunWarning("dialect_differs", line, found.malformed, found.rows)

    def _without_rows(self) -> Iterator[RunWarning]:
        """Sources that are a header alone; for a list of changes that is a normal day."""
        for source in self.result.sources:
            if not source.rows and not self.result.limited:
                yield RunWarning("source_without_rows", source.path, 0)


def warnings_of(validator: Validator, columns: Sequence[str], paths: Sequence[str]) -> Iterator[RunWarning]:
    """What the validator has seen in the rows of sources with these columns, once all were checked.

    `paths` names each source, where a warning has to say of which one a row is.
    """
    found = list(validator.data_quality.warnings(columns))
    found += validator.inference.warnings() if validator.inference else ()
    yield from (_located(warning, paths) for warning in found)
    yield from _blank_clears(validator)


def _located(warning: RunWarning, paths: Sequence[str]) -> RunWarning:
    """The warning with row numbers in place of source orders."""
    rows = tuple(order & ((1 << ORDER_SHIFT) - 1) for order in warning.rows)
    files = tuple(paths[order >> ORDER_SHIFT] for order in warning.rows) if paths else ()
    return replace(warning, rows=rows, files=files)


def _blank_clears(validator: Validator) -> Iterator[RunWarning]:
    """How many stored values blank cells may remove: it should be no surprise."""
    config = validator.config
    for key, attribute in config.attributes.items():
        count = validator.counts.blanks[key]
        if attribute.blank == "clear" and count:
            yield RunWarning("blank_clears", config.column_of(key), count)


def _text_bytes(sources: Sequence[Source]) -> int | None:
    """The bytes of all sources, None where a size says nothing: a table, a compressed or unknown file."""
    total = 0
    for source in sources:
        if source.layout is None or source.version is None or source.path.endswith((".gz", ".zst", ".zip")):
            return None
        total += source.version.size
    return total


def _last_order(batch: Batch, source: int, before: int) -> int:
    last = [s.max() for s in (batch.row, batch.set_aside["row"]) if len(s)]
    return max([before, *((source << ORDER_SHIFT) + int(str(n)) for n in last)])
