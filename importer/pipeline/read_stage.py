"""Read: the books of a run opened, by reading its sources or from what an earlier life has read.

The snapshot is looked at first, since it says which rows may be due. Then the sources go through the gate
into the spool, and what they came to is set down in the journal: last, since a later life that finds it there
relies on the whole spool.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from importer.pipeline import guards
from importer.pipeline.context import RunContext
from importer.pipeline.ledger import Ledger
from importer.pipeline.open_snapshot import open_changes
from importer.pipeline.source_reader import ChangeFiltering, SourceReader, open_sources, rows_of
from importer.reconcile.check_counts import CheckCounts
from importer.reconcile.diff import Diff
from importer.reconcile.reconciler import OpenChunk
from importer.reconcile.retry_plan import RetryPlan, RetrySums, other_runs, places_in, seen_by, withholding
from importer.report.reject_files import RejectFiles
from importer.storage import run_folder
from importer.storage.id_cache import IdCache
from importer.storage.journal import Journal
from importer.storage.run_history import RunHistory
from importer.storage.spool import Spool, SpoolWriter
from importer.validate import identities
from importer.validate.change_filter import ChangeFilter
from importer.validate.read_result import ReadResult
from importer.validate.validator import ValidatedBatch, Validator
from importer.values.row_hash import RowHasher


class _Read(NamedTuple):
    """What was read; `places` is where the rows of a corrected file stood in the run it corrects."""

    reading: ReadResult
    spool: Spool
    places: dict[int, int]


def open_ledger(context: RunContext, journal: Journal) -> Ledger:
    """What the chunks share: everything read, in this life or by an earlier one."""
    reports = RejectFiles(context.folder)
    changes = open_changes(context, journal)
    read = _taken_up(context, journal) or _read_sources(context, journal, reports, _sifting(context, changes))
    withheld, sums = _withholding(context, read.places)
    dead = journal.fact("dead")
    ledger = Ledger(
        context.config,
        context.destination,
        read.reading,
        read.spool,
        journal,
        reports,
        _marks(context),
        withheld.prepare if withheld else _nothing,
        sums.withhold if sums else None,
        _addresses(context),
        dead if isinstance(dead, dict) else {},
        identities.open_problems(_identity_folder(context)) if context.config.identity_fields else None,
        sends=context.sends,
        changes=changes,
        release=withheld.close if withheld else lambda: None,
    )
    ledger.take_up()
    return ledger


def _taken_up(context: RunContext, journal: Journal) -> _Read | None:
    """What an earlier life has read; None where nothing was read to its end."""
    known = journal.fact("reading")
    if not isinstance(known, dict):
        return None
    places = {int(k): int(str(v)) for k, v in dict(known.get("places", {})).items()}
    return _Read(ReadResult.load(known), Spool.open(context.folder.spool), places)


def _read_sources(
    context: RunContext, journal: Journal, reports: RejectFiles, sifting: ChangeFiltering | None
) -> _Read:
    """Every row of every source, through the gate into the spool."""
    began = time.monotonic()
    writer, seen = SpoolWriter(context.folder.spool), list[pl.DataFrame]()
    look: Callable[[ValidatedBatch], None] = (
        seen_by(seen) if context.corrected else partial(_stop_in_time, context)
    )
    source_reader = _source_reader(context, reports, writer, look, sifting)
    reading = source_reader.read(open_sources(context.config, context.arguments))
    reading.warnings = [*reading.warnings, *context.destination.warnings()]
    if context.mode == "run" and not context.options.again:
        context.counted.refuse_again(reading.contents, context.folder.run_id)
    places = places_in(context.corrected, seen) if context.corrected else {}
    reading.guards = _judged(context, reading)
    # First: who finds the reading remembered relies on the whole spool.
    with run_folder.state_errors(context.folder.spool):
        spool = _finish_spool(context, writer, reading)
    journal.remember("reading", {**reading.dump(), "places": places})
    context.stats.seconds["reading"] += time.monotonic() - began
    return _Read(reading, spool, places)


def _source_reader(
    context: RunContext,
    reports: RejectFiles,
    writer: SpoolWriter,
    look: Callable[[ValidatedBatch], None],
    sifting: ChangeFiltering | None,
) -> SourceReader:
    marks = _marks(context)
    validator = Validator(context.config, context.destination.distinct_id_max, keeps_rows=marks is None)
    spooled = marks.of if marks else rows_of
    return SourceReader(
        validator, reports, writer, context.observer, context.options.limit, look, spooled, sifting
    )


def _stop_in_time(context: RunContext, _: ValidatedBatch) -> None:
    """Between two batches: OutOfTimeError where nothing would be sent any more anyway."""
    if error := context.out_of_time():
        raise error


def _judged(context: RunContext, reading: ReadResult) -> guards.Tripped:
    """What the guards say of the list; a corrected one is no night's list."""
    if context.mode == "retry":
        return {}
    good = RunHistory.load(context.state_dir, context.config).good
    return guards.judge(context.config, reading, good, time.time(), whole=context.options.limit is None)


def _finish_spool(context: RunContext, writer: SpoolWriter, reading: ReadResult) -> Spool:
    spool = writer.finish()
    if fields := context.config.identity_fields:
        reading.intake.people_rejected = identities.examine(spool, _identity_folder(context), fields)
    return spool


def _sifting(context: RunContext, changes: Diff | None) -> ChangeFiltering | None:
    """Rows are kept back by their fingerprint where no word of the whole list is needed of them."""
    if changes is None or not changes.compares or changes.snapshot.is_empty or context.mode == "retry":
        return None
    guarded = context.config.guards.max_unknown_options is not None
    if context.config.identity_fields or context.destination.fixes_types or guarded:
        return None
    change_filter = ChangeFilter(changes.snapshot, context.folder.work / "sieve")
    prints, why_not = RowHasher(context.config, context.destination.encoding), ""
    if context.arguments:
        why_not = "another source was named"
    elif changes.snapshot.where not in (None, context.config.source.where):
        why_not = "where has changed"
    return ChangeFiltering(change_filter, prints, why_not)


def _marks(context: RunContext) -> CheckCounts | None:
    """What a check spools in place of rows. Where people can be mixed up, it takes rows to show them.

    So it does for values that are compared with the snapshot.
    """
    config = context.config
    checks = not context.sends and not config.identity_fields and not config.run.changed_only
    return CheckCounts(config) if checks else None


def _withholding(context: RunContext, places: Mapping[int, int]) -> tuple[RetryPlan | None, RetrySums | None]:
    """What a retry does not send again, of values and of sums; any other run sends all that is due."""
    if not context.corrected:
        return None, None
    every = other_runs(context.state_dir, context.config, but=context.folder)
    by_time = context.config.source.latest_by is not None
    return withholding(context.corrected, places, every, by_time=by_time)


def _addresses(context: RunContext) -> IdCache | None:
    """What ids resolve to, kept between runs; `check` needs none, for it resolves nobody."""
    if not context.sends or not context.destination.resolves:
        return None
    return IdCache(context.state_dir, context.config, context.destination.id_scope(context.key))


def _identity_folder(context: RunContext) -> Path:
    return context.folder.spool / "identity"


def _nothing(_: OpenChunk) -> None:
    """The default of a hook."""
