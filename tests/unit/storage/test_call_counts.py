"""The counts of requests outlive the process that counts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from importer.storage.call_counts import open_counts

CHILD = """
import os, signal, sys
from pathlib import Path
from importer.storage.call_counts import open_counts
with open_counts(Path(sys.argv[1]), (5, 1, 0)) as numbers:
    numbers[0] += 2
    numbers[2] += 1
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_count(tmp_path: Path) -> None:
    path = tmp_path / "calls.bin"
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    with open_counts(path, (0, 0, 0)) as numbers:
        assert numbers.tolist() == [7, 1, 1]


def test_a_file_that_was_cut_begins_with_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "calls.bin"
    path.write_bytes(b"123")
    with open_counts(path, (3, 2, 1)) as numbers:
        assert numbers.tolist() == [3, 2, 1]
