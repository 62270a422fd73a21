"""The first half of a run: the whole input, checked, into the spool. Nothing is sent before it is done."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from importer.config.schema import GONE, Config
from importer.core.errors import SourceError
from importer.core.events import Observer
from importer.core.models import RunWarning
from importer.core.row_order import ORDER_SHIFT
from importer.report.reject_files import RejectFiles
from importer.source import columns, dialect, options
from importer.source.batch import Batch
from importer.source.locate import expand
from importer.source.object_store import URL
from importer.source.reader import open_source
from importer.source.source import Source
from importer.source.version import version_of
from importer.storage.run_folder import state_errors
from importer.storage.sent_content import ContentHash, is_counting
from importer.storage.spool import SpoolWriter
from importer.validate.change_filter import ChangeFilter
from importer.validate.read_result import ReadResult, ReadSource
from importer.validate.validator import IdentifiedBatch, ValidatedBatch, Validator
from importer.values.row_hash import RowHasher

Made = TypeVar("Made")


def open_sources(config: Config, arguments: Sequence[str]) -> list[Source]:
    """The sources of a run, their headers read and their columns checked; SourceError names all mistakes."""
    options, paths = source_options(config), _paths(config, arguments)
    try:
        opened = [open_source(path, options) for path in paths]
        columns.check_columns(opened, config.declared_columns, config.source.ignore)
    except SourceError as error:
        found = dialect.suggest(paths[0], options, config.declared_columns)
        proposal = f" It reads with {found.line} under [source]." if found else ""
        raise SourceError(f"{error}{proposal}") from None
    return opened


def source_options(config: Config) -> options.SourceOptions:
    """`[source]` as the reader takes it."""
    source = config.source
    return options.SourceOptions(
        format=source.format,
        delimiter=source.delimiter,
        quote=source.quote,
        escape=source.escape,
        encoding=source.encoding,
        skip_lines=source.skip_lines,
        header=source.header,
        columns=source.columns,
        bare_quotes=source.bare_quotes,
        trailing_delimiter=source.trailing_delimiter,
    )


def _paths(config: Config, arguments: Sequence[str]) -> list[str]:
    """What the command line names, else the configured path: from here, then from the config's folder."""
    if arguments:
        return expand(arguments, base=Path())
    try:
        return expand([config.source.path], base=Path())
    except SourceError:
        if config.path is None:
            raise
        return expand([config.source.path], base=config.path.parent)


def ahead(things: Iterator[Made]) -> Iterator[Made]:
    """The same things, each one made in a thread of its own while the one before it is used."""
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, things, None)
        while (thing := coming.result()) is not None:
            coming = thread.submit(next, things, None)
            yield thing


def rows_of(taken: ValidatedBatch) -> pl.DataFrame:
    """What a run spools of a batch: the rows as they stood."""
    return taken.rows


@dataclass
class ChangeFiltering:
    """What it takes to let only those rows through that may be due.

    `why_not` says why it cannot be told who is gone: not the whole configured source is read.
    """

    change_filter: ChangeFilter
    prints: RowHasher
    why_not: str = ""
    blanks: Counter[str] = field(default_factory=Counter)


