"""Read: the whole list into the spool, or what an earlier attempt has read.

The snapshot is opened before, since it says which rows may be due. What was read is stored in the journal
last: an attempt that finds it there relies on the whole spool.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from importer.core.models import RunWarning
from importer.pipeline import guards, outcome_parts, standard_input
from importer.pipeline.attempt import Attempt
from importer.pipeline.change_filtering import ChangeFiltering
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.source_reader import SourceReader
from importer.pipeline.sources import open_sources, passed_over
from importer.pipeline.staged_reader import StagedReader, refuse_several_rows
from importer.reconcile.check_counts import CheckCounts
from importer.reconcile.diff import Diff
from importer.reconcile.retry_plan import collect_ids, places_in
from importer.report.outcome_files import OutcomeFiles
from importer.report.reject_files import RejectFiles
from importer.storage import disk_errors
from importer.storage.counted_lists import is_counting
from importer.storage.flag_spool import FlagSpool
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder
from importer.storage.run_history import RunHistory
from importer.storage.spool import Spool, SpoolWriter
from importer.storage.staging import folder_of, staging_of
from importer.validate import identities
from importer.validate.change_filter import ChangeFilter
from importer.validate.read_result import ReadResult
from importer.validate.shared_identities import SharedIdentities
from importer.validate.validator import ValidatedBatch, Validator
from importer.validate.value_shapes import ValueShapes
from importer.values.row_hash import RowHasher


class Read(NamedTuple):
    """What was read; `places` is where the rows of a corrected file were in the run that it corrects.

    `flags` take the place of the rows in a check that spools none.
    """

    result: ReadResult
    spool: Spool
    places: dict[int, int]
    flags: FlagSpool | None = None


def read(spec: RunSpec, attempt: Attempt, journal: Journal, reports: RejectFiles, diff: Diff | None) -> Read:
    """Everything read, in this attempt or in an earlier one."""
    found = _read_earlier(spec.folder, journal)
    if found:
        _drop_staged(spec)
    else:
        found = _read_sources(spec, attempt, journal, reports, diff)
    standard_input.remove(spec.folder)
    return found


def _drop_staged(spec: RunSpec) -> None:
    """Deletes what an attempt that was killed has left on a disk after it had read everything."""
    if staged := folder_of(spec.staging, spec.folder.run_id):
        shutil.rmtree(staged, ignore_errors=True)


def check_counts(spec: RunSpec) -> CheckCounts | None:
    """What a check spools in place of rows; None where rows are spooled.

    A check spools rows, too, where identities can be mixed up, where values are compared with the snapshot,
    and where a cluster has read them.
    """
    config = spec.config
    checks = not (spec.sends or spec.staging or config.identity_fields or config.run.changed_only)
    return CheckCounts(config) if checks else None


def identity_folder(folder: RunFolder) -> Path:
    """Where the problems with people's identities are."""
    return folder.spool / "identity"


def _read_earlier(folder: RunFolder, journal: Journal) -> Read | None:
    """What an earlier attempt has read; None where it did not read everything."""
    known = journal.fact("reading")
    if not isinstance(known, dict):
        return None
    places = {int(k): int(str(v)) for k, v in dict(known.get("places", {})).items()}
    return Read(ReadResult.load(known), Spool.open(folder.spool), places)


