"""The program: one command from its arguments to its exit code.

Data goes to stdout, progress and messages to stderr. Every error ends here, as a sentence and an exit code.
"""

import gc
import logging
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from importer.cli import arguments as command_line
from importer.cli import logs
from importer.cli.streams import forgiving_streams
from importer.core.errors import ImporterError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; nothing is raised, no traceback is printed."""
    with forgiving_streams(), logs.logging_to_stderr():
        return _ended(arguments)


def _ended(arguments: Sequence[str] | None) -> int:
    """Runs a command; whatever it raises becomes a sentence and an exit code."""
    try:
        _end_on_sigterm()
        return _command(arguments)
    except ImporterError as error:
        logs.say(str(error), "error", logging.ERROR, exit_code=error.exit_code)
        return error.exit_code
    except (KeyboardInterrupt, _TerminatedError) as error:
        logs.say("interrupted while nothing was being sent.")
        return 130 if isinstance(error, KeyboardInterrupt) else 143
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback, no text of another library
        logs.say(f"internal error ({_place(error)}); nothing on disk is lost. Please report it.")
        return 9


def _command(arguments: Sequence[str] | None) -> int:
    _complete()
    try:
        parsed = command_line.parse(arguments)
    except SystemExit as end:  # after --help and --version
        return int(end.code or 0)
    as_json = getattr(parsed, "log_format", "text") == "json"
    logs.configure(as_json=as_json, verbose=getattr(parsed, "verbose", False))
    command_line.note_old_names(parsed)
    with _no_collection(), _no_plugins():
        command = command_line.handler(parsed)
    return command(parsed)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection while modules are loaded: it finds nothing, and takes a tenth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor does a later one look at them
        gc.enable()


@contextmanager
def _no_plugins() -> Iterator[None]:
    """No plugins of pydantic, for which it looks through all installed packages: 30 ms beside a hundred."""
    name = "PYDANTIC_DISABLE_PLUGINS"
    before = os.environ.get(name)
    os.environ[name] = "__all__"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _complete() -> None:
    """Answers the shell that asks for completions, and ends the program; does nothing otherwise."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(command_line.parser())


class _TerminatedError(BaseException):
    """SIGTERM, where nothing is being sent: while reading, while reporting."""


def _end_on_sigterm() -> None:
    """SIGTERM ends the program as SIGINT does, through every `finally`; the sending itself drains."""

    def terminate(*_: object) -> NoReturn:
        raise _TerminatedError

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def _place(error: Exception) -> str:
    """The kind of an unexpected error and where it arose; its text could quote a person's values."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importer" in f.filename]
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