class SourceReader:
    """Reads sources batch by batch through the gate into the spool and the first parts of the reports."""

    def __init__(
        self,
        validator: Validator,
        reports: RejectFiles,
        writer: SpoolWriter,
        observer: Observer,
        limit: int | None,
        look: Callable[[ValidatedBatch], None] = lambda _: None,
        spooled: Callable[[ValidatedBatch], pl.DataFrame] = rows_of,
        change_filter: "ChangeFiltering | None" = None,
    ) -> None:
        self._validator = validator
        self._reports = reports
        self._writer = writer
        self._observer = observer
        self._limit = limit
        self._look = look
        self._spooled = spooled
        self._change_filter = change_filter
        self._gone_warnings: list[RunWarning] = []
        self.reading = ReadResult(intake=validator.intake)

    def read(self, sources: Sequence[Source]) -> ReadResult:
        """All rows of all sources, or the first `limit`."""
        layouts: dict[object, int] = {}
        self._layouts = [source.layout for source in sources]
        for index, source in enumerate(sources):
            layout = layouts.setdefault(source.layout or source.path, index)
            before = self._validator.intake.rows_read
            self._read_source(source, index, layout)
            rows = self._validator.intake.rows_read - before
            self.reading.sources.append(
                ReadSource(
                    source.path, rows, source.layout, source.header_raw, source.newline, source.version
                )
            )
        _refuse_changed(sources)
        if self._change_filter:
            self._let_through(self._change_filter)
        ignored = self._validator.config.source.ignore
        columns = [c for c in dict.fromkeys(c for s in sources for c in s.columns) if c not in ignored]
        seen = self._validator.watch.warnings(columns)
        self.reading.warnings = [*self._dialect_warnings(sources), *seen, *self._gone_warnings]
        if self._validator.kinds:
            self.reading.warnings += self._validator.kinds.warnings()
            self.reading.mixed = self._validator.kinds.mixed()
        self.reading.warnings += self._clears()
        return self.reading

    def _clears(self) -> Iterator[RunWarning]:
        """How many stored values blank cells may remove: it should be no surprise."""
        config = self._validator.config
        for key, attribute in config.attributes.items():
            count = self._validator.intake.blanks[key]
            if attribute.blank == "clear" and count:
                yield RunWarning("blank_clears", config.columns[key], count)

    def _dialect_warnings(self, sources: Sequence[Source]) -> Iterator[RunWarning]:
        """For each source of which much was set aside, the line of configuration it plainly wants."""
        if self._validator.intake.set_aside <= self._validator.intake.set_aside_free:
            return
        config = self._validator.config
        for source in sources:
            if source.layout and (
                found := dialect.suggest(source.path, source_options(config), config.declared_columns)
            ):
                yield RunWarning("dialect_differs", f"[source] {found.line}", found.malformed, found.rows)

    def _read_source(self, source: Source, index: int, layout: int) -> None:
        """One source in three threads: a batch is read, the one before it judged, the one before set down."""
        edges = self.reading.edges
        for batch, judged in ahead(self._judged(source, index)):
            if isinstance(judged, ValidatedBatch):
                self._look(judged)
                self._reports.add_batch(len(edges), judged.rejects, judged.kept)
                self._spool(judged, layout)
            elif self._change_filter:
                self._hold(self._change_filter, judged, batch, layout)
            edges.append(_last_order(batch, index, edges[-1] if edges else 0))
            self._observer.reading(self._validator.intake.rows_read)

    def _judged(
        self, source: Source, index: int
    ) -> Iterator[tuple[Batch, "ValidatedBatch | IdentifiedBatch"]]:
        """Each batch, and what the gate says of it: its rows checked, or only admitted for a sieve."""
        if self.reading.limited:
            return
        content = ContentHash() if is_counting(self._validator.config) else None
        for whole in ahead(source.batches()):
            batch = self._cut(whole)
            if content and batch.row.len():
                content.add(batch.cells, batch.records)
                self.reading.contents[source.path] = str(content)
            yield (
                batch,
                self._validator.admit(batch, index)
                if self._change_filter
                else self._validator.take(batch, index),
            )
            if self.reading.limited:
                return

    def _spool(self, taken: ValidatedBatch, layout: int) -> None:
        if taken.rows.height:
            with state_errors(self._writer.folder):
                self._writer.add(self._spooled(taken), layout)

    def _hold(self, sifting: "ChangeFiltering", admitted: IdentifiedBatch, batch: Batch, layout: int) -> None:
        """Has the rows of a batch wait until it is known which of them may be due."""
        self._reports.add_batch(len(self.reading.edges), *self._validator.reports_of(admitted, batch))
        sifting.blanks.update(self._validator.blanks(admitted.cells))
        if admitted.rows.height:
            prints = sifting.prints.of(self._layouts[layout], admitted.rows, admitted.cells)
            sifting.change_filter.hold(admitted.rows, prints, layout)

    def _let_through(self, sifting: "ChangeFiltering") -> None:
        """The rows that may be due, checked and spooled; the others are counted."""
        for number, (layout, rows) in enumerate(sifting.change_filter.due()):
            taken = self._validator.take_admitted(rows, self.reading.cells(layout, rows))
            self._look(taken)
            self._reports.add_late(number, taken.rejects, taken.kept)
            self._spool(taken, layout)
        intake = self._validator.intake
        intake.unchanged_rows, intake.unchanged_values = (
            sifting.change_filter.rows,
            sifting.change_filter.values,
        )
        intake.values_read += intake.unchanged_values
        if intake.set_aside > intake.set_aside_free:
            sifting.why_not = sifting.why_not or "rows were set aside"
        if not sifting.why_not:
            self._note_gone(sifting.change_filter)
        elif self._validator.config.run.on_gone == "clear":
            self._gone_warnings = [RunWarning("gone_not_known", sifting.why_not, 0)]
        intake.blanks = sifting.blanks

    def _note_gone(self, change_filter: ChangeFilter) -> None:
        """Counts the people who are gone, and has them cleared where that is wanted: as rows of our own."""
        gone = (
            pl.concat(change_filter.gone, how="diagonal") if change_filter.gone else pl.DataFrame({"id": []})
        )
        config, intake = self._validator.config, self._validator.intake
        intake.gone, intake.known = gone.height, change_filter.people
        if not gone.height or config.run.on_gone != "clear":
            return
        number = len(self.reading.sources)
        rows = gone.select(
            "id",
            order=pl.int_range(1, pl.len() + 1, dtype=pl.Int64) + (number << ORDER_SHIFT),
            line=pl.lit(None, pl.Int64),
        )
        cells = _gone_cells(config, gone)
        self.reading.sources.append(ReadSource("gone.parquet", gone.height, None, b"", b"\n"))
        self.reading.edges.append(int(rows["order"][-1]))
        intake.rows_read += gone.height
        self._spool(self._validator.take_admitted(rows.with_columns(cells=cells.to_struct()), cells), number)

    def _cut(self, batch: Batch) -> Batch:
        """What `--limit` leaves of the batch; set-aside rows count too."""
        height = batch.row.len() + batch.set_aside.height
        left = height if self._limit is None else self._limit - self._validator.intake.rows_read
        if height <= left:
            return batch
        self.reading.limited = True
        numbers = pl.concat([batch.row, batch.set_aside["row"]]).sort().head(left)
        within = batch.row <= (numbers[-1] if left else 0)
        return replace(
            batch,
            cells=batch.cells.filter(within),
            row=batch.row.filter(within),
            line=batch.line.filter(within),
            raw=None if (csv_grammar := batch.records) is None else csv_grammar.filter(within),
            set_aside=batch.set_aside.filter(pl.col("row") <= (numbers[-1] if left else 0)),
        )


