"""Standard output and standard error that never change what a command does.

A closed or full stream, a reader that has gone, or an encoding that lacks a character is no error of a run:
what cannot be printed is dropped, and the exit code stays that of the run.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from importer.core.text import without_controls


class ForgivingStream:
    """A text stream that takes everything; once the one below it fails, the rest is dropped.

    `lost` is the errno of that failure, None while all is well. A reader that has gone (EPIPE) is normal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: int | None = None
        with suppress(AttributeError, OSError, ValueError):  # pytest's and a caller's own streams lack it
            cast(Any, stream).reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Writes at once: a reader in a pipe sees each line when it is said."""
        if self.lost is None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Passes on what is buffered."""
        if self.lost is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def _give_up(self, error: OSError | ValueError) -> None:
        """Drops the rest; a ValueError says that the file below is closed."""
        self.lost = getattr(error, "errno", None) or errno.EBADF
        self._drop_buffer()

    def _drop_buffer(self) -> None:
        """What is still buffered goes nowhere: Python would fail on it at exit, with 120 as exit code."""
        with suppress(OSError, ValueError):
            descriptor = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        with suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def __getattr__(self, name: str) -> Any:
        """The rest is that of the stream below: its encoding, its descriptor."""
        return getattr(self._stream, name)


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """While it is open, `sys.stdout` and `sys.stderr` never fail."""
    _open_missing_descriptors()
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        out, err = (ForgivingStream(stream or nowhere) for stream in before)
        sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
        try:
            yield
        finally:
            out.flush()
            if out.lost not in (None, errno.EPIPE):
                err.write("importer: standard output could not be written; it is incomplete.\n")
            err.flush()
            sys.stdout, sys.stderr = before


def _open_missing_descriptors() -> None:
    """A caller may close 0, 1 or 2. The next file opened would take the number, and be printed into."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def print_lines(lines: Iterable[str]) -> None:
    """Lines of a report to standard output."""
    for line in lines:
        print(without_controls(line))
