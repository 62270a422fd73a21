"""A copy of `rejects.csv` that a spreadsheet shows as text: no cell of it is taken for a formula.

The cells of a list are text that somebody else wrote. `rejects.csv` keeps them as they are, because programs
read it.
"""

from pathlib import Path

import polars as pl

from importer.report.reject_lines import blocks
from importer.storage import atomic_files
from importer.storage.run_folder import RunFolder

_FORMULA = r"^(\s*[=+\-@\t\r\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"
"""Cells that a spreadsheet may calculate: = + - @, in their full width too, also behind blanks (OWASP)."""


def write(folder: RunFolder) -> Path:
    """Writes `rejects-spreadsheet.csv`, in UTF-8 with the mark by which Excel knows it; returns its path.

    An apostrophe stands before each cell that could be a formula, and every cell is in quotes.
    """
    marked = pl.all().str.replace(_FORMULA, "'${1}").fill_null("")
    with atomic_files.replacing(folder.rejects_spreadsheet) as file:
        file.write(b"\xef\xbb\xbf")
        with folder.rejects.open("rb") as lines:
            header = pl.read_csv(lines.readline(), infer_schema=False)
        header.write_csv(file, quote_style="always")
        for block in blocks(folder.rejects):
            rows = pl.read_csv(block, infer_schema=False).with_columns(marked)
            rows.write_csv(file, include_header=False, quote_style="always")
    return folder.rejects_spreadsheet
