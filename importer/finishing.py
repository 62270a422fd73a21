"""Finish: how a life of a run ended, in its reports, its summary, and to those who want to know."""

import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from importer import guards, memory, morning, page
from importer.chunker import Tally
from importer.errors import GuardError, ImporterError, InternalError, OutOfTimeError, StateError
from importer.life import Life, iso
from importer.models import RunSummary
from importer.notify import Ending
from importer.options import Event
from importer.reading import Reading
from importer.sending import Books
from importer.summary import as_json, balanced_books, diff, has_rejects, peak_rss_bytes, reject_counts

_FORGOTTEN = (
    "The run came to its end with values that were never sent, and nothing had stopped it: a fault of the "
    "importer. Nothing is lost; please report it with the run's summary.json."
)
"""A run that is called finished has sent everything: what was forgotten must never look like success."""


def finish(life: Life, books: Books) -> RunSummary:
    """Writes the reports and the summary. A finished run drops its spool, and is remembered as a good one."""
    reading, changes = books.reading, books.changes
    books.reports.write(reading.edges, [source.original() for source in reading.sources])
    life.spent.end()
    life.spent.leave(books.journal)
    state, code, message = _ending(life, books)
    if changes and life.sends and state == "finished":
        changes.snapshot.finish(full_at=_full_at(life, books))
    summary = _summary(life, reading, books.tally, state, code, message)
    if changes and changes.compares:
        summary = replace(summary, diff=diff(reading, books.tally))
    page.write(life.folder, as_json(summary))
    life.folder.write_json(life.folder.summary, as_json(summary))
    if state == "finished":
        life.folder.drop_temporary()
        _remember_good(life, reading)
    return summary


def close_unread(life: Life, error: ImporterError) -> None:
    """A run that never came to its first call: its summary says why, no rows of people stay behind."""
    life.spent.end()
    shutil.rmtree(life.folder.spool, ignore_errors=True)
    shutil.rmtree(life.folder.kept, ignore_errors=True)
    summary = _summary(life, Reading(), Tally(), "stopped", error.exit_code, str(error))
    with suppress(StateError):  # the disk is full, say, which is what `error` tells already
        life.folder.write_json(life.folder.summary, as_json(summary))


def tell_ending(life: Life, code: int, message: str, summary: RunSummary | None = None) -> None:
    """The word in the morning, and to whoever watches; `summary` is None where it never came to one."""
    told = as_json(summary) if summary else None
    fields = {"run_id": life.folder.run_id, "exit_code": code, "message": message, "summary": told}
    life.observer.tell(Event("ended", f"run {life.folder.run_id} ended with {code}", fields))
    ending = Ending(life.config, life.folder, code, message, told)
    for problem in morning.say(life.state_dir, ending, time.time()):
        life.observer.tell(Event("not_notified", problem))


def _ending(life: Life, books: Books) -> tuple[str, int, str]:
    """State, exit code and sentence. Where several hold: a signal, then the stop, then the rejects."""
    stop, tally = life.stop, books.tally
    if stop.signal:
        name = signal.Signals(stop.signal).name
        return "interrupted", 128 + stop.signal, f"{name}: stopped after the calls in flight."
    error = stop.error
    if error is not None and not (isinstance(error, OutOfTimeError) and _is_done(tally)):
        code = error.exit_code if isinstance(error, ImporterError) else ImporterError.exit_code
        return "stopped", code, str(error)
    if life.sends and tally.values["not_attempted"]:
        return "stopped", InternalError.exit_code, _FORGOTTEN
    bad = has_rejects(books.reading, tally)
    return "finished", 1 if bad and life.options.max_rejects is None else 0, ""


def _is_done(tally: Tally) -> bool:
    """Whether nothing is left for another life of the run."""
    return not tally.values["not_attempted"] and not tally.values["unconfirmed"]


def _full_at(life: Life, books: Books) -> float | None:
    """Now, where this run sent the whole configured source whatever the snapshot said."""
    assert books.changes is not None
    whole = life.mode == "run" and not life.arguments and not books.reading.limited
    return time.time() if whole and not books.changes.compares else None


def _remember_good(life: Life, reading: Reading) -> None:
    """What the guards compare the next night with: the whole list of a run that went to its end."""
    if life.mode == "run" and not reading.limited:
        shape = guards.shape(reading, life.folder.run_id)
        memory.change(life.state_dir, life.config, lambda known: known.after_good(shape))


def _summary(life: Life, reading: Reading, tally: Tally, state: str, code: int, message: str) -> RunSummary:
    line, counts, seconds = balanced_books(reading, tally), life.spent.counts, life.spent.seconds
    return RunSummary(
        run_id=life.folder.run_id,
        name=life.config.name,
        destination=life.config.destination.type,
        account=life.config.destination.account,
        confirms=life.destination.confirms,
        state=state,
        exit_code=code,
        started_at=iso(life.started),
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
        guards=error.allow if isinstance(error := life.stop.error, GuardError) else (),
    )