def _gone_cells(config: Config, gone: pl.DataFrame) -> pl.DataFrame:
    """Rows that ask for everything known of these people to be cleared."""
    cells = {config.identity.column: pl.col("id")}
    for key, attribute in config.attributes.items():
        known = pl.col(f"v:{key}") if f"v:{key}" in gone.columns else pl.lit(None, pl.String)
        asks = pl.lit(value=True) if attribute.blank == "reject" else known.is_not_null() & (known != "")
        cells[config.columns[key]] = pl.when(asks).then(pl.lit(GONE)).otherwise(pl.lit(""))
    return gone.select(**cells)


def _refuse_changed(sources: Sequence[Source]) -> None:
    """SourceError where a source is no longer what it was when it was opened."""
    for source in sources:
        now = version_of(source.path)
        known = source.version is not None and (now is not None or not URL.match(source.path))
        if known and now != source.version:
            raise SourceError(
                f"{source.path}: changed while it was read, so nothing was sent; run again when it is "
                "complete. Whoever writes it should write under another name and rename it at the end."
            )


def _last_order(batch: Batch, source: int, before: int) -> int:
    last = [s.max() for s in (batch.row, batch.set_aside["row"]) if len(s)]
    return max([before, *((source << ORDER_SHIFT) + int(str(n)) for n in last)])
