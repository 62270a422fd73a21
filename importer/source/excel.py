"""One sheet of an Excel workbook (.xlsx) as a source.

A cell has a type of its own. A column whose cells have one type keeps it, and reads under the rules of
Parquet; any other column is text. Excel holds every number as a 64-bit float.
"""

import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from importer.core.errors import ConfigError, SourceError
from importer.core.package import install_command
from importer.source.batch import SET_ASIDE, Batch
from importer.source.excel_errors import error_cells
from importer.source.names import unique_names
from importer.source.options import SourceOptions
from importer.source.source import Source
from importer.source.streams import open_stream
from importer.source.table_rows import MAX_EXACT, TABLE_ROWS
from importer.source.zip_archive import archive_errors

MAX_BYTES = 64 << 20
"""Of a workbook, at most."""

MAX_UNPACKED = 256 << 20
"""Bytes of its parts, at most: a sheet is in memory as a whole, unlike every other source."""

_SHOWN = 20

Row = list[Any]
"""Cells as python-calamine gives them: str, float, bool, date, datetime, time, timedelta, "" for blank."""


class _Sheet(NamedTuple):
    """`header` are the names as they stand; `rows` the data rows, the first of them in row `first`."""

    header: Sequence[str]
    rows: Sequence[Row]
    first: int


def open_excel(path: str, options: SourceOptions) -> Source:
    """The sheet that is declared, or the only one; rows are numbered in the sheet as `line`.

    SourceError where it is no workbook, is too large, has a password, several sheets or no header.
    ConfigError where the extra `excel` is not installed.
    """
    sheet = _sheet(path, options)
    cells = pl.DataFrame(list(_columns(sheet)))
    untyped = dict(_untyped(sheet, cells))
    return Source(
        path=path,
        format="xlsx",
        columns=tuple(cells.columns),
        read=partial(_batches, cells, untyped, sheet.first),
        types=dict(cells.schema),
        faults=() if cells.width else ("the header names no column",),
    )


def _batches(
    cells: pl.DataFrame, untyped: Mapping[str, frozenset[int]], first: int, _: int
) -> Iterator[Batch]:
    numbers = pl.int_range(1, cells.height + 1, eager=True, dtype=pl.Int64).alias("row")
    for at in range(0, cells.height, TABLE_ROWS):
        row = numbers.slice(at, TABLE_ROWS)
        line = (row + (first - 1)).alias("line")
        yield Batch(
            cells.slice(at, TABLE_ROWS), row, line, None, pl.DataFrame(schema=SET_ASIDE), untyped=untyped
        )


def _sheet(path: str, options: SourceOptions) -> _Sheet:
    data = _bytes(path)
    rows = _rows(path, data, options.sheet)
    at = options.skip_lines
    if not options.header:
        if not options.columns:
            raise SourceError(
                f'{path}: header = false needs columns = ["…"], the names in the sheet\'s order.'
            )
        return _Sheet(options.columns, _of_width(rows[at:], len(options.columns)), at + 1)
    at = next((place for place in range(at, len(rows)) if any(cell != "" for cell in rows[place])), len(rows))
    if at == len(rows):
        raise SourceError(f"{path}: the sheet is empty; a header was expected; export the list again.")
    header = [_cell_text(cell) or "" for cell in rows[at]]
    at += 1 + options.skip_after_header
    return _Sheet(header, rows[at:], at + 1)


def _of_width(rows: Sequence[Row], width: int) -> Sequence[Row]:
    return [row[:width] + [""] * (width - len(row)) for row in rows]


def _bytes(path: str) -> bytes:
    with open_stream(path) as stream:
        data = stream.read(MAX_BYTES + 1)
    if not data.startswith(b"PK\x03\x04"):
        raise SourceError(
            f"{path}: not an Excel workbook (.xlsx), or one with a password; save it as .xlsx without one."
        )
    if len(data) > MAX_BYTES or _unpacked(data) > MAX_UNPACKED:
        raise SourceError(
            f"{path}: the workbook has more than {MAX_BYTES >> 20} MiB, or {MAX_UNPACKED >> 20} MiB "
            "unpacked, and a workbook is read as a whole; export the list as CSV."
        )
    _refuse_damage(data)
    return data


