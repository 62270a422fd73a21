"""Why no usable answer came, and the bounds of an answer."""

import contextlib
import errno
import os

MAX_BODY = 1 << 20
"""Longest body that is read, in bytes; a longer one is cut, and then classified as it stands."""

MAX_ANSWER = 2 << 20
"""Most bytes of one answer: its head, body and trailers, and the interim answers before it."""

MAX_SECONDS = 120.0
"""Longest time for one answer, in seconds, whatever the time-outs are."""

TLS = "the destination's TLS certificate was not accepted"
NO_HOST = "the destination's host name was not found"
LATE = "the destination did not answer in time"
NO_CONNECTION = "no connection to the destination"
BROKEN = "the connection broke before the answer was complete"
TOO_LONG = f"the answer is longer than {MAX_ANSWER >> 20} MiB"
NO_FILES = (
    "this process may not open any more files, and each connection is one; raise the limit (ulimit -n) or "
    "lower max_in_flight"
)

_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


class TransportError(Exception):
    """No usable answer. `str` is a sentence of ours: the text of a library may quote the request.

    `connected` is false only where nothing can have reached the destination; `answered` is true where an
    answer had begun and broke off. `hopeless` is true where trying again cannot help.
    """

    def __init__(
        self, sentence: str, *, connected: bool = True, answered: bool = False, hopeless: bool = False
    ) -> None:
        super().__init__(sentence)
        self.connected = connected
        self.answered = answered
        self.hopeless = hopeless


def no_connection(error: BaseException, otherwise: str = NO_CONNECTION) -> TransportError:
    """The error of a connection that could not be opened; `otherwise` says why, if not for want of files.

    A look-up that finds no free file says that the name was not found, so the limit is tried here.
    """
    if is_out_of_files(error) or (otherwise == NO_HOST and not _can_open_a_file()):
        return TransportError(NO_FILES, connected=False, hopeless=True)
    return TransportError(otherwise, connected=False)


def is_out_of_files(error: BaseException) -> bool:
    """Whether the limit of open files is the cause of `error`."""
    return isinstance(error, OSError) and error.errno in _OUT_OF_FILES


def _can_open_a_file() -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open(os.devnull, os.O_RDONLY))
        return True
    return False
