"""How many calls a run's journal has recorded, kept outside of it: a journal that lost some is found out.

SQLite takes a write-ahead log that is cut short, or has a damaged frame, for one that ends there, and a
database that is gone for a new one. This file is written after each commit of the journal, so it never says
more than was committed; where the journal has less, it has lost something. It is written in place, a few
bytes at once, and is on the disk before the first call that must not be sent again.
"""

import os
import zlib
from pathlib import Path
from typing import NamedTuple, Self

from importer.core.errors import StateError
from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors

NAME = "sent-so-far"


class Count(NamedTuple):
    """Answers recorded so far, and calls begun so far that must not be sent again."""

    answers: int = 0
    intents: int = 0

    def line(self) -> bytes:
        """As it stands in the file: always of the same length."""
        text = f"answers {self.answers:15d} intents {self.intents:15d}"
        return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The count of such a line; None where it is not one."""
        words = line.split()
        numbers = [int(word) for word in words[1:4:2] if word.isdigit()]
        count = cls(*numbers) if len(numbers) == 2 else None
        return count if count is not None and count.line() == line else None


class HighWater:
    """The file of one run, beside its journal. StateError where the disk does not take it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._written = Count()

    def read(self) -> Count | None:
        """What was written last; None where nothing was sent yet. StateError where it is damaged."""
        try:
            line = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            raise _damaged(self._path) from None
        count = Count.parse(line)
        if count is None:
            raise _damaged(self._path)
        self._written = count
        return count

    def write(self, count: Count) -> None:
        """Replaces what was written; the first one, and the first intent, are on the disk after this."""
        if count == self._written:
            return
        is_first = not self._path.exists() or (count.intents > 0 and not self._written.intents)
        with state_errors(self._path), atomic_files.open_or_create(self._path) as file:
            file.write(count.line())
            if is_first:
                file.flush()
                os.fsync(file.fileno())
                atomic_files.sync_folder(self._path.parent)
        self._written = count


def _damaged(path: Path) -> StateError:
    return StateError(
        f"{path}: damaged, so it is not known whether the journal beside it is whole. Where nothing else was "
        "damaged, delete this file and resume; else start a new run."
    )
