"""The first half of a run: the whole input, checked, into the spool. Nothing is sent before it is done."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from importer import dialect, reader, records
from importer.config import GONE, Config
from importer.errors import SourceError, StateError
from importer.fingerprint import Fingerprints
from importer.intake import ORDER_SHIFT, Admitted, Gate, Intake, Taken
from importer.models import RunWarning
from importer.options import Observer
from importer.repeats import Fingerprint, counts
from importer.reports import Original, Reports
from importer.runs import state_errors
from importer.sieve import Sieve
from importer.sources import URL, Mark, mark
from importer.spool import SpoolWriter

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Opened:
    """One source as the run knows it, also when the file is gone: what it takes to read its rows again."""

    path: str
    rows: int
    layout: records.Layout | None
    header: bytes
    newline: bytes
    mark: Mark | None = None

    def original(self) -> Original:
        """How rows of this source are written back."""
        return Original(self.path, self.header, self.newline, self.layout)


@dataclass(slots=True)
class Reading:
    """What reading came to. `edges` is the last source order of each batch, in order.

    `contents` is each source's fingerprint by its path, where the import counts (see repeats). `guards` says
    what the guards found in the list: guard → sentence. `mixed` names the attributes whose texts are of
    several kinds, where the destination goes by the first.
    """

    sources: list[Opened] = field(default_factory=list)
    edges: list[int] = field(default_factory=list)
    intake: Intake = field(default_factory=Intake)
    limited: bool = False
    warnings: list[RunWarning] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    guards: Mapping[str, str] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)

    def cells(self, layout: int, rows: pl.DataFrame) -> pl.DataFrame:
        """Spooled rows → their cells under the source's own column names."""
        known = self.sources[layout].layout
        return rows["cells"].struct.unnest() if known is None else records.parse(known, rows["raw"])

    def dump(self) -> dict[str, Any]:
        """As JSON, for a later life of the run."""
        intake = asdict(self.intake)
        intake["reasons"] = [[*key, count] for key, count in self.intake.reasons.items()]
        intake |= {"blanks": dict(self.intake.blanks), "undeclared": dict(self.intake.undeclared)}
        sources = [
            {
                "path": s.path,
                "rows": s.rows,
                "layout": asdict(s.layout) if s.layout else None,
                "header": b64encode(s.header).decode(),
                "newline": b64encode(s.newline).decode(),
                "mark": asdict(s.mark) if s.mark else None,
            }
            for s in self.sources
        ]
        return {
            "sources": sources,
            "edges": self.edges,
            "intake": intake,
            "limited": self.limited,
            "warnings": [asdict(w) for w in self.warnings],
            "contents": self.contents,
            "guards": dict(self.guards),
            "mixed": self.mixed,
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> "Reading":
        """The reading of an earlier life; StateError where it is damaged."""
        try:
            intake = dict(data["intake"])
            intake["reasons"] = Counter({(s, r, a): n for s, r, a, n in intake["reasons"]})
            intake |= {name: Counter(intake[name]) for name in ("blanks", "undeclared")}
            sources = [_load_source(s) for s in data["sources"]]
            warnings = [RunWarning(**{**w, "rows": tuple(w["rows"])}) for w in data["warnings"]]
            edges, limited, contents = list(data["edges"]), bool(data["limited"]), dict(data["contents"])
            guards, mixed = dict(data["guards"]), list(data["mixed"])
            return cls(sources, edges, Intake(**intake), limited, warnings, contents, guards, mixed)
        except (KeyError, TypeError, ValueError):
            raise StateError("What this run had read is damaged; start a new run.") from None


def _load_source(data: dict[str, Any]) -> Opened:
    layout = data["layout"]
    if layout:
        layout = records.Layout(records.Dialect(**layout["dialect"]), tuple(layout["columns"]))
    mark = Mark(**data["mark"]) if data["mark"] else None
    header, newline = b64decode(data["header"]), b64decode(data["newline"])
    return Opened(data["path"], data["rows"], layout, header, newline, mark)


def open_sources(config: Config, arguments: Sequence[str]) -> list[reader.Source]:
    """The sources of a run, their headers read and their columns checked; SourceError names all mistakes."""
    options, paths = source_options(config), _paths(config, arguments)
    try:
        opened = [reader.open_source(path, options) for path in paths]
        reader.check_columns(opened, config.declared_columns, config.source.ignore)
    except SourceError as error:
        found = dialect.suggest(paths[0], options, config.declared_columns)
        proposal = f" It reads with {found.line} under [source]." if found else ""
        raise SourceError(f"{error}{proposal}") from None
    return opened


def source_options(config: Config) -> reader.SourceOptions:
    """`[source]` as the reader takes it."""
    source = config.source
    return reader.SourceOptions(
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
        return reader.expand(arguments, base=Path())
    try:
        return reader.expand([config.source.path], base=Path())
    except SourceError:
        if config.path is None:
            raise
        return reader.expand([config.source.path], base=config.path.parent)


def ahead(things: Iterator[Made]) -> Iterator[Made]:
    """The same things, each one made in a thread of its own while the one before it is used."""
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, things, None)
        while (thing := coming.result()) is not None:
            coming = thread.submit(next, things, None)
            yield thing


def rows_of(taken: Taken) -> pl.DataFrame:
    """What a run spools of a batch: the rows as they stood."""
    return taken.rows


@dataclass
class Sifting:
    """What it takes to let only those rows through that may be due.

    `why_not` says why it cannot be told who is gone: not the whole configured source is read.
    """

    sieve: Sieve
    prints: Fingerprints
    why_not: str = ""
    blanks: Counter[str] = field(default_factory=Counter)


class SourceReader:
    """Reads sources batch by batch through the gate into the spool and the first parts of the reports."""

    def __init__(
        self,
        gate: Gate,
        reports: Reports,
        writer: SpoolWriter,
        observer: Observer,
        limit: int | None,
        look: Callable[[Taken], None] = lambda _: None,
        spooled: Callable[[Taken], pl.DataFrame] = rows_of,
        sieve: "Sifting | None" = None,
    ) -> None:
        self._gate = gate
        self._reports = reports
        self._writer = writer
        self._observer = observer
        self._limit = limit
        self._look = look
        self._spooled = spooled
        self._sieve = sieve
        self._gone_warnings: list[RunWarning] = []
        self.reading = Reading(intake=gate.intake)

    def read(self, sources: Sequence[reader.Source]) -> Reading:
        """All rows of all sources, or the first `limit`."""
        layouts: dict[object, int] = {}
        self._layouts = [source.layout for source in sources]
        for index, source in enumerate(sources):
            layout = layouts.setdefault(source.layout or source.path, index)
            before = self._gate.intake.rows_read
            self._read_source(source, index, layout)
            rows = self._gate.intake.rows_read - before
            self.reading.sources.append(
                Opened(source.path, rows, source.layout, source.header_raw, source.newline, source.mark)
            )
        _refuse_changed(sources)
        if self._sieve:
            self._let_through(self._sieve)
        ignored = self._gate.config.source.ignore
        columns = [c for c in dict.fromkeys(c for s in sources for c in s.columns) if c not in ignored]
        seen = self._gate.watch.warnings(columns)
        self.reading.warnings = [*self._dialect_warnings(sources), *seen, *self._gone_warnings]
        if self._gate.kinds:
            self.reading.warnings += self._gate.kinds.warnings()
            self.reading.mixed = self._gate.kinds.mixed()
        self.reading.warnings += self._clears()
        return self.reading

    def _clears(self) -> Iterator[RunWarning]:
        """How many stored values blank cells may remove: it should be no surprise."""
        config = self._gate.config
        for key, attribute in config.attributes.items():
            count = self._gate.intake.blanks[key]
            if attribute.blank == "clear" and count:
                yield RunWarning("blank_clears", config.columns[key], count)

    def _dialect_warnings(self, sources: Sequence[reader.Source]) -> Iterator[RunWarning]:
        """For each source of which much was set aside, the line of configuration it plainly wants."""
        if self._gate.intake.set_aside <= self._gate.intake.set_aside_free:
            return
        config = self._gate.config
        for source in sources:
            if source.layout and (
                found := dialect.suggest(source.path, source_options(config), config.declared_columns)
            ):
                yield RunWarning("dialect_differs", f"[source] {found.line}", found.malformed, found.rows)

    def _read_source(self, source: reader.Source, index: int, layout: int) -> None:
        """One source in three threads: a batch is read, the one before it judged, the one before set down."""
        edges = self.reading.edges
        for batch, judged in ahead(self._judged(source, index)):
            if isinstance(judged, Taken):
                self._look(judged)
                self._reports.add_batch(len(edges), judged.rejects, judged.kept)
                self._spool(judged, layout)
            elif self._sieve:
                self._hold(self._sieve, judged, batch, layout)
            edges.append(_last_order(batch, index, edges[-1] if edges else 0))
            self._observer.reading(self._gate.intake.rows_read)

    def _judged(self, source: reader.Source, index: int) -> Iterator[tuple[reader.Batch, "Taken | Admitted"]]:
        """Each batch, and what the gate says of it: its rows checked, or only admitted for a sieve."""
        if self.reading.limited:
            return
        content = Fingerprint() if counts(self._gate.config) else None
        for whole in ahead(source.batches()):
            batch = self._cut(whole)
            if content and batch.row.len():
                content.add(batch.cells, batch.records)
                self.reading.contents[source.path] = str(content)
            yield batch, self._gate.admit(batch, index) if self._sieve else self._gate.take(batch, index)
            if self.reading.limited:
                return

    def _spool(self, taken: Taken, layout: int) -> None:
        if taken.rows.height:
            with state_errors(self._writer.folder):
                self._writer.add(self._spooled(taken), layout)

    def _hold(self, sifting: "Sifting", admitted: Admitted, batch: reader.Batch, layout: int) -> None:
        """Has the rows of a batch wait until it is known which of them may be due."""
        self._reports.add_batch(len(self.reading.edges), *self._gate.reports_of(admitted, batch))
        sifting.blanks.update(self._gate.blanks(admitted.cells))
        if admitted.rows.height:
            prints = sifting.prints.of(self._layouts[layout], admitted.rows, admitted.cells)
            sifting.sieve.hold(admitted.rows, prints, layout)

    def _let_through(self, sifting: "Sifting") -> None:
        """The rows that may be due, checked and spooled; the others are counted."""
        for number, (layout, rows) in enumerate(sifting.sieve.due()):
            taken = self._gate.take_admitted(rows, self.reading.cells(layout, rows))
            self._look(taken)
            self._reports.add_late(number, taken.rejects, taken.kept)
            self._spool(taken, layout)
        intake = self._gate.intake
        intake.unchanged_rows, intake.unchanged_values = sifting.sieve.rows, sifting.sieve.values
        intake.values_read += intake.unchanged_values
        if intake.set_aside > intake.set_aside_free:
            sifting.why_not = sifting.why_not or "rows were set aside"
        if not sifting.why_not:
            self._note_gone(sifting.sieve)
        elif self._gate.config.run.on_gone == "clear":
            self._gone_warnings = [RunWarning("gone_not_known", sifting.why_not, 0)]
        intake.blanks = sifting.blanks

    def _note_gone(self, sieve: Sieve) -> None:
        """Counts the people who are gone, and has them cleared where that is wanted: as rows of our own."""
        gone = pl.concat(sieve.gone, how="diagonal") if sieve.gone else pl.DataFrame({"id": []})
        config, intake = self._gate.config, self._gate.intake
        intake.gone, intake.known = gone.height, sieve.people
        if not gone.height or config.run.on_gone != "clear":
            return
        number = len(self.reading.sources)
        rows = gone.select(
            "id",
            order=pl.int_range(1, pl.len() + 1, dtype=pl.Int64) + (number << ORDER_SHIFT),
            line=pl.lit(None, pl.Int64),
        )
        cells = _gone_cells(config, gone)
        self.reading.sources.append(Opened("gone.parquet", gone.height, None, b"", b"\n"))
        self.reading.edges.append(int(rows["order"][-1]))
        intake.rows_read += gone.height
        self._spool(self._gate.take_admitted(rows.with_columns(cells=cells.to_struct()), cells), number)

    def _cut(self, batch: reader.Batch) -> reader.Batch:
        """What `--limit` leaves of the batch; set-aside rows count too."""
        height = batch.row.len() + batch.set_aside.height
        left = height if self._limit is None else self._limit - self._gate.intake.rows_read
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
            raw=None if (records := batch.records) is None else records.filter(within),
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


def _refuse_changed(sources: Sequence[reader.Source]) -> None:
    """SourceError where a source is no longer what it was when it was opened."""
    for source in sources:
        now = mark(source.path)
        known = source.mark is not None and (now is not None or not URL.match(source.path))
        if known and now != source.mark:
            raise SourceError(
                f"{source.path}: changed while it was read, so nothing was sent; run again when it is "
                "complete. Whoever writes it should write under another name and rename it at the end."
            )


def _last_order(batch: reader.Batch, source: int, before: int) -> int:
    last = [s.max() for s in (batch.row, batch.set_aside["row"]) if len(s)]
    return max([before, *((source << ORDER_SHIFT) + int(str(n)) for n in last)])
