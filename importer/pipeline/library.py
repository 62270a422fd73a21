"""What a Python program calls: the commands as functions, and as coroutines.

Nothing of the calling process changes: no signal handler, no environment, no file mode, no temporary folder.
Calls go out from a thread of their own, so a running event loop does not get in the way. Several imports may
run in threads of one process; two runs of the same import take turns, as two processes do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from importer.config.options import DEFAULTS, Options
from importer.config.schema import Config
from importer.core import own_thread
from importer.core.events import Event, Observer, Silent
from importer.core.models import RunSummary
from importer.pipeline import runner
from importer.pipeline.sources import Given, named_sources
from importer.send.shutdown import StopRequest

ConfigLike = Config | Mapping[str, Any] | str | PathLike[str]
"""A TOML file's path, a mapping with the same keys, or a configuration that is built already."""

Sources = Given | Sequence[Given] | None
"""A path, a URL or a table with `__arrow_c_stream__`, or several of them; None = the configured source."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. While it is `reading`, `rows` are read and `total` is None.

    While it is `sending`, `rows` of `total` rows are done, and `rejects` values and rows were rejected.
    """

    stage: Literal["reading", "sending"]
    rows: int
    total: int | None = None
    rejects: int = 0


class _Reporting:
    """An observer that calls a function with the progress, and hands the rest to another observer."""

    def __init__(self, progress: Callable[[Progress], object], observer: Observer) -> None:
        self._progress = progress
        self._observer = observer

    def tell(self, event: Event) -> None:
        self._observer.tell(event)

    def reading(self, rows: int) -> None:
        self._progress(Progress("reading", rows))
        self._observer.reading(rows)

    def sending(self, rows: int, total: int, rejects: int) -> None:
        self._progress(Progress("sending", rows, total, rejects))
        self._observer.sending(rows, total, rejects)


def _observed(observer: Observer | None, progress: Callable[[Progress], object] | None) -> Observer:
    watched = observer or Silent()
    return _Reporting(progress, watched) if progress else watched


def run(
    config: ConfigLike,
    source: Sources = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    resume: bool = False,
    progress: Callable[[Progress], object] | None = None,
    request: StopRequest | None = None,
) -> RunSummary:
    """Imports `source` (default: the configured one) and reports what happened to every row.

    `resume` goes on with this import's unfinished run where its sources and configuration are the same as
    then. Where they are not, the new run takes its place, after open jobs of the old one are settled and what
    it has begun to increase is finished. Where there is none, a run begins.

    A table is read under the rules of Parquet, batch by batch and once. `progress` is called a few times a
    second, not always from the calling thread. `request.ask()` stops the run from another thread, after the
    calls in flight.

    Returns the summary of a run that ended by itself or was stopped by the destination or a guard
    (`exit_code`, `message`; `raise_for_status()` raises). Raises ConfigError, SourceError or StateError where
    nothing was sent; KeyboardInterrupt after Ctrl-C, when the run is stopped and reported. A second
    `request.ask()` stops it at once, without a report: InterruptedRunError; `resume` goes on with it.
    """
    observer = _observed(observer, progress)
    return runner.run(_config(config), named_sources(source), options, observer, request, resume=resume)


def check(
    config: ConfigLike,
    source: Sources = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    progress: Callable[[Progress], object] | None = None,
    request: StopRequest | None = None,
) -> RunSummary:
    """Reads and checks everything and writes the same reports, but sends nothing and needs no key."""
    observer = _observed(observer, progress)
    return runner.check(_config(config), named_sources(source), options, observer, request)


def resume(
    state_dir: str | PathLike[str],
    run_id: str | None = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    name: str | None = None,
    progress: Callable[[Progress], object] | None = None,
    request: StopRequest | None = None,
) -> RunSummary:
    """Continues a run that was stopped or killed, from what its journal acknowledges.

    Without `run_id` it is the newest one, or the newest of the import called `name`.

    A run of a table goes on where the table was read to its end: its rows are in the run's folder. Where it
    was not, SourceError: a table cannot be read again.
    """
    observer = _observed(observer, progress)
    return runner.resume(Path(state_dir), run_id, options, observer, request, name=name)


def retry(
    state_dir: str | PathLike[str],
    run_id: str | None = None,
    file: str | PathLike[str] | None = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    progress: Callable[[Progress], object] | None = None,
    request: StopRequest | None = None,
) -> RunSummary:
    """Sends again what a run rejected or could not confirm (default: the newest run).

    The rows are those of `file`, a corrected file of `rejected_rows/`, or else as the run kept them; those of
    a table are kept as Parquet.
    """
    path = None if file is None else str(file)
    return runner.retry(Path(state_dir), run_id, path, options, _observed(observer, progress), request)


async def arun(
    config: ConfigLike,
    source: Sources = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    resume: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> RunSummary:
    """`run` for a coroutine: the event loop goes on meanwhile.

    Where the task is cancelled, the run stops after the calls in flight, and then the cancellation goes on.
    """
    request = StopRequest()
    work = partial(run, config, source, options, observer, resume=resume, progress=progress, request=request)
    return await own_thread.acall(work, request.ask)


async def acheck(
    config: ConfigLike,
    source: Sources = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
    *,
    progress: Callable[[Progress], object] | None = None,
) -> RunSummary:
    """`check` for a coroutine; cancelled, it stops after the batch at which it is."""
    request = StopRequest()
    work = partial(check, config, source, options, observer, progress=progress, request=request)
    return await own_thread.acall(work, request.ask)


def _config(config: ConfigLike) -> Config:
    return runner.as_config(Path(config) if isinstance(config, PathLike) else config)
