"""`check`, `run`, `resume`, `retry`: the commands that read a list."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from importer.cli.interrupts import stop_on_signals
from importer.cli.logs import say, say_more
from importer.cli.progress import Progress
from importer.cli.streams import print_lines
from importer.config import loader as configuration
from importer.config.options import Options
from importer.core.errors import DEFAULT_STATE_DIR
from importer.core.models import RunSummary
from importer.core.text import json_text
from importer.pipeline import runner
from importer.report import text_report
from importer.report.next_step import after_stop
from importer.report.summary import as_json
from importer.storage.run_folder import RunFolder


def run(args: argparse.Namespace) -> int:
    """`importer run CONFIG [SOURCE…]`."""
    return _import(args, partial(runner.run, resume=args.resume))


def check(args: argparse.Namespace) -> int:
    """`importer check CONFIG [SOURCE…]`."""
    return _import(args, runner.check)


def resume(args: argparse.Namespace) -> int:
    """`importer resume [RUN]`."""
    with Progress(quiet=args.quiet) as progress, stop_on_signals() as request:
        options = _options(args)
        summary = runner.resume(state_dir_of(args), args.run, options, progress, request, name=args.name)
    return show(summary, state_dir_of(args), args)


def retry(args: argparse.Namespace) -> int:
    """`importer retry [RUN [FILE]]`."""
    with Progress(quiet=args.quiet) as progress, stop_on_signals() as request:
        summary = runner.retry(state_dir_of(args), args.run, args.file, _options(args), progress, request)
    return show(summary, state_dir_of(args), args)


def _import(args: argparse.Namespace, function: Callable[..., RunSummary]) -> int:
    config, options = configuration.load(args.config), _options(args)
    with Progress(quiet=args.quiet) as progress, stop_on_signals() as request:
        summary = function(config, args.sources, options, progress, request)
    return show(summary, options.state_dir_of(config), args)


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


def show(summary: RunSummary, state_dir: Path, args: argparse.Namespace) -> int:
    """The summary on stdout; what stopped the run, and how to go on, on stderr."""
    data = as_json(summary)
    folder = RunFolder(state_dir / "runs" / summary.run_id)
    if args.json:
        print(json_text(data, indent=2))
    elif not args.quiet:
        print_lines(text_report.summary_lines(data, folder.read_meta()["mode"]))
        print_lines(text_report.next_lines(data, folder, state_dir))
    if summary.message:
        say(summary.message)
        say_more(f"  next: {after_stop(data, state_dir)}")
    return summary.exit_code
