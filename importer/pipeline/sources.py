"""The sources of a run: opened before reading, and looked at again after it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from importer.config.schema import Config
from importer.core.errors import ConfigError, SourceError
from importer.source import dialect, locate
from importer.source.columns import check_columns
from importer.source.locate import expand
from importer.source.names import with_names
from importer.source.object_store import URL
from importer.source.options import SourceOptions
from importer.source.partitions import with_partitions
from importer.source.reader import open_source
from importer.source.schemas import align
from importer.source.source import Source
from importer.source.table import ArrowTable, open_table
from importer.source.version import version_of


@dataclass(frozen=True)
class Table:
    """A table of the calling program; `rows` is None in a process that was not given it."""

    name: str
    rows: ArrowTable | None = None


STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Staged:
    """Rows that a cluster has read and checked; they are under `location`, a folder or URL."""

    location: str

    @property
    def name(self) -> str:
        """How the rows are called in reports."""
        return "table"


NamedSource = str | Table | Staged
"""A path, a URL or `-`, or a table, of this process or of a cluster."""

Given = str | os.PathLike[str] | ArrowTable
"""One source as a caller of the library gives it."""


def named_sources(given: Given | Sequence[Given] | None) -> tuple[NamedSource, ...]:
    """The sources of a call: one or several paths, URLs or tables; none where the configured one is meant.

    Tables are named `table`, or by their place `table-1`, `table-2`, ... ConfigError for anything else.
    """
    if given is None:
        return ()
    several = [given] if isinstance(given, str | os.PathLike | ArrowTable) else list(given)
    tables = sum(isinstance(one, ArrowTable) for one in several)
    return tuple(_named(one, "table" if tables == 1 else f"table-{n}") for n, one in enumerate(several, 1))


def _named(one: object, name: str) -> NamedSource:
    if isinstance(one, str | os.PathLike):
        return os.fspath(one)
    if isinstance(one, ArrowTable):
        return Table(name, one)
    raise ConfigError(
        f"source: expected a path, a URL or a table with __arrow_c_stream__, found {type(one).__name__}."
    )


def open_sources(config: Config, named: Sequence[NamedSource]) -> list[Source]:
    """The sources of a run, their headers read and their columns checked; SourceError names all mistakes."""
    options, sources = source_options(config), located(config, named)
    try:
        opened = [_open(source, options) for source in sources]
        wanted = [*config.declared_columns, *config.source.ignore]
        opened = [with_partitions(with_names(source, wanted), config.declared_columns) for source in opened]
        check_columns(opened, config.declared_columns, config.source.ignore)
    except SourceError as error:
        raise SourceError(f"{error}{_proposal(sources, options, config.declared_columns)}") from None
    return align(opened, config.declared_columns)


def _proposal(sources: Sequence[NamedSource], options: SourceOptions, declared: Sequence[str]) -> str:
    """A sentence with the line that reads the first source that wants another one; else ""."""
    for path in sources:
        found = dialect.suggest(path, options, declared) if isinstance(path, str) else None
        if found:
            return f" {'It' if len(sources) == 1 else path} reads with {found.line} under [source]."
    return ""


def _open(source: NamedSource, options: SourceOptions) -> Source:
    if source == STANDARD_INPUT:
        raise SourceError("-: standard input is read once, by the check or run that it is given to.")
    if isinstance(source, Staged):
        raise TypeError("the rows of a cluster are read by staged_reader")
    if isinstance(source, str):
        is_retry = "rejected_rows" in Path(source).parent.parts
        return open_source(source, _of_rejected_rows(options, source) if is_retry else options)
    if source.rows is None:
        raise SourceError(
            f"{source.name}: a table of the program that began this run, which cannot be read again; start a "
            "new run with it: importer.run(config, table)."
        )
    return open_table(source.name, source.rows)


def _of_rejected_rows(options: SourceOptions, path: str) -> SourceOptions:
    """How a file of `rejected_rows/` reads: with the header of its list, without a footer.

    Rows of a table or a workbook are kept as Parquet, whatever the configuration says of the list.
    """
    kept = replace(options, skip_footer=0)
    return replace(kept, format="parquet") if path.endswith(".parquet") else kept


def open_again(config: Config, path: str) -> Source:
    """A file that a run has read, with the columns under the names of the configuration."""
    wanted = [*config.declared_columns, *config.source.ignore]
    source = with_names(open_source(path, source_options(config)), wanted)
    return with_partitions(source, config.declared_columns)


def source_options(config: Config) -> SourceOptions:
    """`[source]` as the reader takes it."""
    source = config.source
    return SourceOptions(
        format=source.format,
        sheet=source.sheet,
        delimiter=source.delimiter,
        quote=source.quote,
        escape=source.escape,
        encoding=source.encoding,
        skip_lines=source.skip_lines,
        skip_after_header=source.skip_after_header,
        skip_footer=source.skip_footer,
        header=source.header,
        columns=source.columns,
        bare_quotes=source.bare_quotes,
        trailing_delimiter=source.trailing_delimiter,
    )


def located(config: Config, named: Sequence[NamedSource]) -> list[NamedSource]:
    """The files and tables of a run: those named, else the configured path.

    A relative path is looked for from here, then from the config's folder. SourceError where nothing is.
    """
    if named:
        return list(_expanded(named))
    configured = [config.source.path] if config.source.path else []
    try:
        return [*expand(configured, base=Path())]
    except SourceError:
        if config.path is None:
            raise
        return [*expand(configured, base=config.path.parent)]


def passed_over(config: Config, named: Sequence[NamedSource]) -> Iterator[tuple[str, int]]:
    """The folders and patterns of a run in which files are passed over, and how many of each."""
    if named:
        places = [(one, Path()) for one in named if isinstance(one, str) and one != STANDARD_INPUT]
    else:
        bases = [Path(), *([config.path.parent] if config.path else [])]
        places = [(config.source.path, base) for base in bases if config.source.path]
    for path, base in places:
        if count := locate.passed_over(path, base=base):
            yield path, count
            if not named:
                return


def _expanded(named: Sequence[NamedSource]) -> Iterator[NamedSource]:
    """The files of every path, in the order given; tables and standard input stay where they are."""
    for is_path, group in groupby(named, lambda one: isinstance(one, str) and one != STANDARD_INPUT):
        several = list(group)
        yield from expand([str(one) for one in several], base=Path()) if is_path else several


def refuse_changed(sources: Sequence[Source]) -> None:
    """SourceError where a source is no longer what it was when it was opened."""
    for source in sources:
        now = version_of(source.path)
        known = source.version is not None and (now is not None or not URL.match(source.path))
        if known and now != source.version:
            raise SourceError(
                f"{source.path}: changed while it was read, so nothing was sent; run again when it is "
                "complete. Best is to write it under another name and to rename it at the end."
            )
