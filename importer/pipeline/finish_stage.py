"""Finish: how a life of a run ended, in its reports, its summary, and to those who want to know."""

import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from importer.chunk.chunker import Tally
from importer.core.errors import GuardError, ImporterError, InternalError, OutOfTimeError, StateError
from importer.core.events import Event
from importer.core.models import RunSummary
from importer.pipeline import guards
from importer.pipeline.context import RunContext, iso
from importer.pipeline.ledger import Ledger
from importer.report import after_run, html_report
from importer.report.notify import RunEnd
from importer.report.summary import as_json, balanced_counts, diff, has_rejects, peak_rss_bytes, reject_counts
from importer.storage import run_history
from importer.validate.read_result import ReadResult

_FORGOTTEN = (
    "The run came to its end with values that were never sent, and nothing had stopped it: a fault of the "
    "importer. Nothing is lost; please report it with the run's summary.json."
)
"""A run that is called finished has sent everything: what was forgotten must never look like success."""


def finish(context: RunContext, ledger: Ledger) -> RunSummary:
    """Writes the reports and the summary. A finished run drops its spool, and is remembered as a good one."""
    reading, changes = ledger.reading, ledger.changes
    ledger.reports.write(reading.edges, [source.original() for source in reading.sources])
    context.stats.end()
    context.stats.leave(ledger.journal)
    state, code, message = _ending(context, ledger)
    if changes and context.sends and state == "finished":
        changes.snapshot.finish(full_at=_full_at(context, ledger))
    summary = _summary(context, reading, ledger.tally, state, code, message)
    if changes and changes.compares:
        summary = replace(summary, diff=diff(reading, ledger.tally))
    html_report.write(context.folder, as_json(summary))
    context.folder.write_json(context.folder.summary, as_json(summary))
    if state == "finished":
        context.folder.drop_temporary()
        _remember_good(context, reading)
    return summary


def close_unread(context: RunContext, error: ImporterError) -> None:
    """A run that never came to its first call: its summary says why, no rows of people stay behind."""
    context.stats.end()
    shutil.rmtree(context.folder.spool, ignore_errors=True)
    shutil.rmtree(context.folder.kept, ignore_errors=True)
    summary = _summary(context, ReadResult(), Tally(), "stopped", error.exit_code, str(error))
    with suppress(StateError):  # the disk is full, say, which is what `error` tells already
        context.folder.write_json(context.folder.summary, as_json(summary))


def tell_end(context: RunContext, code: int, message: str, summary: RunSummary | None = None) -> None:
    """The word in the morning, and to whoever watches; `summary` is None where it never came to one."""
    told = as_json(summary) if summary else None
    fields = {"run_id": context.folder.run_id, "exit_code": code, "message": message, "summary": told}
    context.observer.tell(Event("ended", f"run {context.folder.run_id} ended with {code}", fields))
    ending = RunEnd(context.config, context.folder, code, message, told)
    for problem in after_run.say(context.state_dir, ending, time.time()):
        context.observer.tell(Event("not_notified", problem))


def _ending(context: RunContext, ledger: Ledger) -> tuple[str, int, str]:
    """State, exit code and sentence. Where several hold: a signal, then the stop, then the rejects."""
    stop, tally = context.stop, ledger.tally
    if stop.signal:
        name = signal.Signals(stop.signal).name
        return "interrupted", 128 + stop.signal, f"{name}: stopped after the calls in flight."
    error = stop.error
    if error is not None and not (isinstance(error, OutOfTimeError) and _is_done(tally)):
        code = error.exit_code if isinstance(error, ImporterError) else ImporterError.exit_code
        return "stopped", code, str(error)
    if context.sends and tally.values["not_attempted"]:
        return "stopped", InternalError.exit_code, _FORGOTTEN
    bad = has_rejects(ledger.reading, tally)
    return "finished", 1 if bad and context.options.max_rejects is None else 0, ""


def _is_done(tally: Tally) -> bool:
    """Whether nothing is left for another life of the run."""
    return not tally.values["not_attempted"] and not tally.values["unconfirmed"]


def _full_at(context: RunContext, ledger: Ledger) -> float | None:
    """Now, where this run sent the whole configured source whatever the snapshot said."""
    assert ledger.changes is not None
    whole = context.mode == "run" and not context.arguments and not ledger.reading.limited
    return time.time() if whole and not ledger.changes.compares else None


def _remember_good(context: RunContext, reading: ReadResult) -> None:
    """What the guards compare the next night with: the whole list of a run that went to its end."""
    if context.mode == "run" and not reading.limited:
        shape = guards.shape(reading, context.folder.run_id)
        run_history.change(context.state_dir, context.config, lambda known: known.after_good(shape))


def _summary(
    context: RunContext, reading: ReadResult, tally: Tally, state: str, code: int, message: str
) -> RunSummary:
    line, counts, seconds = balanced_counts(reading, tally), context.stats.counts, context.stats.seconds
    return RunSummary(
        run_id=context.folder.run_id,
        name=context.config.name,
        destination=context.config.destination.type,
        account=context.config.destination.account,
        confirms=context.destination.confirms,
        state=state,
        exit_code=code,
        started_at=iso(context.started),
        finished_at=iso(datetime.now(UTC)),
        sources=[{"path": s.path, "rows": s.rows} for s in reading.sources],
        limited=reading.limited,
        rows=line["rows"],
        values=line["values"],
        people=line["people"],
        calls={"sent": counts.sent, "retried": counts.retried, "throttled": counts.throttled},
        trimmed=tally.trimmed,
        rejects=reject_counts(reading, tally),
        warnings=reading.warnings,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        requests_per_second=round(counts.sent / max(seconds["sending"], 0.001), 1),
        peak_rss_bytes=peak_rss_bytes(),
        message=message,
        guards=error.allow if isinstance(error := context.stop.error, GuardError) else (),
    )
