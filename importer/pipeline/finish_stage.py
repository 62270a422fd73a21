"""Finish: how an attempt ended, in the reports, the summary and the notifications."""

import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from importer.chunk.tally import Tally
from importer.core.errors import GuardError, ImporterError, InternalError, OutOfTimeError, StateError
from importer.core.events import Event
from importer.core.models import RunSummary
from importer.core.process import peak_rss_bytes
from importer.pipeline import guards, outcome_parts
from importer.pipeline.attempt import Attempt
from importer.pipeline.ledger import Ledger
from importer.pipeline.run_spec import RunSpec, iso
from importer.report import after_run, html_report, outcome_export
from importer.report.notify import RunEnd
from importer.report.reject_files import Written
from importer.report.summary import (
    as_json,
    attribute_counts,
    balanced_counts,
    diff,
    has_rejects,
    reject_counts,
    source_counts,
)
from importer.send.shutdown import is_own_fault
from importer.storage import run_history
from importer.storage.run_folder import RunFolder
from importer.validate.read_result import ReadResult

_NOT_SENT = (
    "The run ended with values that were never sent, and nothing had stopped it: a fault of the importer. "
    "Nothing is lost; please report it with the run's summary.json."
)
"""A run that is called finished has sent everything: values not sent must never look like success."""


_REPORT_FAULT = (
    "{file} could not be written, a fault of the importer ({kind}). What was sent is in the summary and the "
    "journal; please report it."
)

_INCOMPLETE = (
    "{what}, so this is not complete: {reports}. What was sent is complete in the summary and the journal; "
    "summary.json counts all rejects by reason, and importer check lists those of the check again."
)

_OUTCOMES_FAULT = (
    "outcomes/ and summary.json count another number of values ({names}), a fault of the importer. What was "
    "sent is in the summary and the journal; please report it."
)

_SETTLED = "The jobs of this run are settled; a run of the newer list takes its place."


def finish(spec: RunSpec, attempt: Attempt, ledger: Ledger) -> RunSummary:
    """Writes the reports and the summary; a finished run drops its spool and becomes the last good one."""
    reading, changes = ledger.reading, ledger.diff
    attempt.observer.tell(Event("finishing", "writing the reports"))
    attempt.stats.end()
    attempt.stats.save(ledger.journal)
    state, code, message = _result(spec, attempt, ledger)
    if changes and spec.sends and state == "finished":
        changes.snapshot.finish(full_at=_full_at(spec, ledger))
    if problem := _write_rejects(spec.folder, ledger) or _write_outcomes(spec, ledger):
        message = f"{message} {problem}".strip()
        if state == "finished" or isinstance(problem, InternalError):
            code = problem.exit_code
    summary = _summary(spec, attempt, reading, ledger.tally, state, code, message)
    if changes and changes.compares:
        summary = replace(summary, diff=diff(reading, ledger.tally))
    spec.folder.write_summary(as_json(summary))
    _write_html(spec, attempt, summary)
    if state == "finished":
        spec.folder.drop_temporary()
        _keep_list_shape(spec, reading)
    return summary


def _write_rejects(folder: RunFolder, ledger: Ledger) -> ImporterError | None:
    """Writes `rejects.csv` and the rejected rows; what keeps them from being whole.

    Neither a fault of ours nor a damaged part must keep a run from its end: every resumed attempt would meet
    it again. StateError, of a full disk for example, is raised: a resumed attempt only writes the reports.
    """
    reading = ledger.reading
    try:
        written = ledger.reports.write(reading.edges, [source.original() for source in reading.sources])
    except StateError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is over
        return InternalError(_REPORT_FAULT.format(file="rejects.csv", kind=type(error).__name__))
    counted = (reading.counts.reasons + ledger.tally.reasons).total()
    return _incomplete(folder, written, counted, reading.counts.kept + ledger.tally.kept)


def _write_outcomes(spec: RunSpec, ledger: Ledger) -> ImporterError | None:
    """Completes the table of outcomes and copies it to where it is wanted; what keeps it from being whole."""
    if ledger.outcomes is None:
        return None
    reading = ledger.reading
    outcome_parts.put_check_rejects(ledger.outcomes, spec, reading)
    values = balanced_counts(reading, ledger.tally)["values"]
    if differing := ledger.outcomes.differing(values):
        return InternalError(_OUTCOMES_FAULT.format(names=" and ".join(differing)))
    try:
        if target := spec.options.outcomes:
            outcome_export.export(ledger.outcomes.folder, spec.folder.run_id, str(target))
    except StateError as error:
        return error
    return None


def _incomplete(folder: RunFolder, written: Written, lines: int, kept: int) -> StateError | None:
    """The error where parts of the reports are damaged, or gone: then counted lines or rows are missing."""
    reports = [
        name
        for name, of in (("rejects.csv", folder.work), ("rejected_rows", folder.kept))
        if any(path.parent == of for path in written.damaged)
    ]
    if written.damaged:
        more = len(written.damaged) - 1
        what = f"{written.damaged[0]}{f' and {more:,} more' if more else ''}: damaged"
    elif written.lines < lines:
        what = f"{folder.work}: {lines - written.lines:,} of {lines:,} lines are missing"
        reports = ["rejects.csv"]
    elif written.kept < kept:
        what = f"{folder.kept}: {kept - written.kept:,} of {kept:,} rows are missing"
        reports = ["rejected_rows"]
    else:
        return None
    return StateError(_INCOMPLETE.format(what=what, reports=" and ".join(reports)))


