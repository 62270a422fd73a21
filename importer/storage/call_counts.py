"""How many requests a run has sent, in a file that the kernel keeps when the process is killed.

The journal has the answers, and it is committed every few moments; a request that was in flight at a kill, or
repeated before its answer, is in neither. So each request is counted in a mapped file of three numbers.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors

_NUMBERS = 3
_BYTES = 8 * _NUMBERS


@contextmanager
def open_counts(path: Path, before: tuple[int, int, int]) -> Iterator[memoryview]:
    """The three numbers, to read and to write: sent, retried, throttled.

    `before` are those of a run whose file is not there yet, or was cut by a power loss.
    """
    with state_errors(path):
        is_new = not path.exists() or path.stat().st_size != _BYTES
        if is_new:
            data = b"".join(number.to_bytes(8, "little") for number in before)
            atomic_files.write_bytes(path, data)
        with path.open("r+b") as file, mmap.mmap(file.fileno(), _BYTES) as mapped:
            numbers = memoryview(mapped).cast("q")
            try:
                yield numbers
            finally:
                numbers.release()
