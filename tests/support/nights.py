"""Night after night with changed_only: a list, a destination, and a state folder that is kept."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import importer
from importer.config import loader as configuration
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.mappings import mapping as mapping_of

KEY = "sk_test_nights"
Row = tuple[str, str, str, str]
List = list[Row]


def mapping(source: Path, url: str, **run: Any) -> dict[str, Any]:
    """A configuration with one attribute that is cleared by a blank."""
    attributes = {
        "plan": {"type": "single_choice", "options": ["a", "b", "c"]},
        "age": {"type": "number"},
        "note": {"type": "free_text", "blank": "clear"},
    }
    destination = {
        "base_url": url,
        "retry_attempts": 1,
        "retry_wait": 0.01,
        "read_timeout": 60.0,  # no fault of these tests lets a call wait, a busy machine does
        "max_in_flight": 2,
    }
    changed = {"changed_only": True, **run}
    return mapping_of(source, attributes, "NIGHTS_KEY", name="nights", destination=destination, run=changed)


@dataclass
class World:
    """A list, a destination, a state folder, and what the destination should hold once all is well."""

    folder: Path
    server: SandboxServer
    expected: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.folder / "list.csv"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def config(self) -> dict[str, Any]:
        data = mapping(self.source, self.server.url)
        for table, keys in self.changes.items():
            data[table] = {**data.get(table, {}), **keys}
        return data

    def write(self, rows: List) -> None:
        with self.source.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "plan", "age", "note"), *rows])

    def night(self, rows: List | None = None, **options: Any) -> RunSummary:
        if rows is not None:
            self.write(rows)
        return importer.run(self.config(), (), importer.Options(state_dir=self.state, **options))

    def resume(self) -> RunSummary:
        return importer.resume(self.state, None, importer.Options())

    def faults(self, *texts: str) -> None:
        self.server.change(SandboxOptions(faults=tuple(parse_fault(text) for text in texts)))

    def calls(self) -> int:
        return int(self.server.stats.requests)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    os.environ["NIGHTS_KEY"] = KEY
    source = folder / "list.csv"
    source.write_text("id,plan,age,note\n")
    config = configuration.parse(mapping(source, "http://127.0.0.1:1"))
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        yield World(folder, server)
