"""Joins the stages; the only module that knows them all.

read    read_stage      sources → validator → spool      nothing is sent before everything is read and checked
guard   guards          what the list must look like, the reject limit, before the first call
send    send_stage      chunks → destination → sender → reconciler → journal; the canary first
finish  finish_stage    reports, counts, summary, notifications
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.config import secrets
from importer.config.options import DEFAULTS, Options
from importer.config.schema import Config
from importer.core.errors import ConfigError, ImporterError, InterruptedRunError, command
from importer.core.events import Event, Observer
from importer.core.models import RunSummary
from importer.pipeline import check_stage, finish_stage, guards, read_stage
from importer.pipeline.attempt import Attempt
from importer.pipeline.cost import report_cost
from importer.pipeline.import_lock import locked
from importer.pipeline.ledger import Ledger
from importer.pipeline.open_files import require_open_files
from importer.pipeline.open_ledger import open_ledger
from importer.pipeline.open_snapshot import open_diff
from importer.pipeline.read_stage import Read
from importer.pipeline.run_spec import RunSpec, stored_config
from importer.pipeline.sources import NamedSource
from importer.pipeline.unfinished import has_begun_to_count, has_open_jobs, is_same_list, unfinished_run
from importer.reconcile.check_counts import CheckCounts
from importer.report.reject_files import RejectFiles
from importer.send.shutdown import StopRequest
from importer.storage import run_folder, state_folder
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder
from importer.transport.choice import check_connection
from importer.validate.read_result import ReadResult


def run(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[NamedSource] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    request: StopRequest | None = None,
    *,
    resume: bool = False,
) -> RunSummary:
    """Imports `sources` (default: the configured one) and says what became of every row.

    Returns the summary of a run that ended by itself or was stopped by the destination, a guard or a signal
    (`exit_code`, `message`). Raises ConfigError, SourceError or StateError where nothing was sent. `request`
    may ask it from another thread to stop. `resume` goes on with this import's unfinished run, where there
    is one of the same list.
    """
    spec = RunSpec.new(as_config(config), sources, options, "run")
    if resume:
        return _resume_or_start(spec, observer, request)
    return _start(spec, Attempt.of(spec, observer, request))


def check(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[NamedSource] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    request: StopRequest | None = None,
) -> RunSummary:
    """Reads and checks everything and writes the same reports, but sends nothing and needs no key."""
    return check_spec(RunSpec.new(as_config(config), sources, options, "check"), observer, request)


def check_spec(spec: RunSpec, observer: Observer | None, request: StopRequest | None) -> RunSummary:
    """As `check`, of a run that has its id already."""
    return _start(spec, Attempt.of(spec, observer, request))


def resume(
    state_dir: Path,
    run_id: str | None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    request: StopRequest | None = None,
    *,
    name: str | None = None,
) -> RunSummary:
    """Continues a run that was stopped or killed, from what is acknowledged in its journal.

    Without a run id it is the newest unfinished run, or that of the import called `name`.
    """
    state_folder.prepare(state_dir)

    def is_wanted(folder: RunFolder) -> bool:
        return run_folder.is_resumable(folder) and name in (None, folder.read_meta()["name"])

    folder = state_folder.find(state_dir, run_id, wanted=is_wanted)
    state = run_folder.state_of(folder.read_meta(), folder.read_summary())
    if state == "finished":
        raise ConfigError(f"Run {folder.run_id} is finished; there is nothing to resume.")
    _refuse_superseded(folder, state, state_dir)
    spec = RunSpec.of_folder(folder, options)
    return _start(spec, Attempt.of(spec, observer, request))


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
    request: StopRequest | None = None,
) -> RunSummary:
    """Sends what a run rejected or could not confirm again, from a corrected file or the rows it kept."""
    state_folder.prepare(state_dir)
    corrected = state_folder.find(state_dir, run_id, wanted=run_folder.has_sent)
    summary = corrected.read_summary()
    _refuse_superseded(corrected, run_folder.state_of(corrected.read_meta(), summary), state_dir)
    if not summary or summary["state"] != "finished":
        first = command("resume", corrected.run_id, state_dir=state_dir)
        raise ConfigError(f"Run {corrected.run_id} is not finished; first: {first}")
    config = _config_of_retry(corrected.read_meta())
    files = [file] if file else [str(p) for p in corrected.rejected_files()]
    if not files:
        raise ConfigError(f"Run {corrected.run_id} has nothing rejected or unconfirmed; nothing to retry.")
    spec = RunSpec.new(config, files, options, "retry", corrected)
    return _start(spec, Attempt.of(spec, observer, request))


def _config_of_retry(meta: Mapping[str, Any]) -> Config:
    """The run's own; the rows of a table were kept as Parquet, whatever format the configured source has."""
    config = stored_config(meta)
    if not meta.get("tables"):
        return config
    return config.model_copy(update={"source": config.source.model_copy(update={"format": None})})


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    """A configuration from a file's path, a mapping of the same keys, or one that is built already."""
    if isinstance(config, Config):
        return config
    return configuration.load(config) if isinstance(config, (str, Path)) else configuration.parse(config)


def _resume_or_start(new: RunSpec, observer: Observer | None, request: StopRequest | None) -> RunSummary:
    """Goes on with the unfinished run of the same list; else settles what it must leave behind, and begins.

    What is to be done is decided again under the lock: another process may have finished the run meanwhile.
    """
    old = unfinished_run(new)
    while old:
        step = _step_with(old, new)
        if step is _Step.REPLACE:
            break
        spec = RunSpec.of_folder(old, new.options)
        attempt = Attempt.of(spec, observer, request)
        attempt.settle_only = step is _Step.SETTLE
        summary = _start_if(spec, attempt, partial(_is_unfinished, old, new))
        before, old = old, unfinished_run(new)
        if summary and (step is _Step.RESUME or (old == before and _step_with(old, new) is step)):
            return summary
    attempt = Attempt.of(new, observer, request)
    return _start_if(new, attempt, partial(_is_unfinished, old, new)) or _resume_or_start(
        new, observer, request
    )


