"""Opens the ledger of a run: all that its chunks share, from what was read."""

from collections.abc import Iterator
from contextlib import contextmanager

from importer.pipeline.ledger import ChunkBuilder, Ledger
from importer.pipeline.read_stage import Read, identity_folder
from importer.pipeline.run_spec import RunSpec
from importer.reconcile.diff import Diff
from importer.reconcile.retry_plan import RetryPlan, RetrySums, other_runs, plan_retry
from importer.report.outcome_files import OutcomeFiles
from importer.report.reject_files import RejectFiles
from importer.storage.journal import Journal
from importer.validate import identities


@contextmanager
def open_ledger(
    spec: RunSpec, read: Read, journal: Journal, reports: RejectFiles, diff: Diff | None
) -> Iterator[Ledger]:
    """The ledger, for as long as its chunks are worked on."""
    values, sums = _retry_plan(spec, read)
    problems = identities.open_problems(identity_folder(spec.folder)) if spec.config.identity_fields else None
    leave_out = sums.leave_out if sums else None
    outcomes = OutcomeFiles(spec.folder) if spec.writes_outcomes else None
    builder = ChunkBuilder(
        spec.config, spec.destination, read.result, read.spool, problems, leave_out, diff, outcomes
    )
    dead = journal.fact("dead")
    ledger = Ledger(
        spec.config,
        spec.destination,
        read.result,
        builder,
        journal,
        reports,
        diff,
        outcomes,
        dead=dead if isinstance(dead, dict) else {},
        sends=spec.sends,
    )
    try:
        if values:
            ledger.prepare = values.prepare
        yield ledger
    finally:
        if values:
            values.close()


def _retry_plan(spec: RunSpec, read: Read) -> tuple[RetryPlan | None, RetrySums | None]:
    """What a retry does not send again, of values and of sums; any other run sends all that is due."""
    if not spec.corrected:
        return None, None
    every = other_runs(spec.state_dir, spec.config, but=spec.folder)
    by_time = spec.config.source.latest_by is not None
    return plan_retry(spec.corrected, read.places, every, by_time=by_time)
