"""The commands, the progress bar, the exit codes; the only module that prints.

Data goes to stdout, progress and messages to stderr. Every error ends here, as a sentence and an exit code.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from tqdm import tqdm

from importer import destinations
from importer.config import loader as configuration
from importer.config.options import Options, RejectLimit
from importer.core.durations import seconds_of
from importer.core.errors import DEFAULT_STATE_DIR, ConfigError, ImporterError, command
from importer.core.events import Event
from importer.core.models import RunSummary
from importer.pipeline import guards, runner
from importer.report import text_report
from importer.report.summary import as_json
from importer.storage import run_folder
from importer.storage.journal import count_pending
from importer.storage.run_folder import RunFolder

PROJECT = Path(__file__).resolve().parent.parent.parent
"""The checkout, where the demo finds its sample and its configuration."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; nothing is raised, no traceback is printed."""
    os.umask(0o077)
    try:
        _end_on_sigterm()
        _LOG.json = False
        options = _parse(arguments)
        _LOG.json = getattr(options, "log_format", "text") == "json"
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except ImporterError as error:
        _LOG.say(f"importer: {error}", "error", "error", exit_code=error.exit_code)
        return error.exit_code
    except (KeyboardInterrupt, _TerminatedError) as error:
        _say("importer: interrupted; nothing was being sent.")
        return 130 if isinstance(error, KeyboardInterrupt) else 143
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the reader of our output is gone
        return 0
    except asyncio.CancelledError:
        _say("importer: stopped at once; what was answered is in the journal. Go on with: importer resume")
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback, no text of another library
        _say(f"importer: internal error ({_place(error)}); nothing on disk is lost. Please report it.")
        return 9


class _TerminatedError(BaseException):
    """SIGTERM, where nothing is being sent: while reading, while reporting."""


def _end_on_sigterm() -> None:
    """SIGTERM ends the program as SIGINT does, through every `finally`; the sending itself drains."""

    def terminate(*_: object) -> NoReturn:
        raise _TerminatedError

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Flags may stand anywhere, also between CONFIG and SOURCE, where argparse by itself ends the sources."""
    parser = _parser()
    parsed, left = parser.parse_known_args(arguments)
    if left and (not hasattr(parsed, "sources") or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        parsed.sources = [*parsed.sources, *left]
    return parsed


def _place(error: Exception) -> str:
    """The kind of an unexpected error and where it arose; its text could quote a person's values."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importer" in f.filename]
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


class _Log:
    """What goes to stderr besides the bar: text, or one JSON object a line (`--log-format json`)."""

    json = False

    def say(self, text: str, kind: str = "message", level: str = "info", **fields: object) -> None:
        if self.json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            said = text.removeprefix("importer: ").strip()
            line = {"at": at, "level": level, "event": kind, "text": said, **fields}
            text = json.dumps(line, ensure_ascii=False, default=str)
        print(text, file=sys.stderr, flush=True)


_LOG = _Log()


def _say(text: str) -> None:
    _LOG.say(text)