def _write_html(spec: RunSpec, attempt: Attempt, summary: RunSummary) -> None:
    """Writes `report.html`, which shows what stands elsewhere: whatever happens to it is only said."""
    try:
        html_report.write(spec.folder, as_json(summary))
    except StateError as error:
        attempt.observer.tell(Event("not_written", f"report.html was not written: {error}"))
    except Exception as error:  # noqa: BLE001 - as above
        attempt.observer.tell(
            Event("not_written", _REPORT_FAULT.format(file="report.html", kind=type(error).__name__))
        )


def close_unread(spec: RunSpec, attempt: Attempt, error: ImporterError) -> None:
    """Ends a run that never came to its first call: a summary with the reason, no rows of people on disk."""
    attempt.stats.end()
    shutil.rmtree(spec.folder.spool, ignore_errors=True)
    shutil.rmtree(spec.folder.kept, ignore_errors=True)
    shutil.rmtree(spec.folder.outcomes, ignore_errors=True)
    summary = _summary(spec, attempt, ReadResult(), Tally(), "stopped", error.exit_code, str(error))
    with suppress(StateError):  # the disk is full, for example, which `error` says already
        spec.folder.write_summary(as_json(summary))


def notify_end(
    spec: RunSpec, attempt: Attempt, code: int, message: str, summary: RunSummary | None = None
) -> None:
    """Tells the observer and `[notify]` how the run ended; `summary` is None where there is none."""
    summary_json = as_json(summary) if summary else None
    fields = {"run_id": spec.folder.run_id, "exit_code": code, "message": message, "summary": summary_json}
    attempt.observer.tell(Event("ended", f"run {spec.folder.run_id} ended with {code}", fields))
    end = RunEnd(spec.config, spec.folder, code, message, summary_json)
    for problem in after_run.run_hooks(spec.state_dir, end, time.time()):
        attempt.observer.tell(Event("not_notified", problem))


def _result(spec: RunSpec, attempt: Attempt, ledger: Ledger) -> tuple[str, int, str]:
    """State, exit code and sentence. Where several hold: a fault of ours, a signal, the stop, the rejects."""
    stop, tally = attempt.stop, ledger.tally
    error = stop.error
    if stop.signal and not is_own_fault(error):
        name = signal.Signals(stop.signal).name
        how = "without waiting for" if stop.is_abandoned else "after"
        return "interrupted", 128 + stop.signal, f"{name}: stopped {how} the calls in flight."
    if error is not None and not (isinstance(error, OutOfTimeError) and _is_done(tally)):
        code = error.exit_code if isinstance(error, ImporterError) else ImporterError.exit_code
        return "stopped", code, str(error)
    if attempt.settle_only:
        return "stopped", OutOfTimeError.exit_code, _SETTLED
    if spec.sends and tally.values["not_attempted"]:
        return "stopped", InternalError.exit_code, _NOT_SENT
    bad = has_rejects(ledger.reading, tally)
    code = 1 if bad and spec.options.max_rejects is None else 0
    return "finished", code, _lost_at_destination(spec, ledger) if code else ""


def _lost_at_destination(spec: RunSpec, ledger: Ledger) -> str:
    """A sentence on the attributes that the destination refuses nearly always; "" where there are none."""
    lost, tally = [], ledger.tally
    for key in spec.config.attributes:
        refused = sum(n for (stage, _, name), n in tally.reasons.items() if (stage, name) == ("send", key))
        applied = sum(n for (_, name, end), n in tally.values_by.items() if (name, end) == (key, "applied"))
        answered = refused + applied
        if answered >= guards.ATTRIBUTE_FROM and guards.is_lost(spec.config.guards, refused, answered):
            lost.append(f"{refused:,} of {answered:,} values of {key}")
    return f"The destination rejected {'; '.join(lost)}. rejects.csv says why." if lost else ""


def _is_done(tally: Tally) -> bool:
    """Whether nothing is left for another attempt."""
    return not tally.values["not_attempted"] and not tally.values["unconfirmed"]


def _full_at(spec: RunSpec, ledger: Ledger) -> float | None:
    """Now, where this run sent the whole configured source whatever the snapshot said."""
    assert ledger.diff is not None
    whole = spec.mode == "run" and not spec.sources and not ledger.reading.limited
    return time.time() if whole and not ledger.diff.compares else None


def _keep_list_shape(spec: RunSpec, reading: ReadResult) -> None:
    """What the guards compare the next list with: the whole list of a run that was finished."""
    if spec.mode == "run" and not reading.limited:
        shape = guards.shape(reading, spec.folder.run_id)
        run_history.change(spec.state_dir, spec.config, lambda known: known.after_good(shape))


def _summary(
    spec: RunSpec, attempt: Attempt, reading: ReadResult, tally: Tally, state: str, code: int, message: str
) -> RunSummary:
    balance, counts, seconds = balanced_counts(reading, tally), attempt.stats.counts, attempt.stats.seconds
    return RunSummary(
        run_id=spec.folder.run_id,
        name=spec.config.name,
        destination=spec.config.destination.type,
        account=spec.config.destination.account,
        confirms=spec.destination.confirms,
        state=state,
        exit_code=code,
        started_at=iso(spec.started),
        finished_at=iso(datetime.now(UTC)),
        sources=source_counts(reading, tally),
        limited=reading.limited,
        rows=balance["rows"],
        values=balance["values"],
        people=balance["people"],
        calls={"sent": counts.sent, "retried": counts.retried, "throttled": counts.throttled},
        adjusted=tally.adjusted,
        attributes=attribute_counts(spec.config.attributes, reading, tally),
        reject_counts=reject_counts(reading, tally),
        warnings=reading.warnings,
        hints=reading.hints,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        requests_per_second=round(attempt.stats.requests_per_second, 1),
        peak_rss_bytes=peak_rss_bytes(),
        message=message,
        guards=error.allow if isinstance(error := attempt.stop.error, GuardError) else (),
        folder=spec.folder.path,
    )
