"""Opens the snapshot of an import at the start of a run."""

import time
from collections.abc import Sequence
from contextlib import closing

from importer.core.errors import StateError
from importer.pipeline.context import RunContext
from importer.reconcile.diff import Diff
from importer.storage.journal import Entry, Journal
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot import Snapshot


def open_changes(context: RunContext, journal: Journal) -> Diff | None:
    """The snapshot, which every run keeps true; a check looks into it where it is asked for the diff."""
    wanted = context.config.run.changed_only
    if not context.sends and not wanted:
        return None
    snapshot = Snapshot(
        context.state_dir, context.config, lambda run_id: _answers_of(context.folder.beside(run_id))
    )
    if context.sends:
        snapshot.begin(context.folder.run_id)
    compares = journal.fact("compares")
    if compares is None:
        compares = wanted and not context.options.full and not _full_is_due(context, snapshot)
        journal.remember("compares", compares)
    return Diff(snapshot, context.folder.before, bool(compares))


def _full_is_due(context: RunContext, snapshot: Snapshot) -> bool:
    """Whether the last run that sent everything is `full_every` ago, or was never."""
    every, last = context.config.run.full_every, snapshot.full_at
    if every is None or context.mode != "run":
        return False
    return last is None or not 0 <= time.time() - last < every


def _answers_of(folder: RunFolder) -> Sequence[Entry]:
    """What a killed run knows of its open chunks; nothing where its journal is gone or damaged."""
    if not folder.journal.exists():
        return []
    try:
        with closing(Journal(folder.journal)) as journal:
            return list(journal.open_answers())
    except StateError:
        return []
