"""Joins the stages; the only module that knows them all.

read    opening     reader → intake → spool     nothing is sent before everything is read and checked
guard   guards      what the list must look like, the reject limit; the canary goes first of what is sent
send    dispatch    chunker → destination → sender → reconciler → journal, chunk by chunk
finish  finishing   reports, books, summary

All of them work for one `Life`: a run has several where it is stopped or killed, and resumed.
"""

import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from importer import config as configuration
from importer import dispatch, finishing, guards, runs
from importer.config import Config
from importer.errors import ConfigError, ImporterError, command
from importer.journal import Journal
from importer.life import Life, stored_config
from importer.models import RunSummary
from importer.opening import open_books
from importer.options import DEFAULTS, Observer, Options, Silent
from importer.reading import Reading
from importer.runs import RunFolder


def run(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[str] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Imports `sources` (default: the configured one) and says what became of every row.

    Returns the summary of a run that ended by itself or was stopped by the destination, a guard or a signal
    (`exit_code`, `message`). Raises ConfigError, SourceError or StateError where nothing was sent.
    """
    return _live(Life.new(as_config(config), sources, options, observer or Silent(), "run"))


def check(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[str] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Reads and checks everything and writes the same reports, but sends nothing and needs no key."""
    return _live(Life.new(as_config(config), sources, options, observer or Silent(), "check"))


def resume(
    state_dir: Path, run_id: str | None, options: Options = DEFAULTS, observer: Observer | None = None
) -> RunSummary:
    """Continues a run that was stopped or killed, from what is acknowledged in its journal."""
    runs.prepare_state_dir(state_dir)
    folder = runs.find(state_dir, run_id, wanted=runs.is_resumable)
    state = runs.state_of(folder.read_meta(), folder.read_summary())
    if state == "finished":
        raise ConfigError(f"Run {folder.run_id} is finished; there is nothing to resume.")
    _refuse_superseded(folder, state, state_dir)
    return _live(Life.again(folder, options, observer or Silent()))


def _refuse_superseded(folder: RunFolder, state: str, state_dir: Path) -> None:
    if state == "superseded":
        raise ConfigError(
            f"Run {folder.run_id} is superseded by a later run of the same import, whose values are newer; "
            f"see: {command('runs', state_dir=state_dir)}"
        )


def retry(
    state_dir: Path,
    run_id: str | None,
    file: str | None = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Sends what a run rejected or could not confirm again, from a corrected file or the rows it kept."""
    runs.prepare_state_dir(state_dir)
    corrected = runs.find(state_dir, run_id, wanted=runs.has_sent)
    summary = corrected.read_summary()
    _refuse_superseded(corrected, runs.state_of(corrected.read_meta(), summary), state_dir)
    if not summary or summary["state"] != "finished":
        first = command("resume", corrected.run_id, state_dir=state_dir)
        raise ConfigError(f"Run {corrected.run_id} is not finished; first: {first}")
    config = stored_config(corrected.read_meta())
    files = [file] if file else [str(p) for p in sorted(corrected.rejected_rows.glob("*"))]
    if not files:
        raise ConfigError(f"Run {corrected.run_id} has nothing rejected or unconfirmed; nothing to retry.")
    return _live(Life.new(config, files, options, observer or Silent(), "retry", corrected))


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    """A configuration from a file's path, a mapping of the same keys, or one that is built already."""
    if isinstance(config, Config):
        return config
    return configuration.load(config) if isinstance(config, (str, Path)) else configuration.parse(config)


def _live(life: Life) -> RunSummary:
    """A life of the run from its folder to its summary; then the word in the morning, but for a check."""
    if not life.sends:
        life.begin()
        return _in_folder(life)
    try:
        with life.held():
            life.begin()
            runs.supersede(life.state_dir, life.config, life.folder)
            summary = _in_folder(life)
    except ImporterError as error:
        finishing.tell_ending(life, error.exit_code, str(error))
        raise
    except Exception:
        finishing.tell_ending(life, ImporterError.exit_code, "An internal error.")
        raise
    finishing.tell_ending(life, summary.exit_code, summary.message, summary)
    return summary


def _in_folder(life: Life) -> RunSummary:
    """The stages, in the run's folder; where not even the first came to its end, a summary that says so."""
    life.folder.write_json(life.folder.meta, life.meta())
    with life.folder.temporary(), closing(Journal(life.folder.journal)) as journal:
        try:
            return _go(life, journal)
        except ImporterError as error:
            if journal.fact("reading") is None:
                finishing.close_unread(life, error)
            raise


def _go(life: Life, journal: Journal) -> RunSummary:
    """The stages, one after the other."""
    life.spent.take_over(journal)
    books = open_books(life, journal)
    try:
        _guard(life, books.reading)
        dispatch.send(life, books)
    finally:
        books.let_go()
    return finishing.finish(life, books)


def _guard(life: Life, reading: Reading) -> None:
    """What stops the run before its first call."""
    for error in guards.before_first_call(reading, life.options):
        life.stop.because(error)
    if late := life.out_of_time():
        life.stop.because(late)
