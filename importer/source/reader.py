"""Opens a source: its format decides which reader gives its rows."""

from dataclasses import replace
from functools import partial

from importer.source.csv_text import open_text
from importer.source.errors import read_errors
from importer.source.excel import open_excel
from importer.source.footer import without_last
from importer.source.formats import format_of
from importer.source.json_lines import open_json_lines
from importer.source.options import SourceOptions
from importer.source.parquet import open_parquet
from importer.source.source import Source
from importer.source.version import version_of


def open_source(path: str, options: SourceOptions) -> Source:
    """Look into one file or URL: its format, its header.

    Raises SourceError for a file that is missing, empty, not of its format, or declared in a way that cannot
    work. Faults of the header's names are kept for `check_columns`, which names them with all others.
    """
    before = version_of(path)
    with read_errors(path):
        kind = options.format or format_of(path)
        opened = _open(path, kind, options)
    if options.skip_footer:
        opened = replace(opened, read=partial(without_last, opened.read, options.skip_footer))
    return replace(opened, version=before)


def _open(path: str, kind: str, options: SourceOptions) -> Source:
    if kind == "parquet":
        return open_parquet(path)
    if kind == "xlsx":
        return open_excel(path, options)
    if kind == "jsonl":
        return open_json_lines(path)
    return open_text(path, kind, options)