def _read_sources(
    spec: RunSpec, attempt: Attempt, journal: Journal, reports: RejectFiles, diff: Diff | None
) -> Read:
    """Every row of every source, checked, into the spool."""
    if is_counting(spec.config):
        spec.counted_lists.refuse_lost_journal(spec.folder)
    began = time.monotonic()
    if spec.writes_outcomes:
        OutcomeFiles(spec.folder).begin()
    writer = SpoolWriter(spec.folder.spool)
    flags = FlagSpool(spec.folder.spool, len(spec.config.attributes)) if check_counts(spec) else None
    ids = list[pl.DataFrame]()
    on_batch = collect_ids(ids) if spec.corrected else _stop_between_batches(attempt)
    if spec.staging:
        known = diff.snapshot.version(spec.folder.run_id) if diff and diff.compares else ""
        staged = StagedReader(spec, reports, writer, attempt, known)
        result, shapes = staged.read(), staged.shapes
    else:
        filtering = _change_filtering(spec, diff)
        reader = _source_reader(spec, attempt, reports, flags or writer, on_batch, filtering)
        result, shapes = _read_list(spec, reader), reader.shapes
    result.warnings = [*result.warnings, *spec.destination.warnings()]
    if spec.mode == "run" and not spec.options.allow_duplicates:
        spec.counted_lists.refuse_again(result.contents, spec.folder.run_id)
    places = places_in(spec.corrected, ids) if spec.corrected else {}
    result.guards = _tripped_guards(spec, result, shapes)
    # Before the journal: an attempt that finds the reading there relies on the whole spool.
    with disk_errors.state_errors(spec.folder.spool):
        spool = _finish_spool(spec, writer, result)
        if spec.staging:
            refuse_several_rows(spool, spec)
    journal.remember("reading", {**result.dump(), "places": places})
    if spec.staging:
        staging_of(spec.staging, spec.folder.run_id).clear()  # the rows are in the run's own folder
    attempt.stats.seconds["reading"] += time.monotonic() - began
    return Read(result, spool, places, flags)


def _read_list(spec: RunSpec, reader: SourceReader) -> ReadResult:
    """The list as this process reads it."""
    if spec.writes_outcomes and reader.filtering:
        outcome_parts.watch_unchanged(reader.filtering.change_filter, spec, reader.result)
    result = reader.read(open_sources(spec.config, standard_input.copied(spec.folder, spec.sources)))
    result.warnings += [RunWarning("files_passed_over", *o) for o in passed_over(spec.config, spec.sources)]
    return result


def _source_reader(
    spec: RunSpec,
    attempt: Attempt,
    reports: RejectFiles,
    writer: SpoolWriter | FlagSpool,
    on_batch: Callable[[ValidatedBatch], None],
    filtering: ChangeFiltering | None,
) -> SourceReader:
    counts = check_counts(spec)
    validator = Validator(spec.config, spec.destination.distinct_id_max, keeps_rows=counts is None)
    return SourceReader(
        validator,
        reports,
        writer,
        attempt.observer,
        limit=spec.options.limit,
        on_batch=on_batch,
        spooled=counts.flags_of if counts else None,
        filtering=filtering,
    )


def _stop_between_batches(attempt: Attempt) -> Callable[[ValidatedBatch], None]:
    """Raises OutOfTimeError where the time is up, KeyboardInterrupt where a stop was asked for."""

    def check(_: ValidatedBatch) -> None:
        if attempt.request.asked:
            raise KeyboardInterrupt
        if error := attempt.out_of_time():
            raise error

    return check


def _tripped_guards(spec: RunSpec, result: ReadResult, shapes: ValueShapes) -> guards.Tripped:
    """What the guards find in the list; a corrected list is not compared with the last good one."""
    if spec.mode == "retry":
        return {}
    good = RunHistory.load(spec.state_dir, spec.config).good
    whole = spec.options.limit is None
    return guards.find_tripped(spec.config, result, shapes, good, time.time(), whole=whole)


def _finish_spool(spec: RunSpec, writer: SpoolWriter, result: ReadResult) -> Spool:
    spool = writer.finish()
    if fields := spec.config.identity_fields:
        result.counts.people_rejected = identities.examine(spool, identity_folder(spec.folder), fields)
    return spool


def _change_filtering(spec: RunSpec, diff: Diff | None) -> ChangeFiltering | None:
    """Drops unchanged rows by their fingerprint, where a run compares with what earlier ones have sent."""
    if diff is None or not diff.compares or diff.snapshot.is_empty or spec.mode == "retry":
        return None
    folder, fields = spec.folder.work / "change_filter", spec.config.identity_fields
    shared = SharedIdentities(folder, fields) if fields else None
    change_filter = ChangeFilter(diff.snapshot, folder, shared=shared)
    hasher, gone_unknown = RowHasher(spec.config, spec.destination.encoding), ""
    if spec.sources:
        gone_unknown = "another source was named"
    elif diff.snapshot.where not in (None, spec.config.source.where):
        gone_unknown = "where has changed"
    elif fields and spec.config.run.on_gone == "clear":
        gone_unknown = "columns name people to the destination, and only the list has them"
    return ChangeFiltering(change_filter, hasher, gone_unknown)