def _unpacked(data: bytes) -> int:
    with archive_errors(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(one.file_size for one in archive.infolist())


def _refuse_damage(data: bytes) -> None:
    """BadZipFile where a part does not fit its checksum, which python-calamine does not look at."""
    with archive_errors(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile


def _rows(path: str, data: bytes, wanted: str | None) -> list[Row]:
    library = _library()
    try:
        with library.CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            name = _chosen(path, workbook, wanted)
            rows: list[Row] = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (library.CalamineError, library.PasswordError) as error:
        raise SourceError(
            f"{path}: the workbook cannot be read ({type(error).__name__}); save it again as .xlsx."
        ) from None
    for row, column, text in error_cells(data, name):
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = text
    return rows


def _library() -> Any:
    try:
        import python_calamine
    except ImportError:
        raise ConfigError(
            "[source]: a workbook needs a package that is not installed; install it, or export the list as "
            f"CSV: {install_command('excel')}"
        ) from None
    return python_calamine


def sheet_names(path: str) -> list[str]:
    """The visible sheets of a workbook, in its order; SourceError where it cannot be read."""
    with _library().CalamineWorkbook.from_filelike(io.BytesIO(_bytes(path))) as workbook:
        return _visible(workbook)


def _visible(workbook: Any) -> list[str]:
    return [
        str(one.name) for one in workbook.sheets_metadata if str(one.visible) == "SheetVisibleEnum.Visible"
    ]


def _chosen(path: str, workbook: Any, wanted: str | None) -> str:
    names = [one.name for one in workbook.sheets_metadata]
    visible = _visible(workbook)
    if wanted in names:
        return str(wanted)
    if wanted is None and len(visible) == 1:
        return str(visible[0])
    shown = ", ".join(f'"{name}"' for name in visible[:_SHOWN])
    problem = f'no sheet has the name "{wanted}"' if wanted is not None else "the workbook has several sheets"
    raise SourceError(
        f'{path}: {problem}; choose one under [source] with sheet = "{visible[0] if visible else ""}". '
        f"There are: {shown}."
    )


def _columns(sheet: _Sheet) -> Iterator[pl.Series]:
    return (_column(name, cells) for name, cells in _named_cells(sheet))


def _named_cells(sheet: _Sheet) -> Iterator[tuple[str, list[Any]]]:
    """The columns with a name or with any cell; one without a name is called by its place, `#3`."""
    for place, name in enumerate(unique_names(sheet.header)):
        cells = [row[place] for row in sheet.rows]
        if sheet.header[place] or any(cell != "" for cell in cells):
            yield name or f"#{place + 1}", cells


def _untyped(sheet: _Sheet, columns: pl.DataFrame) -> Iterator[tuple[str, frozenset[int]]]:
    """Of each column of text, the data rows whose cell is no text and no whole number."""
    for name, cells in _named_cells(sheet):
        if columns[name].dtype == pl.String:
            rows = frozenset(row for row, cell in enumerate(cells, 1) if not _is_like_text(cell))
            yield from ((name, rows),) if rows else ()


def _is_like_text(cell: Any) -> bool:
    return isinstance(cell, str) or (isinstance(cell, float) and cell.is_integer())


def _column(name: str, cells: list[Any]) -> pl.Series:
    kinds = {type(cell) for cell in cells if cell != ""}
    kind = _TYPES.get(frozenset(kinds))
    if kind is None:
        return pl.Series(name, [_cell_text(cell) for cell in cells], pl.String)
    typed = [None if cell == "" else cell for cell in cells]
    if dt.date in kinds and dt.datetime in kinds:
        typed = [dt.datetime.combine(cell, dt.time()) if type(cell) is dt.date else cell for cell in typed]
    return pl.Series(name, typed, kind)


_TYPES: dict[frozenset[type], Any] = {
    frozenset({float}): pl.Float64,
    frozenset({bool}): pl.Boolean,
    frozenset({dt.date}): pl.Date,
    frozenset({dt.datetime}): pl.Datetime("us"),
    frozenset({dt.date, dt.datetime}): pl.Datetime("us"),
    frozenset({dt.time}): pl.Time,
}


def _cell_text(cell: Any) -> str | None:
    """The text of a cell beside cells of other types; a number that has lost digits keeps its exponent."""
    if cell == "":
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return _number_text(float(cell))
    if isinstance(cell, dt.timedelta):
        minutes, seconds = divmod(int(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    return str(cell.isoformat())


def _number_text(number: float) -> str:
    if not number.is_integer():
        return repr(number)
    return str(int(number)) if abs(number) < MAX_EXACT else f"{number:.16e}"
