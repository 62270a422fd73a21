"""The sources of a run: opened before reading, and looked at again after it."""

from collections.abc import Sequence
from pathlib import Path

from importer.config.schema import Config
from importer.core.errors import SourceError
from importer.source import dialect
from importer.source.columns import check_columns
from importer.source.locate import expand
from importer.source.object_store import URL
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.source import Source
from importer.source.version import version_of


def open_sources(config: Config, arguments: Sequence[str]) -> list[Source]:
    """The sources of a run, their headers read and their columns checked; SourceError names all mistakes."""
    options, paths = source_options(config), _paths(config, arguments)
    try:
        opened = [open_source(path, options) for path in paths]
        check_columns(opened, config.declared_columns, config.source.ignore)
    except SourceError as error:
        found = dialect.suggest(paths[0], options, config.declared_columns)
        proposal = f" It reads with {found.line} under [source]." if found else ""
        raise SourceError(f"{error}{proposal}") from None
    return opened


def source_options(config: Config) -> SourceOptions:
    """`[source]` as the reader takes it."""
    source = config.source
    return SourceOptions(
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
