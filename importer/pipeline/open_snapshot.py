"""Opens the snapshot of an import at the start of a run."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.pipeline.run_spec import RunSpec
from importer.reconcile.diff import Diff
from importer.storage.journal import Journal
from importer.storage.journal_records import Entry
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot import Snapshot


def open_diff(spec: RunSpec, journal: Journal) -> Diff | None:
    """The snapshot, which every run that sends keeps up to date; a check reads it only for `changed_only`."""
    wanted = spec.config.run.changed_only
    if not spec.sends and not wanted:
        return None
    snapshot = snapshot_of(spec.state_dir, spec.config)
    if spec.sends:
        snapshot.begin(spec.folder.run_id)
    compares = journal.fact("compares")
    if compares is None:
        compares = compares_with(spec, snapshot)
        journal.remember("compares", compares)
    return Diff(snapshot, spec.folder.previous_values, bool(compares))


def snapshot_of(state_dir: Path, config: Config) -> Snapshot:
    """The snapshot of an import; what killed runs have left open is taken from their journals."""
    return Snapshot(state_dir, config, lambda run_id: _answers_of(RunFolder(state_dir / "runs" / run_id)))


def compares_with(spec: RunSpec, snapshot: Snapshot) -> bool:
    """Whether a run that begins now leaves out what the snapshot knows."""
    wanted = spec.config.run.changed_only and not spec.options.full_refresh
    return wanted and not _full_is_due(spec, snapshot)


def _full_is_due(spec: RunSpec, snapshot: Snapshot) -> bool:
    """Whether the last run that sent everything is `full_every` ago, or there was none."""
    every, last = spec.config.run.full_every, snapshot.full_at
    if every is None or spec.mode != "run":
        return False
    return last is None or not 0 <= time.time() - last < every


def _answers_of(folder: RunFolder) -> Sequence[Entry]:
    """What a killed run knows of its open chunks; nothing where its journal is missing or damaged."""
    if not folder.journal.exists():
        return []
    try:
        with closing(Journal(folder.journal)) as journal:
            return list(journal.open_answers())
    except StateError:
        return []
