"""Everything that can go wrong, named by what the user does next.

    ImporterError
    ├── ConfigError          2   correct the command or the configuration; nothing was sent
    ├── SourceError          3   correct the file or its declaration; nothing was sent
    ├── RefusedError         4   the destination refused the run: correct the key or the quota, then resume
    ├── UnreachableError     5   the destination could not be reached for too long: wait, then resume
    ├── GuardError           6   a limit of yours was passed: look at the report, then correct or allow it
    ├── StateError           7   the state folder cannot be used: free, unlock or repair it, then resume
    ├── OutOfTimeError       8   your deadline came first, or a job is not done yet: resume later
    └── InternalError        9   a fault of the importer: report it; nothing on disk is lost

Each message is one or two sentences: where, what was expected and found, the next step. None ever quotes a
cell, a key or the text of another library's exception, because those can hold personal data.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from importer.core.text import message_text

DEFAULT_STATE_DIR = Path(".importer")
"""Where commands without a configuration look for runs."""


def command(*words: str, state_dir: Path = DEFAULT_STATE_DIR) -> str:
    """A next step in full, ready to paste."""
    place = [] if state_dir == DEFAULT_STATE_DIR else ["--state-dir", str(state_dir)]
    return shlex.join(["importer", *words, *place])


class ImporterError(Exception):
    """Base of all errors a user can meet; `exit_code` is what the command line ends with."""

    exit_code: int = 9

    def __init__(self, message: str = "") -> None:
        super().__init__(message_text(message))


class ConfigError(ImporterError):
    """Usage or configuration; raised before anything is read or sent."""

    exit_code = 2


class SourceError(ImporterError):
    """The source cannot be read as declared; raised before the first call."""

    exit_code = 3


class RefusedError(ImporterError):
    """The destination refused the run itself (key, permission, quota); the run is resumable."""

    exit_code = 4


class UnreachableError(ImporterError):
    """The destination could not be reached for too long; the run is resumable."""

    exit_code = 5


class GuardError(ImporterError):
    """The reject limit or another guard stopped the run.

    `allow` names the guards by which `--allow` goes on on purpose; empty where it is the reject limit.
    """

    exit_code = 6

    def __init__(self, message: str, allow: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.allow = tuple(allow)


class StateError(ImporterError):
    """The state folder is locked, damaged, full or unwritable."""

    exit_code = 7


class OutOfTimeError(ImporterError):
    """Time is up; the run is resumable."""

    exit_code = 8


class InternalError(ImporterError):
    """A fault of the importer itself, such as counts that do not add up."""

    exit_code = 9


class RejectedError(ImporterError):
    """The run is finished, and values were rejected, adjusted or unconfirmed; `rejects.csv` says which."""

    exit_code = 1


class InterruptedRunError(ImporterError):
    """A signal or a StopRequest stopped the run; it is resumable. `exit_code` is 130 or 143."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


_KINDS: tuple[type[ImporterError], ...] = (
    RejectedError,
    ConfigError,
    SourceError,
    RefusedError,
    UnreachableError,
    GuardError,
    StateError,
    OutOfTimeError,
    InternalError,
)


def error_of(exit_code: int, message: str) -> ImporterError | None:
    """The error that belongs to an exit code, None for 0."""
    if exit_code in (130, 143):
        return InterruptedRunError(message, exit_code)
    return next((kind(message) for kind in _KINDS if kind.exit_code == exit_code), None)
