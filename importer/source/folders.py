"""Folders as programs leave them: their lists, and side files that are none."""

import re
from collections.abc import Iterator
from pathlib import Path

_SIDE_FILES = re.compile(
    r"\..*|_.*|.*\.(?:crc|tmp|temp|part|partial|crdownload|swp|bak|lock)|.*~|~\$.*|thumbs\.db|desktop\.ini",
    re.IGNORECASE,
)


def is_side_file(name: str) -> bool:
    """Whether a file of a folder is none of its lists: marks of finished jobs, checksums, unfinished copies.

    Names with a leading dot or underscore are such files, as Spark and Hive have it.
    """
    return bool(_SIDE_FILES.fullmatch(name))


def files_below(folder: Path) -> Iterator[Path]:
    """The lists of a folder, and of the partitions below it; side files and other folders are passed over."""
    return (path for path, is_list in _entries(folder) if is_list)


def others_below(folder: Path) -> Iterator[Path]:
    """What `files_below` passes over."""
    return (path for path, is_list in _entries(folder) if not is_list)


def _entries(folder: Path) -> Iterator[tuple[Path, bool]]:
    for one in folder.iterdir():
        if one.is_dir() and "=" in one.name.strip("="):
            yield from _entries(one)
        else:
            yield one, one.is_file() and not is_side_file(one.name)