class _Parser(argparse.ArgumentParser):
    """Usage errors as ours: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see: {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="importer", description="Writes customer lists as user attributes into engagement APIs."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    demo = _command(commands, "demo", _demo, "import the sample list into a local sandbox")
    demo.add_argument(
        "--destination",
        metavar="NAME",
        choices=destinations.names(),
        default="vevee",
        help="whose sandbox (default: vevee)",
    )
    _add_state(demo)
    check = _command(commands, "check", _check, "read and check everything, send nothing")
    run = _command(commands, "run", _run, "the import")
    for parser_ in (check, run):
        parser_.add_argument("config", metavar="CONFIG", help="the TOML file")
        parser_.add_argument(
            "sources", metavar="SOURCE", nargs="*", default=[], help="instead of the configured source"
        )
        parser_.add_argument(
            "--run-id", metavar="ID", help="name of the run (default: the time and a little chance)"
        )
        parser_.add_argument(
            "--limit", metavar="N", type=_count, help="only the first N rows over all sources"
        )
        parser_.add_argument(
            "--strict", action="store_true", help="stop with 6 where the list shows signs of damage"
        )
        parser_.add_argument(
            "--changed-only", action="store_true", help="only what differs from what was acknowledged before"
        )
        _add_state(parser_)
        _add_sending(parser_)
        _add_output(parser_)
        _add_log(parser_)
    _add_time(run)
    run.add_argument(
        "--again", action="store_true", help="send increases though this content was sent, or is half sent"
    )
    run.add_argument("--full", action="store_true", help="everything, also where changed_only is configured")
    resume = _command(commands, "resume", _resume, "continue a run that was stopped or killed")
    resume.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    retry = _command(commands, "retry", _retry, "send what a run rejected or could not confirm again")
    retry.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    retry.add_argument("file", metavar="FILE", nargs="?", help="a corrected file of rejected_rows/")
    retry.add_argument("--run-id", metavar="ID", help="name of the new run")
    for parser_ in (resume, retry):
        _add_state(parser_)
        _add_sending(parser_)
        _add_time(parser_)
        _add_output(parser_)
        _add_log(parser_)
    check_back = _command(commands, "verify", _verify, "read people back from the destination and compare")
    check_back.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    check_back.add_argument(
        "--sample", metavar="N", type=_people, default=100, help="so many people (default: 100)"
    )
    _add_state(check_back)
    _add_place(check_back)
    _add_output(check_back)
    _add_looking(commands)
    _add_sandbox(commands)
    return parser


def _add_looking(commands: Any) -> None:
    """The commands that send nothing and ask nobody."""
    listing = _command(commands, "runs", _runs, "the past runs")
    listing.add_argument(
        "--prune", metavar="AGE", type=_duration, help="remove runs older than 30d, say, and all they hold"
    )
    _add_state(listing)
    way = _command(commands, "explain", _explain, "what happened to one person, from line to answer")
    way.add_argument("person", metavar="ID", help="the distinct id; - reads it from stdin")
    way.add_argument("--run", metavar="RUN", help="default: the newest that knows the person")
    _add_state(way)
    back = _command(commands, "undo", _undo, "write a source file with the values of before a run")
    back.add_argument("run", metavar="RUN", nargs="?", help="default: the newest that sent anything")
    _add_state(back)
    out = _command(commands, "forget", _forget, "take one person out of everything that is kept here")
    out.add_argument("person", metavar="ID", help="the distinct id; - reads it from stdin")
    _add_state(out)
    init = _command(commands, "init", _init, "draft a configuration from a file, to read and correct")
    init.add_argument("source", metavar="SOURCE", help="the list")
    report = _command(commands, "report", _report, "one run's summary")
    report.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    _add_state(report)
    _add_output(report)


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False
    )
    parser.set_defaults(command=function)
    return parser


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=os.environ.get("IMPORTER_STATE_DIR"),
        help="where runs are kept (default: .importer beside the config, else ./.importer)",
    )


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="instead of the configured base_url")
    parser.add_argument("--rate", metavar="N", type=_rate, help="ceiling in requests per second; 0 = none")


def _add_sending(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    parser.add_argument(
        "--max-rejects", metavar="N|P%", type=RejectLimit.parse, help="stop with 6 past so many rejects"
    )
    parser.add_argument(
        "--allow",
        metavar="GUARD",
        action="append",
        default=[],
        choices=guards.NAMES,
        help="go on although this guard trips: " + ", ".join(guards.NAMES),
    )


def _add_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", metavar="N", help=argparse.SUPPRESS)
    parser.add_argument(
        "--wait", metavar="TIME", type=_duration, default=0.0, help="queue behind another run, like 30m or 2h"
    )
    parser.add_argument("--stop-by", metavar="HH:MM", help="stop sending then, local time, with 8")
    parser.add_argument(
        "--for", metavar="TIME", dest="longest", type=_duration, help="stop sending after 2h, say, with 8"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout, nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary, only errors")


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format",
        metavar="FORMAT",
        choices=("text", "json"),
        default="text",
        help="json: what goes to stderr as JSON, one object a line, and more of it",
    )


def _add_sandbox(commands: Any) -> None:
    parser = _command(commands, "sandbox", _sandbox, "a local server that answers as the destination would")
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", help="its attributes are what the server knows"
    )
    parser.add_argument(
        "--port", metavar="P", type=_count, default=8080, help="0 = any free port (default: 8080)"
    )
    parser.add_argument("--fail", metavar="FAULT", action="append", default=[], help=_FAIL_HELP)
    parser.add_argument("--latency", metavar="TIME", type=_seconds, default=0.0, help="like 50ms or 0.2s")
    parser.add_argument(
        "--rate-limit", metavar="N", type=_rate, default=0.0, help="unannounced, in requests/s"
    )
    parser.add_argument("--quota", metavar="N", type=_count, help="so many writes, then the quota is used up")
    parser.add_argument(
        "--undefined", metavar="KEY", action="append", default=[], help="unknown to the server"
    )
    parser.add_argument(
        "--archived", metavar="KEY", action="append", default=[], help="archived at the server"
    )
    parser.add_argument(
        "--seed", metavar="N", type=_count, default=0, help="which calls a share of faults hits"
    )


_FAIL_HELP = "a fault and its share, call numbers or interval: 429:0.05, 503@3,7, reset_after/40"


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("expected a whole number from 0 on")
    return int(text)


def _people(text: str) -> int:
    number = _count(text)
    if not number:
        raise argparse.ArgumentTypeError("expected a whole number from 1 on")
    return number


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("expected requests per second, 0 for no ceiling")
    return value


def _duration(text: str) -> float:
    found = seconds_of(text)
    if found is None:
        raise argparse.ArgumentTypeError("expected a time like 90s, 30m or 2h")
    return found


def _seconds(text: str) -> float:
    number, unit = (text[:-2], 0.001) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    return _rate(number) * unit


# ------------------------------------------------------------------- commands


def _options(args: argparse.Namespace) -> Options:
    return Options(
        state_dir=Path(args.state_dir) if args.state_dir else None,
        run_id=getattr(args, "run_id", None),
        base_url=args.base_url,
        limit=getattr(args, "limit", None),
        max_rejects=args.max_rejects,
        rate=args.rate,
        strict=getattr(args, "strict", False),
        again=getattr(args, "again", False),
        allow=tuple(args.allow),
        wait=getattr(args, "wait", 0.0),
        stop_by=getattr(args, "stop_by", None),
        longest=getattr(args, "longest", None),
        changed_only=getattr(args, "changed_only", False),
        full=getattr(args, "full", False),
    )


def _run(args: argparse.Namespace) -> int:
    return _imported(args, runner.run)


def _check(args: argparse.Namespace) -> int:
    return _imported(args, runner.check)


def _imported(args: argparse.Namespace, function: Callable[..., RunSummary]) -> int:
    config, options = configuration.load(args.config), _options(args)
    with _Progress(quiet=args.quiet) as progress:
        summary = function(config, args.sources, options, progress)
    return _show(summary, options.state_dir_of(config), args)


def _resume(args: argparse.Namespace) -> int:
    with _Progress(quiet=args.quiet) as progress:
        summary = runner.resume(_state_dir(args), args.run, _options(args), progress)
    return _show(summary, _state_dir(args), args)


def _retry(args: argparse.Namespace) -> int:
    with _Progress(quiet=args.quiet) as progress:
        summary = runner.retry(_state_dir(args), args.run, args.file, _options(args), progress)
    return _show(summary, _state_dir(args), args)


def _verify(args: argparse.Namespace) -> int:
    from importer.commands.verify import verify

    options = Options(base_url=args.base_url, rate=args.rate)
    found = verify(_state_dir(args), args.run, args.sample, options)
    if args.json:
        print(json.dumps(found.as_mapping(), indent=2, ensure_ascii=False))
    elif not args.quiet:
        _print(text_report.verified_lines(found.as_mapping(), found.report))
    return found.exit_code


def _state_dir(args: argparse.Namespace) -> Path:
    return Path(args.state_dir) if args.state_dir else DEFAULT_STATE_DIR


def _runs(args: argparse.Namespace) -> int:
    state_dir = _state_dir(args)
    if args.prune is not None:
        return _prune(state_dir, args.prune)
    folders = run_folder.all_runs(state_dir)
    if not folders:
        _say(f"importer: no runs in {state_dir}; another folder: importer runs --state-dir DIR")
        return 0
    _print(text_report.table(folders))
    return 0


def _prune(state_dir: Path, seconds: float) -> int:
    def has_open_jobs(folder: RunFolder) -> bool:
        return (
            run_folder.is_resumable(folder) and folder.journal.exists() and count_pending(folder.journal) > 0
        )

    gone = list(run_folder.prune(state_dir, seconds, has_open_jobs))
    _say(
        f"importer: {len(gone):,} runs removed from {state_dir}, {len(run_folder.all_runs(state_dir)):,} kept"
    )
    return 0


def _explain(args: argparse.Namespace) -> int:
    from importer.commands.explain import explain

    person = sys.stdin.readline().rstrip("\r\n") if args.person == "-" else args.person
    _print(explain(_state_dir(args), person, args.run))
    return 0


def _undo(args: argparse.Namespace) -> int:
    from importer.commands.undo import undo

    _print(text_report.undone_lines(undo(_state_dir(args), args.run), _state_dir(args)))
    return 0


def _forget(args: argparse.Namespace) -> int:
    from importer.commands.erase import erase

    person = sys.stdin.readline().rstrip("\r\n") if args.person == "-" else args.person
    found = erase(_state_dir(args), person)
    _say(
        f"importer: forgotten in {found.snapshots:,} snapshots, {found.runs:,} runs and {found.caches:,} "
        "caches. Take the person out of the list and the destination too."
    )
    return 0


def _init(args: argparse.Namespace) -> int:
    from importer.commands.init import draft

    _print(list(draft(args.source)))
    return 0


def _report(args: argparse.Namespace) -> int:
    state_dir = _state_dir(args)
    folder = run_folder.find(state_dir, args.run)
    summary = folder.read_summary()
    if summary is None:
        what, words = "it is going on, or was killed; then", ["resume", folder.run_id]
        if run_folder.state_of(folder.read_meta(), None) == "superseded":
            what, words = "it was killed, and a later run took its place; see", ["runs"]
        hint = command(*words, state_dir=state_dir)
        raise ConfigError(f"Run {folder.run_id} has no summary: {what}: {hint}")
    if args.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    if args.json or args.quiet:
        return 0
    _print(text_report.summary_lines(summary, folder.read_meta()["mode"]))
    if summary["message"]:
        print(f"\n  {summary['message']}")
    _print(text_report.next_lines(summary, folder, state_dir))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from importer.sandbox import demo
    from importer.sandbox import server as sandbox

    config = configuration.load(PROJECT / "config" / f"{args.destination}.toml")
    source = PROJECT / "samples" / "customers.csv"
    state_dir = _state_dir(args)
    key = demo.default_key(config)
    config = config.model_copy(
        update={"destination": config.destination.model_copy(update={"api_key": "env:IMPORTER_DEMO_KEY"})}
    )
    os.environ["IMPORTER_DEMO_KEY"] = key
    with (
        sandbox.running(config, demo.demo_options(config), key) as server,
        _Progress(quiet=False, tell=False) as progress,
    ):
        options = Options(state_dir=state_dir, base_url=server.url, rate=0)
        summary = runner.run(config, [str(source)], options, progress)
    folder = RunFolder(state_dir / "runs" / summary.run_id)
    _print(text_report.summary_lines(as_json(summary), "run"))
    print(f"\n  report   {folder.rejects}\n  rows     {folder.rejected_rows}")
    print("  next     the same with a configuration of yours; README.md, A first import in five minutes")
    return 0 if summary.state == "finished" else summary.exit_code


def _sandbox(args: argparse.Namespace) -> int:
    from importer.sandbox import demo, faults
    from importer.sandbox import server as sandbox
    from importer.sandbox.options import SandboxOptions

    config = configuration.load(args.config or PROJECT / "config" / "vevee.toml")
    options = SandboxOptions(
        faults=tuple(faults.parse_fault(text) for text in args.fail),
        latency=args.latency,
        rate_limit=args.rate_limit,
        quota=args.quota,
        seed=args.seed,
        archived=frozenset(args.archived),
        undefined=frozenset(args.undefined),
        port=args.port,
    )
    key = demo.key_for(config)

    def ready(url: str) -> None:
        run = command("run", str(args.config or "config/vevee.toml"), "--base-url", url, "--rate", "0")
        _say(f"{config.destination.type} sandbox on {url}, Ctrl-C stops it. In another shell:")
        if key == demo.default_key(config):
            kind, _, name = config.destination.api_key.partition(":")
            _say(f"  export {name}={key}" if kind == "env" else f"  put {key} into {name}")
        _say(f"  {run}")

    sandbox.serve(config, options, key, ready)
    return 0


# ------------------------------------------------------------------- output


_TOLD = ("waiting", "cost", "not_notified")
"""The events that a person is told of; the others are for `--log-format json`."""


class _Progress:
    """A bar on stderr: rows, rate, rejects, time left. Silent when stderr is no terminal."""

    def __init__(self, *, quiet: bool, tell: bool = True) -> None:
        self._tells = tell and not quiet
        self._off = quiet or _LOG.json or not sys.stderr.isatty()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def tell(self, event: Event) -> None:
        """What a person waits for: why nothing happens yet, and what is about to be sent."""
        if _LOG.json or (event.kind in _TOLD and self._tells):
            level = "warning" if event.kind == "not_notified" else "info"
            with tqdm.external_write_mode(file=sys.stderr):
                _LOG.say(f"importer: {event.text}", event.kind, level, **event.fields)

    def reading(self, rows: int) -> None:
        """So many rows are read so far."""
        self._show("reading", rows, None, "")

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """So many of `total` rows are done, with so many values and rows rejected."""
        self._show("sending", rows, total, f"{rejects:,} rejects")

    def _show(self, stage: str, rows: int, total: int | None, postfix: str) -> None:
        if self._bar is None or self._bar.desc != stage:
            if self._bar is not None:
                self._bar.close()
            self._bar = tqdm(total=total, unit=" rows", disable=self._off, file=sys.stderr, unit_scale=True)
            self._bar.desc = stage
        self._bar.set_postfix_str(postfix, refresh=False)
        self._bar.update(rows - self._bar.n)


def _show(summary: RunSummary, state_dir: Path, args: argparse.Namespace) -> int:
    """The summary on stdout; what stopped the run, and how to go on, on stderr."""
    data = as_json(summary)
    folder = RunFolder(state_dir / "runs" / summary.run_id)
    if args.json:
        print(json.dumps(data, indent=2, ensure_ascii=False))
    elif not args.quiet:
        _print(text_report.summary_lines(data, folder.read_meta()["mode"]))
        _print(text_report.next_lines(data, folder, state_dir))
    if summary.message:
        _say(f"importer: {summary.message}")
        _say(f"  next: {text_report.way_on(data, state_dir)}")
    return summary.exit_code


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
