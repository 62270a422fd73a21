"""`check`, `run`, `resume`, `retry`: the commands that read a list."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from importer.cli.interrupts import stop_on_signals
from importer.cli.logs import say, say_more
from importer.cli.progress import Progress
from importer.cli.streams import print_lines
from importer.config import loader as configuration
from importer.config.options import Options
from importer.core.errors import DEFAULT_STATE_DIR, ConfigError, command
from importer.core.models import RunSummary
from importer.core.text import json_text
from importer.pipeline import runner
from importer.report import text_report
from importer.report.next_step import next_step
from importer.report.reject_groups import read_groups
from importer.report.summary import as_json
from importer.send.shutdown import StopRequest
from importer.storage.run_folder import RunFolder


def run(args: argparse.Namespace) -> int:
    """`importer run CONFIG [SOURCE…]`."""
    return _import(args, partial(runner.run, resume=args.resume))


def check(args: argparse.Namespace) -> int:
    """`importer check CONFIG [SOURCE…]`; `--preview N` shows N people and their requests first."""
    if args.preview is not None:
        _print_preview(args)
    return _import(args, runner.check)


def _print_preview(args: argparse.Namespace) -> None:
    from importer.commands.preview import preview

    without = {"--json": args.json, "--quiet": args.quiet, "--limit": args.limit is not None}
    for flag, is_given in without.items():
        if is_given:
            raise ConfigError(f"--preview: not with {flag}; leave one of the two out.")
    config = configuration.load(args.config)
    print_lines([*preview(config, args.sources, _options(args), args.preview), ""])


def resume(args: argparse.Namespace) -> int:
    """`importer resume [RUN]`."""
    with _watched(args, state_dir_of(args)) as (progress, request):
        options = _options(args)
        summary = runner.resume(state_dir_of(args), args.run, options, progress, request, name=args.name)
    return show(summary, state_dir_of(args), args)


def retry(args: argparse.Namespace) -> int:
    """`importer retry [RUN [FILE]]`."""
    with _watched(args, state_dir_of(args)) as (progress, request):
        summary = runner.retry(state_dir_of(args), args.run, args.file, _options(args), progress, request)
    return show(summary, state_dir_of(args), args)


def _import(args: argparse.Namespace, function: Callable[..., RunSummary]) -> int:
    config, options = configuration.load(args.config), _options(args)
    with _watched(args, options.state_dir_of(config)) as (progress, request):
        summary = function(config, args.sources, options, progress, request)
    return show(summary, options.state_dir_of(config), args)


@contextmanager
def _watched(args: argparse.Namespace, state_dir: Path) -> Iterator[tuple[Progress, StopRequest]]:
    """The bar and the signals of a run; an interrupted one says how to continue it."""

    def resume_command() -> str:
        return command("resume", progress.run_id, state_dir=state_dir)

    with (
        Progress(quiet=args.quiet) as progress,
        stop_on_signals(lambda times: _say_stopping(times, resume_command())) as request,
    ):
        try:
            yield progress, request
        except BaseException as error:
            if not isinstance(error, Exception) and progress.run_id and args.command != "check":
                say(f"run {progress.run_id} is stopped.")
                say_more(f"  next: {resume_command()}")
            raise


def _say_stopping(times: int, step: str) -> None:
    if times == 1:
        say("stopping: waiting for the calls in flight, Ctrl-C again stops at once")
    elif times == 2:
        say(f"stopping at once; to continue: {step}")


def _options(args: argparse.Namespace) -> Options:
    """The flags of any of these commands; one that a command does not have keeps its default."""
    given = vars(args)
    own = (
        "run_id",
        "limit",
        "strict",
        "allow_duplicates",
        "lock_timeout",
        "stop_by",
        "max_duration",
        "changed_only",
        "full_refresh",
        "outcomes",
    )
    return Options(
        state_dir=Path(args.state_dir) if args.state_dir else None,
        base_url=args.base_url,
        max_rejects=args.max_rejects,
        rate=args.rate,
        allow=tuple(args.allow),
        **{name: given[name] for name in own if name in given},
    )


def state_dir_of(args: argparse.Namespace) -> Path:
    """Where a command without a configuration looks for runs."""
    return Path(args.state_dir) if args.state_dir else DEFAULT_STATE_DIR


_LARGEST = 64 << 20
"""A larger `rejects.csv` is not read again for the terminal; its values are in `report.html`."""


def print_summary(summary: Mapping[str, Any], folder: RunFolder, step: str, message: str = "") -> None:
    """How a run ended, with the most frequent bad values on a terminal alone, and the next step if any."""
    print_lines(text_report.summary_lines(summary, folder.read_meta()["mode"]))
    rejects = folder.rejects
    if sys.stdout.isatty() and rejects.exists() and rejects.stat().st_size <= _LARGEST:
        print_lines(text_report.frequent_lines(read_groups(rejects)))
    print_lines(["", f"  {message}"] if message else [])
    print_lines(text_report.next_lines(summary, folder, step))


def show(summary: RunSummary, state_dir: Path, args: argparse.Namespace) -> int:
    """The summary on stdout; what stopped the run, and how to go on after that, on stderr."""
    data = as_json(summary)
    folder = RunFolder(state_dir / "runs" / summary.run_id)
    step = str(next_step(data, folder, state_dir))
    is_stopped = bool(summary.message) and summary.state != "finished"
    if args.json:
        print(json_text(data, indent=2))
    elif not args.quiet:
        print_summary(data, folder, "" if is_stopped else step)
    if summary.message:
        say(summary.message)
    if is_stopped:
        say_more(f"  next: {step}")
    return summary.exit_code
