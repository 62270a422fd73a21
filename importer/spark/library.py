"""`run`, `check` and `resume` for a Spark data frame.

Executors read and check the rows and put them into `staging`. When all tasks have ended, this process sends
them, as `importer.resume` does: one rate limit, one journal, one first call.
"""

import re
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from importer.config.options import DEFAULTS, Options
from importer.config.schema import Config
from importer.config.secrets import read_key
from importer.core import errors
from importer.core.errors import ConfigError, ImporterError, SourceError, StateError
from importer.core.events import Event, Observer, Silent
from importer.core.models import RunSummary
from importer.core.package import install_command
from importer.pipeline import library, runner
from importer.pipeline.library import ConfigLike, Progress
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.sources import Staged
from importer.send.shutdown import StopRequest
from importer.spark.changes import marked
from importer.spark.known import put_fingerprints, snapshot_to_compare
from importer.spark.piece import Job
from importer.spark.seal import abandon, remove_others
from importer.storage import locks, network_mounts
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder
from importer.storage.staging import staging_of
from importer.transport.choice import check_connection

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def run(
    df: "DataFrame",
    config: ConfigLike,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    staging: str | PathLike[str],
    progress: Callable[[Progress], object] | None = None,
    request: StopRequest | None = None,
) -> RunSummary:
    """Imports a data frame: Spark reads and checks it, this process sends it.

    `staging` is a folder or URL that this process and all executors can write to; it holds rows of people
    until they are in the state folder, which has to be on a disk of this machine. With the run id of a run
    that was stopped or killed, the call goes on with it: rows that are staged are not staged again, and
    nothing is sent twice.

    Returns and raises what `importer.run` does. SourceError too where people have several rows that differ
    and the configuration has no `latest_by`, or where Spark fails.
    """
    spec = _spec(config, options, str(staging), "run")
    read_key(spec.config)  # before a cluster works for nothing
    check_connection(spec.config.destination)
    spec = spec.with_folder()  # before the rows: `importer resume` finds the run from here on
    if not _is_read(spec.folder):
        _stage(df, spec, observer or Silent())
    return library.resume(
        spec.state_dir, spec.folder.run_id, options, observer, progress=progress, request=request
    )


def check(
    df: "DataFrame",
    config: ConfigLike,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    staging: str | PathLike[str],
    request: StopRequest | None = None,
) -> RunSummary:
    """Reads and checks everything by Spark, writes the same reports, sends nothing and needs no key."""
    spec = _spec(config, options, str(staging), "check")
    _stage(df, spec, observer or Silent())
    return runner.check_spec(spec, observer, request)


resume = library.resume
"""`importer.resume`: goes on with a run whose rows are staged, without Spark."""


def _spec(config: ConfigLike, options: Options, staging: str, mode: str) -> RunSpec:
    """The run, also where an earlier call has begun it; ConfigError where it must not begin."""
    parsed = runner.as_config(Path(config) if isinstance(config, PathLike) else config)
    _refuse(options.applied_to(parsed), options)
    state_dir = options.state_dir_of(parsed)
    network_mounts.refuse(state_dir)
    known = RunFolder(state_dir / "runs" / (options.run_id or ""))
    if mode == "check" or options.run_id is None or not known.meta.exists():
        return RunSpec.new(parsed, (Staged(staging),), options, mode)
    spec = RunSpec.of_folder(known, options)
    if spec.staging is None:
        raise ConfigError(f"--run-id: run {known.run_id} has another source; choose another id.")
    return spec


def _refuse(config: Config, options: Options) -> None:
    """ConfigError for what a table of a cluster cannot have."""
    if options.limit is not None:
        raise ConfigError("limit: not with a Spark data frame; use df.limit.")
    if config.run.on_gone == "clear":
        raise ConfigError(
            'run.on_gone: "clear" is not possible with a Spark data frame; set "ignore", or import the list '
            "with importer.run."
        )


def _is_read(folder: RunFolder) -> bool:
    """Whether an earlier call has all rows in the run's own folder."""
    if not folder.journal.exists():
        return False
    with closing(Journal(folder.journal)) as journal:
        return journal.fact("reading") is not None


def _stage(df: "DataFrame", spec: RunSpec, observer: Observer) -> None:
    """Has Spark read, check and seal the rows, where an earlier call has not."""
    staging = staging_of(str(spec.staging), spec.folder.run_id)
    if staging.read_seal() is not None:
        remove_others(staging)
        return
    try:
        from importer.spark.source import NAME, ImporterSource, require_columns
    except ModuleNotFoundError:
        raise ConfigError(f"pyspark is not installed; first: {install_command('spark')}") from None
    require_columns(spec.config, df.schema)
    observer.tell(Event("staging", "Spark reads and checks the table"))
    job = Job.new(spec.config, str(spec.staging), spec.folder.run_id)
    df.sparkSession.dataSource.register(ImporterSource)
    staging.begin_job(job.token)
    try:
        if spec.config.run.changed_only:
            job = _with_snapshot(spec, job)
        if job.snapshot:
            df = marked(df, df.sparkSession.read.format(NAME).option("known", job.dump()).load(), job.config)
        df.write.format(NAME).option("job", job.dump()).mode("append").save()
    except ImporterError:
        abandon(job)
        raise
    except Exception as error:  # noqa: BLE001 - Spark's errors have no common class, and quote values
        abandon(job)  # tasks that were still running when Spark gave up have left their pieces since
        raise _plain(error) from None
    if staging.read_seal() is None:
        raise StateError(
            f"{spec.staging}: Spark has ended, and nothing is sealed there; is it the same place on all "
            "machines of the cluster?"
        )


def _with_snapshot(spec: RunSpec, job: Job) -> Job:
    """The job that compares with the snapshot, whose fingerprints are staged; the same job if none does.

    No other run may change the snapshot meanwhile; a check reads it without the lock, as any check does.
    """
    lock = locks.import_lock(spec.state_dir, spec.config, spec.folder, spec.options.lock_timeout)
    with lock if spec.sends else nullcontext():
        known = snapshot_to_compare(spec)
        if known is None:
            return job
        job = replace(job, snapshot=known.version(job.run_id))
        put_fingerprints(known, job, spec.state_dir)
    return job


_OURS = re.compile(r"importer\.core\.errors\.(\w+Error): (.+)")
"""How an error of ours stands in the text of Spark's."""


_OTHER_PYTHON = re.compile(r"different version: ([0-9.]+) than that in driver: ([0-9]+\.[0-9]+)")
"""How Spark says PYTHON_VERSION_MISMATCH."""


def _plain(error: Exception) -> Exception:
    """What Spark raised as an error of ours; Spark's own text can hold values of people."""
    text = str(error)
    if found := _OURS.search(text):
        kind = getattr(errors, found[1], SourceError)
        return kind(found[2]) if issubclass(kind, ImporterError) else SourceError(found[2])
    if "No module named 'importer'" in text:
        return SourceError("table: an executor has no importer; install it on all machines of the cluster.")
    if found := _OTHER_PYTHON.search(text):
        return SourceError(
            f"table: an executor runs Python {found[1]}, the caller {found[2]}; Spark needs one minor "
            "version on all machines (PYSPARK_PYTHON names the program)."
        )
    name = getattr(error, "getCondition", lambda: None)() or type(error).__name__
    return SourceError(f"table: Spark could not read it ({name}). Spark's own log says more.")
