"""Joins the stages; the only module that knows them all.

read    opening     reader → intake → spool     nothing is sent before everything is read and checked
guard   guards      what the list must look like, the reject limit; the canary goes first of what is sent
send    dispatch    chunker → destination → sender → reconciler → journal, chunk by chunk
finish  finishing   reports, books, summary

All of them work for one `Life`: a run has several where it is stopped or killed, and resumed.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.config.options import DEFAULTS, Options
from importer.config.schema import Config
from importer.core.errors import ConfigError, ImporterError, command
from importer.core.events import Observer, Silent
from importer.core.models import RunSummary
from importer.pipeline import finish_stage, guards, send_stage
from importer.pipeline.context import RunContext, stored_config
from importer.pipeline.read_stage import open_ledger
from importer.storage import run_folder
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder
from importer.validate.read_result import ReadResult


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
    return _live(RunContext.new(as_config(config), sources, options, observer or Silent(), "run"))


def check(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[str] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Reads and checks everything and writes the same reports, but sends nothing and needs no key."""
    return _live(RunContext.new(as_config(config), sources, options, observer or Silent(), "check"))


def resume(
    state_dir: Path, run_id: str | None, options: Options = DEFAULTS, observer: Observer | None = None
) -> RunSummary:
    """Continues a run that was stopped or killed, from what is acknowledged in its journal."""
    run_folder.prepare_state_dir(state_dir)
    folder = run_folder.find(state_dir, run_id, wanted=run_folder.is_resumable)
    state = run_folder.state_of(folder.read_meta(), folder.read_summary())
    if state == "finished":
        raise ConfigError(f"Run {folder.run_id} is finished; there is nothing to resume.")
    _refuse_superseded(folder, state, state_dir)
    return _live(RunContext.again(folder, options, observer or Silent()))


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
    run_folder.prepare_state_dir(state_dir)
    corrected = run_folder.find(state_dir, run_id, wanted=run_folder.has_sent)
    summary = corrected.read_summary()
    _refuse_superseded(corrected, run_folder.state_of(corrected.read_meta(), summary), state_dir)
    if not summary or summary["state"] != "finished":
        first = command("resume", corrected.run_id, state_dir=state_dir)
        raise ConfigError(f"Run {corrected.run_id} is not finished; first: {first}")
    config = stored_config(corrected.read_meta())
    files = [file] if file else [str(p) for p in sorted(corrected.rejected_rows.glob("*"))]
    if not files:
        raise ConfigError(f"Run {corrected.run_id} has nothing rejected or unconfirmed; nothing to retry.")
    return _live(RunContext.new(config, files, options, observer or Silent(), "retry", corrected))


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    """A configuration from a file's path, a mapping of the same keys, or one that is built already."""
    if isinstance(config, Config):
        return config
    return configuration.load(config) if isinstance(config, (str, Path)) else configuration.parse(config)


def _live(context: RunContext) -> RunSummary:
    """A life of the run from its folder to its summary; then the word in the morning, but for a check."""
    if not context.sends:
        context.begin()
        return _in_folder(context)
    try:
        with context.held():
            context.begin()
            run_folder.supersede(context.state_dir, context.config, context.folder)
            summary = _in_folder(context)
    except ImporterError as error:
        finish_stage.tell_end(context, error.exit_code, str(error))
        raise
    except Exception:
        finish_stage.tell_end(context, ImporterError.exit_code, "An internal error.")
        raise
    finish_stage.tell_end(context, summary.exit_code, summary.message, summary)
    return summary


def _in_folder(context: RunContext) -> RunSummary:
    """The stages, in the run's folder; where not even the first came to its end, a summary that says so."""
    context.folder.write_json(context.folder.meta, context.meta())
    with context.folder.temporary(), closing(Journal(context.folder.journal)) as journal:
        try:
            return _go(context, journal)
        except ImporterError as error:
            if journal.fact("reading") is None:
                finish_stage.close_unread(context, error)
            raise


def _go(context: RunContext, journal: Journal) -> RunSummary:
    """The stages, one after the other."""
    context.stats.take_over(journal)
    ledger = open_ledger(context, journal)
    try:
        _guard(context, ledger.reading)
        send_stage.send(context, ledger)
    finally:
        ledger.let_go()
    return finish_stage.finish(context, ledger)


def _guard(context: RunContext, reading: ReadResult) -> None:
    """What stops the run before its first call."""
    for error in guards.before_first_call(reading, context.options):
        context.stop.because(error)
    if late := context.out_of_time():
        context.stop.because(late)
