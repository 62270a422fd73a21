"""Calls over time, from the journal of a run."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

PARTS = 60
"""The time of a run is divided into so many parts at most."""


@dataclass(frozen=True, slots=True)
class CallsPart:
    """What was answered in one part of a run: calls, and how many requests repeated another.

    `at` is the Unix time of its beginning in seconds, `seconds` its length.
    """

    at: float
    seconds: float
    calls: int
    repeated: int


_EDGES = "SELECT min(at), max(at) FROM answers WHERE attempts > 0"
_COUNTS = """
    SELECT CAST((at - ?) / ? AS INTEGER) AS part, count(*), sum(repeated)
    FROM (SELECT at, max(attempts) - 1 AS repeated FROM answers
          WHERE attempts > 0 GROUP BY at) GROUP BY part ORDER BY part
"""
"""Entries of one call share the moment of its answer; one without an attempt was settled without a call."""


def read_timeline(journal: Path) -> list[CallsPart]:
    """The parts of a run in order, those without a call included; empty where nothing was answered."""
    if not journal.exists():
        return []
    with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as database:
        first, last = database.execute(_EDGES).fetchone()
        if first is None:
            return []
        width = max(0.1, (last - first) / PARTS)
        found = {
            part: (calls, repeated) for part, calls, repeated in database.execute(_COUNTS, (first, width))
        }
    parts = range(max(found) + 1)
    return [CallsPart(first + n * width, width, *map(int, found.get(n, (0, 0)))) for n in parts]
