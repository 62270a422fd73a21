"""The errors that the functions of this package raise; see `importer.core.errors`."""

from importer.core.errors import (
    ConfigError,
    GuardError,
    ImporterError,
    InternalError,
    InterruptedRunError,
    OutOfTimeError,
    RefusedError,
    RejectedError,
    SourceError,
    StateError,
    UnreachableError,
)

__all__ = [
    "ConfigError",
    "GuardError",
    "ImporterError",
    "InternalError",
    "InterruptedRunError",
    "OutOfTimeError",
    "RefusedError",
    "RejectedError",
    "SourceError",
    "StateError",
    "UnreachableError",
]
