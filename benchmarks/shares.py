"""Which share of an import's processor time journal, counts and reports take.

    python -m benchmarks.shares CONFIG

Runs the import in this process with a stop-watch around them. What one calls of another counts for the other.
"""

import functools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import importer
from importer.reconcile.reconciler import OpenChunk
from importer.report.reject_files import RejectFiles
from importer.storage.journal import Journal

WATCHED: tuple[tuple[str, type, tuple[str, ...]], ...] = (
    ("journal", Journal, ("append", "flush", "close_chunk", "close")),
    ("counts", OpenChunk, ("settle", "close")),
    ("reports", RejectFiles, ("add_chunk", "write")),
)


class _Running(threading.local):
    """How long what is watched inside each of the stop-watches now running took, thread by thread."""

    def __init__(self) -> None:
        self.inside: list[float] = []


def watched(name: str, stats: Counter[str], running: _Running, run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` with its own time, without that of what else is watched inside it, added to `spent`."""

    @functools.wraps(run)
    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.thread_time()
        running.inside.append(0.0)
        try:
            return run(*arguments, **options)
        finally:
            took = time.thread_time() - began
            stats[name] += took - running.inside.pop()  # type: ignore[assignment]
            if running.inside:
                running.inside[-1] += took

    return timed


def main() -> None:
    """Prints the shares as JSON."""
    stats: Counter[str] = Counter()
    running = _Running()
    for name, owner, methods in WATCHED:
        for method in methods:
            setattr(owner, method, watched(name, stats, running, getattr(owner, method)))
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        importer.run(Path(sys.argv[1]), options=importer.Options(state_dir=Path(folder)))
        whole = time.process_time() - began
    print(json.dumps({name: stats[name] / whole for name, _, _ in WATCHED}))


if __name__ == "__main__":
    main()
