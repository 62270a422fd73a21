"""`-` as a source: standard input, kept in the run's folder while it is read.

A list is read more than once (its header, its rows, its dialect), and standard input only once.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from importer.core.errors import SourceError
from importer.pipeline.sources import STANDARD_INPUT, NamedSource
from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors
from importer.storage.run_folder import RunFolder


def copied(folder: RunFolder, named: Sequence[NamedSource]) -> Sequence[NamedSource]:
    """The sources with the copy in place of standard input, which is read to its end here.

    An attempt that was killed while it read leaves a whole copy or none. SourceError where standard input is
    a terminal or closed; StateError where the copy has no room.
    """
    if STANDARD_INPUT not in named:
        return named
    copy = _copy_of(folder)
    if not copy.exists():
        _read_into(copy)
    return [str(copy) if one == STANDARD_INPUT else one for one in named]


def remove(folder: RunFolder) -> None:
    """Removes the copy, once the rows are in the spool."""
    _copy_of(folder).unlink(missing_ok=True)


def _copy_of(folder: RunFolder) -> Path:
    return folder.path / "standard-input.csv"


def _read_into(copy: Path) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceError("-: standard input is a terminal; send a list into it: … | importer run CONFIG -")
    with state_errors(copy), atomic_files.replacing(copy) as out:
        shutil.copyfileobj(sys.stdin.buffer, out)