def _is_unfinished(old: RunFolder | None, new: RunSpec) -> bool:
    return unfinished_run(new) == old


class _Step(Enum):
    """What `--resume` does with an unfinished run."""

    RESUME = auto()  # its list is still the same
    FINISH = auto()  # it has begun to increase; the new run comes after it
    SETTLE = auto()  # its open jobs are waited for; the new run comes after it
    REPLACE = auto()  # the new run takes its place


def _step_with(old: RunFolder, new: RunSpec) -> _Step:
    if is_same_list(old, new):
        return _Step.RESUME
    if has_begun_to_count(old, new):
        return _Step.FINISH
    return _Step.SETTLE if has_open_jobs(old) else _Step.REPLACE


def _start(spec: RunSpec, attempt: Attempt) -> RunSummary:
    """One attempt from the lock to the summary, then the notifications; a check needs neither."""
    if not spec.sends:
        require_open_files()
        return _in_folder(spec, attempt, "")
    summary = _start_if(spec, attempt, lambda: True)
    assert summary is not None
    return summary


def _start_if(spec: RunSpec, attempt: Attempt, is_wanted: Callable[[], bool]) -> RunSummary | None:
    """One attempt of a run that sends; None where it is no longer wanted once the import is locked.

    OutOfTimeError at once where the deadline is over before it begins.
    """
    try:
        require_open_files()
        _refuse_late(attempt)
        key = secrets.read_key(spec.config)
        secrets.request_headers(spec.config, spec.destination, key)  # what is missing is said before reading
        check_connection(spec.config.destination)
        with locked(spec, attempt.deadline, attempt.observer):
            if not is_wanted():
                return None
            summary = _in_folder(spec, attempt, key)
    except InterruptedRunError as error:  # stopped at once: as after a kill, nobody is notified
        raise attempt.interrupted or error from None
    except ImporterError as error:
        finish_stage.notify_end(spec, attempt, error.exit_code, str(error))
        raise
    except Exception:
        finish_stage.notify_end(spec, attempt, ImporterError.exit_code, "An internal error.")
        raise
    finish_stage.notify_end(spec, attempt, summary.exit_code, summary.message, summary)
    if attempt.interrupted:
        raise attempt.interrupted
    return summary


def _refuse_late(attempt: Attempt) -> None:
    if late := attempt.out_of_time():
        raise late


def _in_folder(spec: RunSpec, attempt: Attempt, key: str) -> RunSummary:
    """The stages, in the run's folder; where reading does not come to its end, a summary that says so.

    The folder is made when the import is locked, so that a run that never began leaves none.
    """
    attempt.stats.begin()
    spec = spec.with_folder()
    fields = {"run_id": spec.folder.run_id, "import": spec.config.name, "command": spec.mode}
    attempt.observer.tell(Event("began", f"run {spec.folder.run_id} began", fields))
    if spec.sends:
        state_folder.supersede(spec.state_dir, spec.config, spec.folder)
    spec.folder.write_meta(spec.meta())
    spec.folder.make_folders()
    with closing(Journal(spec.folder.journal)) as journal:
        _report_lost_answers(journal, attempt.observer)
        try:
            with attempt.stats.kept_in(spec.folder, journal):
                return _run_stages(spec, attempt, key, journal)
        except ImporterError as error:
            if journal.fact("reading") is None:
                finish_stage.close_unread(spec, attempt, error)
            raise


def _report_lost_answers(journal: Journal, observer: Observer) -> None:
    """Says that a resumed run has lost answers: all of its calls may be sent twice, so it goes on."""
    if journal.lost:
        text = f"the journal has lost {journal.lost:,} answers; what they were about is sent again"
        observer.tell(Event("journal_lost", text, {"answers": journal.lost}))
        journal.accept_loss()


def _run_stages(spec: RunSpec, attempt: Attempt, key: str, journal: Journal) -> RunSummary:
    """The stages, one after the other."""
    reports, diff = RejectFiles(spec.folder), open_diff(spec, journal)
    read = read_stage.read(spec, attempt, journal, reports, diff)
    with open_ledger(spec, read, journal, reports, diff) as ledger:
        _stop_before_first_call(spec.options, attempt, read.result)
        if not spec.sends:
            _count(spec, attempt, ledger, read)
        elif attempt.stop.is_set:
            ledger.count_without_sending(ledger.plans)
        else:
            from importer.pipeline import send_stage  # a check does not load what sends

            send_stage.send(spec, attempt, key, ledger)
    return finish_stage.finish(spec, attempt, ledger)


def _stop_before_first_call(options: Options, attempt: Attempt, result: ReadResult) -> None:
    """Sets the stop where nothing must be sent."""
    for error in guards.before_first_call(result, options):
        attempt.stop.because(error)
    if late := attempt.out_of_time():
        attempt.stop.because(late)


def _count(spec: RunSpec, attempt: Attempt, ledger: Ledger, read: Read) -> None:
    """`check`: counts how all rows end, and says what a run would send."""
    attempt.observer.tell(Event("finishing", "counting how the rows end"))
    if read.flags:
        check_stage.count_flags(CheckCounts(spec.config), read.flags, ledger.reports, ledger.tally)
    else:
        ledger.count_without_sending(ledger.plans)
    report_cost(spec, attempt, ledger, ledger.tally.people["not_attempted"])
