"""A list as a Parquet file, and what a plain run of it comes to."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.people import KEY, differing, facts, grouped, left, named, options, rows

REMEMBERED = SandboxOptions(log=100_000)
"""More calls than there are."""


@dataclass(frozen=True)
class Table:
    """A list of so many people, sent by `mapping`; a plain run of it comes to `facts`.

    It names each person in as many calls as `named` says.
    """

    path: Path
    mapping: dict[str, Any]
    facts: dict[str, Any]
    named: Counter[str]
    calls: int

    def assert_whole(
        self, summary: RunSummary, server: SandboxServer, staging: Path, *, again: float = 0
    ) -> None:
        """The run is as a plain one; of the calls, this part may be sent twice."""
        assert differing(facts(summary, server.stored), self.facts) == []
        calls = named(server)
        assert self.named <= calls <= self.named + self.named
        assert (calls - self.named).total() <= self.named.total() * again
        assert left(staging) == []


def written(folder: Path, people: int) -> Table:
    """The list, and what a plain run of it comes to; the key has to be in the environment."""
    path, mapping = folder / "people.parquet", grouped(people)
    rows(people).write_parquet(path, row_group_size=-(-people // 8))
    with sandbox.running(loader.parse(mapping), REMEMBERED, KEY) as server:
        summary = importer.run(mapping, str(path), options(folder / "plain", server.url))
        assert summary.exit_code == 1, "some values are rejected"
        return Table(path, mapping, facts(summary, server.stored), named(server), server.stats.writes)
