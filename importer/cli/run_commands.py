"""`runs`, `report`, `verify`, `explain`, `undo`, `erase`, `snapshot`: what past runs have left."""

import argparse
import shutil
import sys
import time
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from importer.cli.import_commands import print_summary, state_dir_of
from importer.cli.logs import say
from importer.cli.streams import print_lines
from importer.config import loader as configuration
from importer.config.options import Options
from importer.core.errors import ConfigError, command
from importer.core.text import json_text
from importer.report import run_list, text_report
from importer.report.next_step import next_step
from importer.storage import run_folder, state_folder
from importer.storage.journal import count_pending
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot_exports import prune_exports


def runs(args: argparse.Namespace) -> int:
    """`importer runs`; `--html` writes the trends of one import, `--prune AGE` removes old runs."""
    state_dir = state_dir_of(args)
    if args.prune is not None:
        return _prune(state_dir, args.prune)
    found = run_list.read_runs(state_dir, args.name)
    if args.json:
        print(json_text(found, indent=2))
    elif not found:
        say(f"no runs in {state_dir}; another folder: importer runs --state-dir DIR")
    elif args.html:
        from importer.report import trends

        print_lines([str(trends.write(state_dir, args.name or found[-1]["import"]))])
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print_lines(run_list.table(found, width))
        print_lines(run_list.open_job_lines(found, state_dir))
    return 0


def _prune(state_dir: Path, seconds: float) -> int:
    removed = list(state_folder.prune(state_dir, seconds, _has_open_jobs))
    prune_exports(state_dir, time.time() - seconds)
    kept = state_folder.all_runs(state_dir)
    say(f"{len(removed):,} runs removed from {state_dir}, {len(kept):,} kept")
    return 0


def _has_open_jobs(folder: RunFolder) -> bool:
    return run_folder.is_resumable(folder) and folder.journal.exists() and count_pending(folder.journal) > 0


def report(args: argparse.Namespace) -> int:
    """`importer report [RUN]`: the summary of a run that has ended."""
    state_dir = state_dir_of(args)
    folder = state_folder.find(state_dir, args.run)
    summary = folder.read_summary()
    if summary is None:
        raise _no_summary(folder, state_dir)
    if args.spreadsheet:
        return _spreadsheet(folder, args)
    if args.open or args.no_values:
        return _html(folder, summary, args)
    if args.json:
        print(json_text(summary, indent=2))
    if args.json or args.quiet:
        return 0
    print_summary(summary, folder, str(next_step(summary, folder, state_dir)), summary["message"])
    return 0


def _spreadsheet(folder: RunFolder, args: argparse.Namespace) -> int:
    from importer.report import spreadsheet_copy

    if not folder.rejects.exists():
        raise ConfigError(
            f"Run {folder.run_id} has no rejects.csv: it stopped before it had read everything."
        )
    path = spreadsheet_copy.write(folder)
    if not args.quiet:
        print_lines([str(path)])
    return 0


def _html(folder: RunFolder, summary: Mapping[str, Any], args: argparse.Namespace) -> int:
    """Writes `report.html` again, so that one of an earlier version is new too, and opens it."""
    from importer.report import html_report

    path = html_report.write(folder, summary, values=not args.no_values).absolute()
    if not args.quiet:
        print_lines([str(path)])
    if args.open and not webbrowser.open(path.as_uri()):
        say("no browser could be opened; open the file above by hand.")
    return 0


def _no_summary(folder: RunFolder, state_dir: Path) -> ConfigError:
    what, words = "it is going on, or was killed; then", ["resume", folder.run_id]
    if run_folder.state_of(folder.read_meta(), None) == "superseded":
        what, words = "it was killed, and a later run took its place; see", ["runs"]
    hint = command(*words, state_dir=state_dir)
    return ConfigError(f"Run {folder.run_id} has no summary: {what}: {hint}")


def verify(args: argparse.Namespace) -> int:
    """`importer verify [RUN]`: reads people back from the destination."""
    from importer.commands import verify as command_

    options = Options(base_url=args.base_url, rate=args.rate)
    found = command_.verify(state_dir_of(args), args.run, args.sample, options)
    if args.json:
        print(json_text(found.as_mapping(), indent=2))
    elif not args.quiet:
        print_lines(text_report.verified_lines(found.as_mapping(), found.report))
    return found.exit_code


def explain(args: argparse.Namespace) -> int:
    """`importer explain ID`: one person's way from the list to the answer."""
    from importer.commands import explain as command_

    print_lines(command_.explain(state_dir_of(args), _person(args), args.run))
    return 0


def undo(args: argparse.Namespace) -> int:
    """`importer undo [RUN]`: a source file with the values of before."""
    from importer.commands import undo as command_

    state_dir = state_dir_of(args)
    print_lines(text_report.undone_lines(command_.undo(state_dir, args.run), state_dir))
    return 0


def erase(args: argparse.Namespace) -> int:
    """`importer erase ID`: takes one person out of the state folder."""
    from importer.commands import erase as command_

    found = command_.erase(state_dir_of(args), _person(args))
    say(
        f"erased from {found.snapshots:,} snapshots, {found.runs:,} runs, {found.caches:,} caches and "
        f"{found.exports:,} exports. Take the person out of the list and the destination too."
    )
    for url in sorted(found.elsewhere):
        say(f"  {url}: ids or values of people were written there; take the person out of it too.")
    return 0


def snapshot(args: argparse.Namespace) -> int:
    """`importer snapshot export CONFIG`: what is known of each person's row, as a table."""
    from importer.commands.export_snapshot import export_snapshot

    options = Options(state_dir=args.state_dir, base_url=args.base_url, lock_timeout=args.lock_timeout)
    print_lines([export_snapshot(configuration.load(args.config), options, args.to)])
    return 0


def _person(args: argparse.Namespace) -> str:
    """The id on the command line, or on standard input, where no process list shows it."""
    return sys.stdin.readline().rstrip("\r\n") if args.person == "-" else str(args.person)
