"""The command line: commands, flags, and the names that both had before.

Nothing here imports the library, so that `--help`, `--version` and shell completion answer at once.
"""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from importer.cli import argument_types as types
from importer.cli.logs import say
from importer.core.errors import ConfigError
from importer.core.guard_names import GUARD_NAMES
from importer.core.text import did_you_mean, is_not_utf8, printable

Command = Callable[[argparse.Namespace], int]

RENAMED_COMMANDS = {"forget": "erase"}
"""Old name → new name. An old one works for this version, with one line on standard error."""

RENAMED_FLAGS = {
    "--again": "--allow-duplicates",
    "--for": "--max-duration",
    "--wait": "--lock-timeout",
    "--full": "--full-refresh",
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line as a namespace; ConfigError says what is wrong with it.

    Flags may stand anywhere, also between CONFIG and SOURCE, where argparse by itself ends the sources.
    """
    _refuse_bytes(sys.argv[1:] if arguments is None else arguments)
    parsed, left = parser().parse_known_args(arguments)
    unknown = [word for word in left if word.startswith("-")]
    if left and (unknown or not hasattr(parsed, "sources")):
        _refuse_unknown(parsed.parser, unknown or left)
    if left:
        parsed.sources = [*parsed.sources, *left]
    return parsed


def handler(parsed: argparse.Namespace) -> Command:
    """The function of a command, imported only now."""
    module, _, name = parsed.handler.partition(":")
    found: Command = getattr(importlib.import_module(f"importer.cli.{module}"), name)
    return found


def note_old_names(parsed: argparse.Namespace) -> None:
    """One line for each old name and each flag without effect that was given."""
    old = RENAMED_COMMANDS.get(parsed.command)
    if old:
        say(f"the command {parsed.command} is now called {old}; the old name goes with the next version.")
    for flag in getattr(parsed, "old_flags", ()):
        say(f"{flag} is now called {RENAMED_FLAGS[flag]}; the old name goes with the next version.")
    if getattr(parsed, "workers", None) is not None:
        say("--workers has no effect any more: one process sends everything. Leave the flag out.")


def _refuse_bytes(words: Sequence[str]) -> None:
    """Paths and names must be UTF-8: they stand in JSON files and reports."""
    for word in (*words, os.environ.get("IMPORTER_STATE_DIR", "")):
        if is_not_utf8(word):
            raise ConfigError(f'"{word}": not UTF-8; rename the file or folder, then use its new name.')


_INSTEAD = {
    "--dry-run": " To send nothing: importer check CONFIG.",
    "--force": " To go on although a guard trips: --allow GUARD.",
    "--config": " CONFIG stands without a flag: importer run CONFIG.",
    "--output": " The files of a run are in its folder; where that is: --state-dir DIR.",
}
"""Flags of other programs that ours does not have, and what is meant here."""


def _refuse_unknown(of: argparse.ArgumentParser, words: Sequence[str]) -> NoReturn:
    known = [name for action in of._actions for name in action.option_strings]  # noqa: SLF001 - no public list
    flag = words[0].partition("=")[0]
    guess = _INSTEAD.get(flag) or (did_you_mean(flag, known) if flag.startswith("-") else "")
    of.error(f"unrecognized arguments: {' '.join(printable(word) for word in words)}.{guess}")


_FEW = 6
"""So many names that may stand in a place are all listed."""


class _Parser(argparse.ArgumentParser):
    """Usage errors as ours: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        wrong = re.match(r"argument (.*): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
        if wrong:
            names = re.findall(r"[\w-]+", wrong[3])
            what = "unknown command" if wrong[1] == "COMMAND" else f"{wrong[1]}: unknown name"
            few = f" One of: {', '.join(names)}." if len(names) <= _FEW else ""
            message = f'{what} "{printable(wrong[2])}".{did_you_mean(wrong[2], names) or few}'
            if wrong[1] == "COMMAND" and wrong[2].endswith(".toml"):
                message = f"a configuration stands behind a command: importer check {printable(wrong[2])}"
        end = "" if message.endswith(("?", ".")) else ";"
        see = "see" if end else "See"
        raise ConfigError(f"{message}{end} {see}: {self.prog} --help")


class _Renamed(argparse.Action):
    """A flag under its old name: it sets what the new one sets, and is remembered for the note."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, self.const if self.nargs == 0 else values)
        namespace.old_flags = [*getattr(namespace, "old_flags", ()), option]


class _Version(argparse.Action):
    """Prints the version, which costs an import that no other command needs."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"importer {version('customer-importer')}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line. Docs and shell completion are made from it too."""
    root = _Parser(
        prog="importer", description="Writes customer lists as user attributes into engagement APIs."
    )
    root.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = root.add_subparsers(metavar="COMMAND", dest="command", required=True, parser_class=_Parser)
    _add_demo(commands)
    _add_importing(commands)
    _add_continuing(commands)
    _add_verify(commands)
    _add_looking(commands)
    _add_people(commands)
    _add_setup(commands)
    _add_sandbox(commands)
    return root


def _command(commands: Any, name: str, handler: str, text: str) -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False
    )
    found.set_defaults(handler=handler, parser=found)
    found.add_argument(
        "-v", "--verbose", action="store_true", help="tell every step on standard error, no value of a person"
    )
    return found


def _add_renamed(parser: argparse.ArgumentParser, old: str, **settings: Any) -> None:
    dest = RENAMED_FLAGS[old].removeprefix("--").replace("-", "_")
    parser.add_argument(
        old, dest=dest, action=_Renamed, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings
    )


# The commands that read a list.


def _add_demo(commands: Any) -> None:
    demo = _command(commands, "demo", "setup_commands:demo", "import the sample list into a local sandbox")
    demo.add_argument("--destination", metavar="NAME", default="vevee", help="whose sandbox (default: vevee)")
    _add_state(demo)


def _add_importing(commands: Any) -> None:
    check = _command(commands, "check", "import_commands:check", "read and check everything, send nothing")
    run = _command(commands, "run", "import_commands:run", "import a list")
    for parser_ in (check, run):
        parser_.add_argument("config", metavar="CONFIG", help="the TOML file")
        parser_.add_argument(
            "sources",
            metavar="SOURCE",
            nargs="*",
            default=[],
            help="instead of the configured source; - is standard input",
        )
        parser_.add_argument(
            "--run-id", metavar="ID", help="name of the run (default: the time and a suffix)"
        )
        parser_.add_argument(
            "--limit",
            metavar="N",
            type=types.whole_number,
            help="read only the first N rows over all sources",
        )
        parser_.add_argument(
            "--strict", action="store_true", help="stop with 6 where the list shows signs of damage"
        )
        parser_.add_argument(
            "--changed-only",
            action="store_true",
            help="send only what differs from what was acknowledged before",
        )
        _add_state(parser_)
        _add_sending(parser_)
        _add_output(parser_)
        _add_log(parser_)
    check.add_argument(
        "--preview",
        metavar="N",
        type=types.positive_number,
        help="show what becomes of each cell of the first N people, and their requests",
    )
    _add_time(run)
    run.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="send increases though this content was sent, or is half sent",
    )
    _add_renamed(run, "--again", nargs=0, const=True)
    run.add_argument(
        "--full-refresh", action="store_true", help="send everything, also where changed_only is configured"
    )
    _add_renamed(run, "--full", nargs=0, const=True)
    _add_outcomes(run)
    run.add_argument(
        "--resume", action="store_true", help="go on with this import's unfinished run of the same list"
    )


def _add_continuing(commands: Any) -> None:
    resume = _command(
        commands, "resume", "import_commands:resume", "continue a run that was stopped or killed"
    )
    resume.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    resume.add_argument("--name", metavar="NAME", help="the newest run of the import of this name")
    retry = _command(
        commands, "retry", "import_commands:retry", "send what a run rejected or could not confirm again"
    )
    retry.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    retry.add_argument("file", metavar="FILE", nargs="?", help="a corrected file of rejected_rows/")
    retry.add_argument("--run-id", metavar="ID", help="name of the new run")
    _add_outcomes(retry)
    for parser_ in (resume, retry):
        _add_state(parser_)
        _add_sending(parser_)
        _add_time(parser_)
        _add_output(parser_)
        _add_log(parser_)


def _add_verify(commands: Any) -> None:
    verify = _command(
        commands, "verify", "run_commands:verify", "read people back from the destination and compare"
    )
    verify.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    verify.add_argument(
        "--sample",
        metavar="N",
        type=types.positive_number,
        default=100,
        help="compare so many people (default: 100)",
    )
    _add_state(verify)
    _add_place(verify)
    _add_output(verify)


# The commands that send nothing.


def _add_looking(commands: Any) -> None:
    runs = _command(commands, "runs", "run_commands:runs", "list the past runs")
    runs.add_argument(
        "--prune",
        metavar="AGE",
        type=types.duration,
        help="remove runs older than 30d, say, and all they hold",
    )
    runs.add_argument("--name", metavar="IMPORT", help="list only the runs of this import")
    runs.add_argument("--json", action="store_true", help="print the runs as JSON")
    runs.add_argument(
        "--html", action="store_true", help="write a page with the trends of one import (default: the newest)"
    )
    _add_state(runs)
    report = _command(commands, "report", "run_commands:report", "print the summary of one run")
    report.add_argument("run", metavar="RUN", nargs="?", help="default: the newest")
    report.add_argument("--open", action="store_true", help="open report.html in the browser")
    report.add_argument(
        "--no-values", action="store_true", help="write a copy without values and ids of people, to pass on"
    )
    report.add_argument(
        "--spreadsheet",
        action="store_true",
        help="write a copy of rejects.csv in which a spreadsheet takes no cell for a formula",
    )
    _add_state(report)
    _add_output(report)


def _add_people(commands: Any) -> None:
    explain = _command(
        commands, "explain", "run_commands:explain", "show what happened to one person, from line to answer"
    )
    explain.add_argument("person", metavar="ID", help="the distinct id; - reads it from stdin")
    explain.add_argument("--run", metavar="RUN", help="default: the newest that knows the person")
    _add_state(explain)
    undo = _command(
        commands, "undo", "run_commands:undo", "write a source file with the values of before a run"
    )
    undo.add_argument("run", metavar="RUN", nargs="?", help="default: the newest that sent anything")
    _add_state(undo)
    text = "take one person out of everything that is kept here"
    for parser_ in (
        _command(commands, "erase", "run_commands:erase", text),
        commands.add_parser("forget", description=text, allow_abbrev=False),
    ):
        parser_.set_defaults(handler="run_commands:erase", parser=parser_)
        parser_.add_argument("person", metavar="ID", help="the distinct id; - reads it from stdin")
        _add_state(parser_)

    snapshot = _command(
        commands,
        "snapshot",
        "run_commands:snapshot",
        "write what is known of each person's row as a table for other engines",
    )
    snapshot.add_argument("action", metavar="ACTION", choices=("export",), help="export")
    snapshot.add_argument("config", metavar="CONFIG", help="the TOML file")
    snapshot.add_argument(
        "--to", metavar="DIR|URL", help="the folder of the new file (default: exports/ in the state folder)"
    )
    _add_state(snapshot)
    snapshot.add_argument("--base-url", metavar="URL", help="instead of the configured base_url")
    _add_lock_timeout(snapshot)


def _add_setup(commands: Any) -> None:
    init = _command(
        commands, "init", "setup_commands:init", "draft a configuration from a file, to read and correct"
    )
    init.add_argument("source", metavar="SOURCE", nargs="?", help="the list")
    init.add_argument(
        "--example", metavar="NAME", help="an example that comes with the program, such as vevee, and no list"
    )
    init.add_argument("--destination", metavar="NAME", default="vevee", help="the vendor (default: vevee)")
    init.add_argument("--id", metavar="COLUMN", help="the column of the distinct id (default: by its look)")
    init.add_argument(
        "--like", metavar="CONFIG", type=Path, help="take over what this configuration says of the columns"
    )
    init.add_argument("-o", metavar="FILE", type=Path, help="write the draft to a new file")
    _command(
        commands, "schema", "setup_commands:schema", "print the JSON Schema of the configuration, for editors"
    )
    config = _command(
        commands, "config", "setup_commands:show_config", "print a configuration as it is understood"
    )
    config.add_argument("action", metavar="ACTION", choices=("show",), help="show")
    config.add_argument("config", metavar="CONFIG", help="the TOML file")
    completion = _command(
        commands, "completion", "completion:completion", "print what makes a shell complete our commands"
    )
    completion.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish"
    )


_FAULTS = "a fault and its share, call numbers or interval: 429:0.05, 503@3,7, reset_after/40"


def _add_sandbox(commands: Any) -> None:
    sandbox = _command(
        commands,
        "sandbox",
        "setup_commands:sandbox",
        "start a local server that answers as the destination would",
    )
    sandbox.add_argument(
        "config", metavar="CONFIG", nargs="?", help="its attributes are what the server knows"
    )
    sandbox.add_argument(
        "--port", metavar="P", type=types.whole_number, default=8080, help="0 = any free port (default: 8080)"
    )
    sandbox.add_argument("--fail", metavar="FAULT", action="append", default=[], help=_FAULTS)
    sandbox.add_argument(
        "--latency", metavar="TIME", type=types.latency, default=0.0, help="like 50ms or 0.2s"
    )
    sandbox.add_argument(
        "--rate-limit", metavar="N", type=types.rate, default=0.0, help="unannounced, in requests/s"
    )
    sandbox.add_argument(
        "--quota", metavar="N", type=types.whole_number, help="so many writes, then the quota is used up"
    )
    sandbox.add_argument(
        "--undefined", metavar="KEY", action="append", default=[], help="unknown to the server"
    )
    sandbox.add_argument(
        "--archived", metavar="KEY", action="append", default=[], help="archived at the server"
    )
    sandbox.add_argument(
        "--seed", metavar="N", type=types.whole_number, default=0, help="which calls a share of faults hits"
    )


# The flags that several commands share.


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
    parser.add_argument(
        "--rate", metavar="N", type=types.rate, help="ceiling in requests per second; 0 = none"
    )


def _add_sending(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    parser.add_argument(
        "--max-rejects", metavar="N|P%", type=types.reject_limit, help="stop with 6 past so many rejects"
    )
    parser.add_argument(
        "--allow",
        metavar="GUARD",
        action="append",
        default=[],
        choices=GUARD_NAMES,
        help="go on although this guard trips: " + ", ".join(GUARD_NAMES),
    )


def _add_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", metavar="N", help=argparse.SUPPRESS)
    _add_lock_timeout(parser)
    _add_renamed(parser, "--wait", type=types.duration)
    parser.add_argument(
        "--stop-by",
        metavar="TIME",
        help="stop sending then, with 8: HH:MM in local time, or a date and time with its zone",
    )
    parser.add_argument(
        "--max-duration", metavar="TIME", type=types.duration, help="stop sending after 2h, say, with 8"
    )
    _add_renamed(parser, "--for", type=types.duration)


def _add_lock_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock-timeout",
        metavar="TIME",
        type=types.duration,
        default=0.0,
        help="wait so long for another run of this import to end, like 30m or 2h",
    )


def _add_outcomes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--outcomes",
        metavar="DIR|URL",
        help="write how each value ended as Parquet, and copy the table into this folder",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print the summary as JSON on stdout, nothing else"
    )
    parser.add_argument("--quiet", action="store_true", help="print no progress and no summary, only errors")


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format",
        metavar="FORMAT",
        choices=("text", "json"),
        default="text",
        help="json: what goes to stderr as JSON, one object a line, and more of it",
    )
