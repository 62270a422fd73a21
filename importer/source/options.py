"""How a source is declared."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is declared; `[source]` of the configuration.

    format      "csv", "tsv", "jsonl", "parquet" or "xlsx"; None: by the extension of the file
    sheet       of a workbook; None: the only one
    delimiter   one or several characters; None: "," for csv, tab for tsv
    skip_lines  physical lines before the header
    skip_after_header  records behind the header that are no customers
    skip_footer        rows at the end that are no customers
    columns     names in file order, where `header` is false
    max_line    bytes that a line may have at most, which is no key of [source]
    max_open    lines that may wait for the end of a row before reading ends; 0: as many as a row may have.
                It is no key of [source]
    trailing_delimiter   each row ends with a delimiter that the header (or `columns`) does not have
    """

    format: str | None = None
    sheet: str | None = None
    delimiter: str | None = None
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    skip_lines: int = 0
    skip_after_header: int = 0
    skip_footer: int = 0
    header: bool = True
    columns: tuple[str, ...] | None = None
    bare_quotes: str = "reject"
    trailing_delimiter: bool = False
    max_line: int = 64 << 20
    max_open: int = 0
