"""A run between its stages: its folder, its journal and its attempt, over a small list."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.config import loader
from importer.config.options import Options
from importer.core.events import Event, Silent
from importer.pipeline import read_stage
from importer.pipeline.attempt import Attempt
from importer.pipeline.ledger import Ledger
from importer.pipeline.open_ledger import open_ledger
from importer.pipeline.open_snapshot import open_diff
from importer.pipeline.run_spec import RunSpec
from importer.report.reject_files import RejectFiles
from importer.storage.journal import Journal
from tests.support.mappings import mapping as mapping_of

LIST = "id,plan,age\np1,a,1\np2,b,2\np3,off,x\n"
"""Three people; both values of the last one are bad."""


class Listening(Silent):
    """Keeps the events that it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


def mapping(path: Path, **tables: Any) -> dict[str, Any]:
    """A configuration; `tables` replaces whole tables."""
    attributes = {"plan": {"type": "single_choice", "options": ["a", "b"]}, "age": {"type": "number"}}
    return mapping_of(path, attributes, "STAGES_KEY") | {"name": "stages", **tables}


@dataclass
class Staged:
    """One attempt of a run."""

    spec: RunSpec
    attempt: Attempt
    journal: Journal
    reports: RejectFiles
    observer: Listening

    def read(self) -> read_stage.Read:
        diff = open_diff(self.spec, self.journal)
        return read_stage.read(self.spec, self.attempt, self.journal, self.reports, diff)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        diff = open_diff(self.spec, self.journal)
        read = read_stage.read(self.spec, self.attempt, self.journal, self.reports, diff)
        with open_ledger(self.spec, read, self.journal, self.reports, diff) as ledger:
            yield ledger


@contextmanager
def staged(
    folder: Path, mode: str = "run", text: str = LIST, options: dict[str, Any] | None = None, **tables: Any
) -> Iterator[Staged]:
    """A run of a list, before its first stage."""
    (folder / "list.csv").write_text(text)
    config = loader.parse(mapping(folder / "list.csv", **tables))
    asked = Options(state_dir=folder / "state", **(options or {}))
    with attempt_of(RunSpec.new(config, (), asked, mode).with_folder()) as it:
        yield it


@contextmanager
def attempt_of(spec: RunSpec) -> Iterator[Staged]:
    """The next attempt of a run."""
    spec.folder.make_folders()
    observer = Listening()
    with closing(Journal(spec.folder.journal)) as journal:
        yield Staged(spec, Attempt.of(spec, observer), journal, RejectFiles(spec.folder), observer)
